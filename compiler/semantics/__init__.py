"""Names, units, checks: from a tree to a checked module. `analyse` is the whole of it."""
