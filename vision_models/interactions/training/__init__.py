"""Training of InteractNet; a predictor imports nothing from here."""
