"""One canonical form per kind of record: what is digested and fingerprinted.

A text and a table row become a canonical text; an image becomes upright RGB pixels. Two records
are `exact` copies when their canonical forms are equal.
"""

from tallymark.fingerprint import normalise as text
from tallymark.fingerprint.rows import row

from .fingerprint.image import canonical as image

__all__ = ["image", "row", "text"]
