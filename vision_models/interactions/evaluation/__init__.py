"""Figures and speed of InteractNet; a predictor imports nothing from here."""
