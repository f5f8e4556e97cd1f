"""How good are the sentences."""
