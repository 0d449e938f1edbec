"""A picture of how far a score is the probability that it says it is."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tests.bench.quality_pairs import Judged

SIDE, EDGE, BINS, LEAST = 520, 60, 10, 20
COLOURS = ("#1f5fa8", "#c2570c", "#2e7d32", "#7b1fa2", "#00796b", "#5d4037")


def reliability(said: Mapping[str, Judged]) -> bytes:
    """A PNG: by set, what part of the pairs with a score are copies, in ten bins of the score.

    Bins of fewer than LEAST pairs are left out; what was no match has no score.
    """
    picture = Image.new("RGB", (SIDE + 2 * EDGE + 200, SIDE + 2 * EDGE), "white")
    draw = ImageDraw.Draw(picture)
    draw.rectangle([EDGE, EDGE, EDGE + SIDE, EDGE + SIDE], outline="black")
    draw.line([_place(0, 0), _place(1, 1)], fill="#999999")
    for tick in range(0, 11, 2):
        share = tick / 10
        draw.text((_place(share, 0)[0] - 8, EDGE + SIDE + 8), f"{share:.1f}", fill="black")
        draw.text((EDGE - 28, _place(0, share)[1] - 6), f"{share:.1f}", fill="black")
    draw.text((EDGE + SIDE // 2 - 20, EDGE + SIDE + 30), "score", fill="black")
    draw.text((EDGE, EDGE - 24), "share of copies among pairs with that score", fill="black")
    for number, (name, one) in enumerate(said.items()):
        colour = COLOURS[number % len(COLOURS)]
        places = [_place(x, y) for x, y in _bins(one.score, one.is_copy)]
        if len(places) > 1:
            draw.line(places, fill=colour, width=3)
        for x, y in places:
            draw.ellipse([x - 4, y - 4, x + 4, y + 4], fill=colour)
        draw.text((EDGE + SIDE + 16, EDGE + 20 * number), name, fill=colour)
    target = BytesIO()
    picture.save(target, "PNG", optimize=True)
    return target.getvalue()


def _bins(score: NDArray[np.float64], is_copy: NDArray[np.bool_]) -> list[tuple[float, float]]:
    found = []
    for low, high in pairwise(np.linspace(0, 1, BINS + 1).tolist()):
        within = (score > low) & (score <= high)
        if within.sum() >= LEAST:
            found.append((float(score[within].mean()), float(is_copy[within].mean())))
    return found


def _place(x: float, y: float) -> tuple[float, float]:
    return EDGE + x * SIDE, EDGE + (1 - y) * SIDE
