"""The proof files that the verifiers are tried on."""

from tests.proofs import (
    division,
    event_proof,
    journal,
    older_payment_proof,
    payment_proof,
    payout,
)

__all__ = ["division", "event_proof", "journal", "older_payment_proof", "payment_proof", "payout"]
