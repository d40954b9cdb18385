"""What `caplex init` writes: a desk policy over packs, its tests, settings, and files for CI and editors."""
