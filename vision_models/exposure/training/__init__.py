"""Training of DRHT; a predictor imports nothing from here."""
