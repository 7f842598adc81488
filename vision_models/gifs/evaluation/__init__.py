"""Figures and speed of PHD-GIFs; a predictor imports nothing from here."""
