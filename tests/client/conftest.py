"""The proof files that the verifiers are tried on."""

from tests.proofs import event_proof, journal, payment_proof, payout

__all__ = ["event_proof", "journal", "payment_proof", "payout"]
