"""Model repositories and their cards."""
