"""What a visitor can try without a file at hand. Nothing is stored in the repository."""
