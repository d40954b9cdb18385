"""The rule graph: the middle of the house."""
