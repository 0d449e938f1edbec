"""Everything that can go wrong between our books and a chain, and what must come out of it.

`docs/faults.md` says what is done and what is compared.
"""
