"""Recipes that make the weights which methods use."""
