"""Pictures of a policy, and of the path that one decision took through it."""
