"""Weights: a record per checkpoint, safetensors files that are loaded strictly, the Hub that may serve them."""
