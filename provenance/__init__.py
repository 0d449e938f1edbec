"""Facts about data: who registered what, who used it, and the ledger that remembers it."""
