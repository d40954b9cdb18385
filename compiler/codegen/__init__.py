"""From the rule graph to Python callables."""
