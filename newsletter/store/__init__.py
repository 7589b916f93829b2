"""Where the list and the ledger are kept."""
