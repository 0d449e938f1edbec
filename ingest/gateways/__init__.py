"""Doors' use cases that need fingerprints and facts at once: what a lab asks before it trains."""
