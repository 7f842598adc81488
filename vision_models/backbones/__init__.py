"""Networks that more than one model builds on."""
