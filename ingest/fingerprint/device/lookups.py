"""The Unicode tables and the scheme's numbers, copied to a device once a process."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tallymark.fingerprint import kernel_tables, tables
from tallymark.fingerprint.kernel_tables import DEPENDS, MAPPED, MAPPED_UNSPACED
from tallymark.fingerprint.normal import loose_characters
from tallymark.fingerprint.tables import HANGUL_TAILS, HANGUL_VOWELS, PAIR, SEPARATOR
from torch import Tensor

FLIP = -(1 << 31)
"""Added to an int32 it makes the signed order that of the unsigned values."""


class Lookups(NamedTuple):
    """Tensors by code point, and the pool that they point into."""

    kind: Tensor
    """uint8: a token class, or from MAPPED on, folds to something else."""
    context: Tensor
    """uint8: see kernel_tables."""
    may_stand: Tensor
    """bool: though its context is DEPENDS, it changes only where it makes one of `pairs`."""
    begins_apart: Tensor
    """bool: what it folds to begins with a character that nothing before it can change."""
    pairs: Tensor
    """int64, ascending: first << 32 | second, of two characters that compose; Hangul aside."""
    offset: Tensor
    """int32: where in `pool` a character's folded bytes stand; separators have zeros there."""
    length: Tensor
    """uint8: how many; 255 for a character that stays as it is written."""
    is_unspaced: Tensor
    """bool: it or what it folds to is of a script without spaces."""
    pool: Tensor
    """uint8"""
    word_ascii: Tensor
    """uint8 [128]"""
    token_class: Tensor
    """uint8"""
    keys: tuple[int, ...]
    """Of the shingle hash, as int64."""
    multipliers: Tensor
    """int32 [128]"""
    increments: Tensor
    """int32 [128], with FLIP added."""


ITSELF = 255


@cache
def on(device: str) -> Lookups:
    """The tables on `device`: about 25 MB."""
    known, numbers = kernel_tables.load(), kernel_tables.constants()
    mapped = known.kind >= MAPPED
    longest = int(known.length[mapped].max())
    assert longest < ITSELF, "a folded character is too long for its table"
    blank = known.kind == SEPARATOR
    widths = np.array([1, 2, 3, 4], np.uint8).repeat([0x80, 0x780, 0xF800, 0x100000])
    offset = np.where(blank, len(known.word_pool), known.offset).astype(np.int32)
    length = np.where(mapped, known.length, np.where(blank, widths, ITSELF)).astype(np.uint8)
    starter = (known.context == DEPENDS) & (known.combining == 0) & ~mapped
    starter[[*HANGUL_VOWELS, *HANGUL_TAILS]] = False
    apart, loose = np.zeros(len(starter), np.bool_), loose_characters()
    apart[[code for code, folded in tables.load().fold.items() if folded[:1] not in loose]] = True
    unspaced = np.where(mapped, known.kind == MAPPED_UNSPACED, known.kind >= PAIR)

    def sent(values: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(values.copy()).to(device)

    return Lookups(
        kind=sent(known.kind),
        context=sent(known.context),
        may_stand=sent(starter),
        begins_apart=sent(apart),
        pairs=sent(known.pairs.view(np.int64)),
        offset=sent(offset),
        length=sent(length),
        is_unspaced=sent(unspaced),
        pool=sent(np.concatenate([known.word_pool, np.zeros(4, np.uint8)])),
        word_ascii=sent(known.word_ascii),
        token_class=sent(known.token_class),
        keys=tuple(numbers.keys.view(np.int64).tolist()),
        multipliers=sent(numbers.multipliers.view(np.int32)),
        increments=sent((numbers.increments ^ np.uint32(1 << 31)).view(np.int32)),
    )
