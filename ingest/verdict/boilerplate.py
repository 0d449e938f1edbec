"""Passages that many records hold, boilerplate, do not accuse.

A licence header, a template, a set phrase: what a newcomer shares with several earlier records
says little about any one of them. A pair whose remaining passages would not hold is possible only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ingest.fingerprint import containment, grams
from ingest.prints import WORDS, Prints

from . import text
from .shape import Kind, Verdict

COMMON_SHORT = 2
"""So many earlier short texts with a gram of the newcomer's make it common: a sentence that is in
two others word for word is a template. Texts with the same grams count once."""
COMMON_LONG = 8
"""The same for shingles: a work may well be registered a few times, by its publishers."""
LEAST_REST = 8
LEAST_REST_SHARE = 0.4
"""Of the 5-grams that are not common, both texts must share so many, and such a part."""

Hashes = NDArray[np.uint32]


def discounted(
    later: Prints, earlier: Sequence[Prints], verdicts: Sequence[Verdict | None]
) -> list[Verdict | None]:
    """The verdicts on one newcomer and all that it is like, without what is common among these.

    Exact copies, images, code and rows stay as they are: only a text's verdict, by what it counted,
    may cease to hold. It never begins to.
    """
    made = list(verdicts)
    places = [at for at, verdict in enumerate(made) if verdict is not None and _is_text(verdict)]
    short = [at for at in places if _are_short(later, earlier[at])]
    long = [at for at in places if not _are_short(later, earlier[at])]
    for name, some, least, still_holds in (
        (grams.SKETCH, short, COMMON_SHORT, _short_holds),
        (WORDS, long, COMMON_LONG, _long_holds),
    ):
        if len(some) < least:
            continue
        mine = _hashes(later, name)
        common = _common([_hashes(earlier[at], name) for at in some], mine, least)
        for at in some:
            verdict = made[at]
            if verdict is not None and verdict.holds:
                rest = _without(mine, common), _without(_hashes(earlier[at], name), common)
                made[at] = replace(verdict, holds=still_holds(*rest))
    return made


def _is_text(verdict: Verdict) -> bool:
    return verdict.kind in (Kind.NEAR, Kind.CONTAINED) and text.COUNTED in verdict.counted


def _are_short(one: Prints, other: Prints) -> bool:
    return grams.SKETCH in one.parts and grams.SKETCH in other.parts


def _hashes(own: Prints, name: str) -> Hashes:
    return grams.unpacked(own.parts[name]).grams if name == grams.SKETCH else own.numbers(name)


def _common(sets: Sequence[Hashes], mine: Hashes, least: int) -> Hashes:
    """Those of `mine` that at least `least` unlike ones of `sets` hold, sorted."""
    unlike = {other.tobytes(): other for other in sets}.values()
    found, counts = np.unique(
        np.concatenate([containment.shared(mine, other) for other in unlike]), return_counts=True
    )
    return found[counts >= least]


def _without(hashes: Hashes, common: Hashes) -> Hashes:
    return np.setdiff1d(hashes, common, assume_unique=True)


def _short_holds(mine: Hashes, theirs: Hashes) -> bool:
    shared, smaller = len(containment.shared(mine, theirs)), min(len(mine), len(theirs))
    return shared >= LEAST_REST and shared >= LEAST_REST_SHARE * smaller


def _long_holds(mine: Hashes, theirs: Hashes) -> bool:
    made = text.judge_words(
        shared=len(containment.shared(mine, theirs)),
        later_size=len(mine),
        earlier_size=len(theirs),
    )
    return made is not None and made.holds
