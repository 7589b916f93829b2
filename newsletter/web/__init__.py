"""The public service: joining, leaving, preferences, and what providers report."""
