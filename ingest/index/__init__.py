"""Candidates: which stored records are worth comparing with given ones."""
