"""A bare catalogue in, a described and trustworthy dataset out."""
