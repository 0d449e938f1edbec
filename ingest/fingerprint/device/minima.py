"""The 128 minima of each record, by torch: shingles in tiles, so that little is held at once."""

from __future__ import annotations

import torch
from torch import Tensor

from .lookups import Lookups

TILE = 16
"""Shingles reduced at once; a record's last tile is filled up with its last shingle."""
GPU_BYTES, CPU_BYTES = 256 << 20, 1 << 20
"""What the products of a step may take: on a CPU, no more than its cache."""
GREATEST = (1 << 31) - 1


def pieces(bounds: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Cut each record's shingles in pieces of `size`: the record and the first shingle of each."""
    counts = (bounds.diff() + size - 1) // size
    owner = torch.repeat_interleave(counts)
    begins = counts.cumsum(0) - counts
    place = torch.arange(len(owner), device=bounds.device)
    return owner, bounds[owner] + (place - begins[owner]) * size


def signatures(mixed: Tensor, bounds: Tensor, known: Lookups) -> Tensor:
    """The least a*h + b of each permutation: int32 [n, 128], to be read with FLIP added.

    `mixed` (int32 [s]) are the shingles' mixed hashes; a record's are bounds[r]:bounds[r + 1].
    int32 wraps at 2**32, which is the modulus. Source: datasketch 2.0, scheme affine32.
    """
    made = torch.full(
        (len(bounds) - 1, len(known.multipliers)), GREATEST, dtype=torch.int32, device=mixed.device
    )
    owner, first = pieces(bounds, TILE)
    step = torch.arange(TILE, device=mixed.device)
    room = GPU_BYTES if mixed.is_cuda else CPU_BYTES
    rows = max(room // (TILE * 4 * len(known.multipliers)), 1)
    for start in range(0, len(owner), rows):
        some, begin = owner[start : start + rows], first[start : start + rows]
        last = bounds[some + 1] - 1
        tile = mixed[torch.minimum(begin[:, None] + step, last[:, None])]
        least = (tile[:, :, None] * known.multipliers + known.increments).amin(1)
        made.scatter_reduce_(0, some[:, None].expand_as(least), least, "amin")
    return made
