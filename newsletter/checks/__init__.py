"""Rules about an issue and about what it becomes."""
