"""Capital shared out by score: what `allocate` means (docs/spec.md, CAP-ALLOC), worked out exactly and told."""
