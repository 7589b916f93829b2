"""What comes back: the states of a delivery after the provider took it, and what a report changes."""
