"""Which fingerprints compare: the names stored beside each, and the figures of the bands."""

from tallymark.fingerprint import HASH_VERSION, PERMUTATION_COUNT, SCHEME, SEED
from tallymark.fingerprint.scheme import EMPTY, GRAM_CHARACTERS, SHINGLE_TOKENS, SHORT_TOKENS

__all__ = [
    "BAND_COUNT",
    "BAND_ROWS",
    "EMPTY",
    "GRAM_CHARACTERS",
    "HASH_VERSION",
    "IMAGE_HASH",
    "KEY_BITS",
    "PERMUTATION_COUNT",
    "SAMPLE_BITS",
    "SCHEME",
    "SEED",
    "SHINGLE_TOKENS",
    "SHORT_TOKENS",
    "signature_name",
]

BAND_COUNT = 20
BAND_ROWS = 6
"""20 bands of 6 rows found .992 of the pairs with Jaccard >= 0.7 (DESIGN, decision 4)."""
KEY_BITS = 48
SAMPLE_BITS = 3
"""One shingle hash in 2**3 is indexed, for works hidden in padding (DESIGN, decision 5)."""
IMAGE_HASH = "pdq-256"


def signature_name() -> str:
    """The one name that two comparable signatures share."""
    return f"{HASH_VERSION}/{SCHEME}-{PERMUTATION_COUNT}-{SEED}"
