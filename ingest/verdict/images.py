"""The verdict on two images: by the hashes of the whole, and by the parts that lie over another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ingest.fingerprint import image, image_geometry, image_parts
from ingest.fingerprint.image_geometry import Alignment
from ingest.prints import PARTS, PDQ, Prints

from .shape import Kind, Verdict

DISTANCE = 31
"""Bits of 256 in which two prints of one picture may differ (PDQ's own threshold)."""
LEAST_QUALITY = 50
"""Below it a picture has too few features (a plain area) to be accused by (PDQ's own, of 100)."""

# An alignment is chance, or a shared mark, letterhead or chart, below any of these.
LEAST_AGREEING = 12
"""Places whose features agree: unrelated photographs reach 6, halves of one facade 12."""
LEAST_SUPPORT = 0.12
LEAST_EVENNESS = 0.6
"""Where one form is filled with other content (screens, pages, charts), it is 0.35 to 0.68."""
LEAST_ALIKE = 0.75
LEAST_SHARE = 0.08
"""The region's part of the area of that picture of which it is more: a caption is less."""
SHARE_FULL = 0.3
"""A part so large is as good as a larger one: a mark is never so large."""
LEAST_SCORE, HOLDS_SCORE = 0.5, 0.9
NEAR_FRAMES = 0.55
"""From here on the frames cover one another: one picture, and not a part of it."""

# By tests/bench/calibrate_images.py: the logistic regression of "is a copy" on what an alignment
# measures, each photograph's copies scored by what the other photographs taught.
WEIGHTS = (0.65, 6.21, 9.53, 4.31, 17.01)
"""Of log(agreeing), support, evenness, alike and the square root of the share."""
BIAS = -24.51
DISTANCE_MIDDLE, DISTANCE_STEP = 44.0, 3.5
"""At so many bits a copy is taken to be as likely as none (the nearest of 10,087 innocent pairs);
so many more divide the odds by e (as fitted)."""


def judge(later: Prints, earlier: Prints) -> Verdict | None:
    """The verdict on two images by their prints, any turn or mirror image of the later one.

    Where the whole is alike the parts need not be laid over one another.
    """
    return _judge_whole(later, earlier) or _judge_parts(later, earlier)


def _judge_whole(later: Prints, earlier: Prints) -> Verdict | None:
    mine, theirs = later.parts.get(PDQ), earlier.parts.get(PDQ)
    if mine is None or theirs is None:
        return None
    hashes = np.frombuffer(mine, np.uint8)[:-1].reshape(8, 32)
    standing = np.frombuffer(theirs, np.uint8)[:32]
    distance = int(image.distance(hashes, standing).min())
    return judge_hashes(distance=distance, later_quality=mine[-1], earlier_quality=theirs[-1])


def judge_hashes(*, distance: int, later_quality: int, earlier_quality: int) -> Verdict | None:
    """The verdict on two images whose prints differ in `distance` bits of 256."""
    if min(later_quality, earlier_quality) < LEAST_QUALITY or distance > DISTANCE:
        return None
    alike = 1 - distance / 256
    score = 1 / (1 + math.exp((distance - DISTANCE_MIDDLE) / DISTANCE_STEP))
    counted = {"differing_bits": distance, "bits": 256}
    return Verdict(Kind.NEAR, alike, alike, score=round(score, 4), counted=counted)


def _judge_parts(later: Prints, earlier: Prints) -> Verdict | None:
    mine, theirs = later.parts.get(PARTS), earlier.parts.get(PARTS)
    if mine is None or theirs is None:
        return None
    own, other = image_parts.unpacked(mine), image_parts.unpacked(theirs)
    distance = int(image.distance(own.inner_hashes, other.inner_hashes[0]).min())
    inside = judge_hashes(
        distance=distance, later_quality=own.inner_quality, earlier_quality=other.inner_quality
    )
    if inside is not None:
        return inside
    found = image_geometry.align(own, other)
    return None if found is None else judge_alignment(found)


def judge_alignment(found: Alignment) -> Verdict | None:
    """The verdict on two images that lie over one another so."""
    score = scored(found)
    if not is_alignment(found) or score < LEAST_SCORE:
        return None
    share = max(found.later_share, found.earlier_share)
    is_whole = found.frames >= NEAR_FRAMES
    # The region is what features span: of a whole picture it leaves the edges out.
    jaccard = found.frames if is_whole else _jaccard(found)
    return Verdict(
        Kind.NEAR if is_whole else Kind.CONTAINED,
        jaccard,
        max(min(share, 1.0), jaccard),
        score=round(score, 4),
        holds=score >= HOLDS_SCORE,
        counted=_counted(found),
    )


def is_alignment(found: Alignment) -> bool:
    """Whether it is more than chance or a shared mark could make, whatever the score."""
    return (
        found.agreeing >= LEAST_AGREEING
        and found.support >= LEAST_SUPPORT
        and found.evenness >= LEAST_EVENNESS
        and found.alike >= LEAST_ALIKE
        and max(found.later_share, found.earlier_share) >= LEAST_SHARE
    )


def features(found: Alignment) -> tuple[float, ...]:
    """What an alignment is scored by, in the order of WEIGHTS."""
    share = min(max(found.later_share, found.earlier_share), SHARE_FULL)
    evenness = min(found.evenness, 1.0)
    return math.log(found.agreeing), found.support, evenness, found.alike, math.sqrt(share)


def scored(found: Alignment) -> float:
    """The calibrated probability that two images which lie over one another so are a copy."""
    value = BIAS + sum(w * f for w, f in zip(WEIGHTS, features(found), strict=True))
    return 1 / (1 + math.exp(-value))


def _jaccard(found: Alignment) -> float:
    """The region over what both pictures cover together, in the measure of either."""
    mine, theirs = found.later_share, found.earlier_share
    if not mine or not theirs:
        return 0.0
    return 1 / (1 / mine + 1 / theirs - 1)


def _counted(found: Alignment) -> dict[str, Any]:
    return {
        "agreeing_features": found.agreeing,
        "evenness": round(found.evenness, 3),
        "support": round(found.support, 3),
        "alike_blocks": round(found.alike, 3),
        "is_mirrored": found.is_mirrored,
        "later_region": list(found.later_region),
        "earlier_region": list(found.earlier_region),
    }
