"""Standard rules: ordinary .cap files, as package data."""
