"""Figures and speed of DRHT; a predictor imports nothing from here."""
