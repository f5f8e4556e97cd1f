"""Catalogues, real and drawn."""
