"""Sending: claim, send, record, in that order, whatever happens."""
