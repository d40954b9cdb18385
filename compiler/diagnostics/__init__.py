"""Diagnostics as data, and their renderings."""
