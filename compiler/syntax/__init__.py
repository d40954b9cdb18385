"""Tokens, tree, syntax errors."""
