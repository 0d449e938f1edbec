"""The 128 minima of each record, by Triton: no product ever leaves the registers."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from .lookups import Lookups
from .minima import GREATEST, pieces

PIECE = 1024
"""Shingles of one program: long records are shared among several."""
TILE = 32


def _lower(
    mixed: Any, bounds: Any, owner: Any, first: Any, multipliers: Any, increments: Any, made: Any,
    piece_size: tl.constexpr, tile: tl.constexpr, width: tl.constexpr,
) -> None:  # fmt: skip
    """Lower one record's row of `made` by one piece of its shingles."""
    piece = tl.program_id(0)
    record = tl.load(owner + piece)
    begin = tl.load(first + piece)
    last = tl.load(bounds + record + 1) - 1
    column = tl.arange(0, width)
    a = tl.load(multipliers + column)
    b = tl.load(increments + column)
    # The first shingle stands for those that the last tile lacks: a minimum may see it twice.
    least = tl.load(mixed + begin) * a + b
    end = tl.minimum(begin + piece_size - 1, last)
    for start in range(begin, end + 1, tile):
        place = tl.minimum(start + tl.arange(0, tile), end)
        value = tl.load(mixed + place)
        least = tl.minimum(least, tl.min(value[:, None] * a[None, :] + b[None, :], axis=0))
    tl.atomic_min(made + record * width + column, least)


_compiled: Any = triton.jit(_lower)


def signatures(mixed: Tensor, bounds: Tensor, known: Lookups) -> Tensor:
    """As `minima.signatures`."""
    width = len(known.multipliers)
    made = torch.full((len(bounds) - 1, width), GREATEST, dtype=torch.int32, device=mixed.device)
    owner, first = pieces(bounds, PIECE)
    if len(owner):
        _compiled[(len(owner),)](
            mixed, bounds, owner, first, known.multipliers, known.increments, made,
            piece_size=PIECE, tile=TILE, width=width,
        )  # fmt: skip
    return made
