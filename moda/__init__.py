"""MODA: a small vision-language model that describes fashion products."""
