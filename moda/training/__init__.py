"""Recipes, and what a training run is made of."""
