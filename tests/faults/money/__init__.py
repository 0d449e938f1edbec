"""The money's way under kills: billing, restatement, payout and deposit, held against a model.

`./run faults --kills N --seed S`; docs/faults.md says what is killed and what is compared.
"""
