"""Configurations of other systems, as policies and settings: each value with the place that it came from."""
