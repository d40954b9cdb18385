"""From text to a checked, compiled policy."""
