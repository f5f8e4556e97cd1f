"""Describing pictures."""
