"""The demos: one module per model, each of them a tab of `app.py` and a page of its own."""
