"""Brokers: what the engine asks of a venue, and one that is simulated."""
