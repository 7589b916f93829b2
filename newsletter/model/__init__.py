"""Frozen types every other part speaks in: issues, messages, subscribers, deliveries."""
