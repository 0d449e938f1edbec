"""Verdicts on texts looked at once more, on the texts themselves.

Prints are hashes of 32 bits, and whoever likes can make texts whose hashes meet. Where both texts
are here, only passages that are the same letter by letter hold anything.
"""

from __future__ import annotations

from dataclasses import replace

from tallymark.fingerprint import minhash, short
from tallymark.fingerprint.scheme import GRAM_CHARACTERS

from . import text
from .shape import Verdict


def confirmed(made: Verdict, *, later: str, earlier: str) -> Verdict:
    """The verdict, which no longer holds where the texts do not share what their hashes do.

    Verdicts of other kinds of content, and those that do not hold, stay as they are.
    """
    if not made.holds or text.COUNTED not in made.counted:
        return made
    if text.BY_LETTERS in made.counted:
        shared = len(_letters(later) & _letters(earlier))
    else:
        shared = len(set(minhash.shingles(later)) & set(minhash.shingles(earlier)))
    # Hashes that meet by chance are a handful in a long text: a tenth is no chance.
    return made if shared >= 0.9 * int(made.counted["shared"]) else replace(made, holds=False)


def _letters(content: str) -> set[str]:
    known, width = short.letters(content), GRAM_CHARACTERS
    return {known[at : at + width] for at in range(max(len(known) - width + 1, 1))}
