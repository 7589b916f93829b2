"""Ways for a message to leave; each one file."""
