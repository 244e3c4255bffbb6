"""Commands that measure and prepare: `python -m bench list` names them."""
