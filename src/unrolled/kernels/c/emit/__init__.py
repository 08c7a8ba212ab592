"""A plan becomes C text."""
