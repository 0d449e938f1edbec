"""Where the tokens stand in folded text: `kernel_sign.word_places` and `unit_places` at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from tallymark.fingerprint.tables import MARK, PAIR, SEPARATOR, TRIPLE, WORD
from torch import Tensor

from .folding import Folded, characters
from .lookups import Lookups


class Places(NamedTuple):
    """The tokens of a chunk in order."""

    starts: Tensor
    """int64 [t]"""
    ends: Tensor
    """int64 [t]"""
    bounds: Tensor
    """int64 [n + 1]: those of record r are bounds[r]:bounds[r + 1]."""


def places(folded: Folded, known: Lookups) -> Places:
    """The tokens of each record: words, or twos and threes of unspaced scripts."""
    found = _units(folded.text, known) if folded.is_unspaced else _words(folded.text)
    starts, ends = found
    return Places(starts, ends, torch.searchsorted(starts, folded.begins))


def _words(text: Tensor) -> tuple[Tensor, Tensor]:
    """The runs of bytes that are not 0; the text begins with a record and ends with zeros."""
    inside = text != 0
    before = torch.zeros_like(inside)
    before[1:] = inside[:-1]
    return (inside & ~before).nonzero().squeeze(1), (before & ~inside).nonzero().squeeze(1)


def _units(text: Tensor, known: Lookups) -> tuple[Tensor, Tensor]:
    """The tokens where scripts without spaces are among the words.

    A unit is a word, a run of separators, or one letter of an unspaced script with its marks.
    """
    at, code, _ = characters(text)
    run = _runs(known.token_class[code])
    begins = torch.ones_like(run, dtype=torch.bool)
    begins[1:] = run[1:] != run[:-1]
    number = begins.cumsum(0)
    unit = (begins | (known.token_class[code] >= PAIR)).nonzero().squeeze(1)
    at, run, number = at[unit], run[unit], number[unit]
    # The zeros after the last record are a unit that no token reaches beyond.
    later = [at] + [_shifted(at, step, int(at[-1])) for step in (1, 2, 3)]
    same = [number == _shifted(number, step, -1) for step in (1, 2)]
    is_first = number != _shifted(number, -1, -1)
    ends = torch.where(run == WORD, later[1], 0)
    pair = torch.where(same[0], later[2], torch.where(is_first, later[1], 0))
    ends = torch.where(run == PAIR, pair, ends)
    short = torch.where(is_first, torch.where(same[0], later[2], later[1]), 0)
    ends = torch.where(run == TRIPLE, torch.where(same[1], later[3], short), ends)
    kept = ends.nonzero().squeeze(1)
    return at[kept], ends[kept]


def _runs(token_class: Tensor) -> Tensor:
    """The class of the run that each character is in: a mark goes with what it follows."""
    place = torch.arange(len(token_class), device=token_class.device)
    is_mark = token_class == MARK
    latest = torch.where(is_mark, -1, place).cummax(0).values
    carried = torch.where(latest >= 0, token_class[latest.clamp(min=0)], SEPARATOR)
    # A mark without a letter begins a word.
    return torch.where(is_mark & (carried == SEPARATOR), WORD, carried)


def _shifted(values: Tensor, step: int, fill: int) -> Tensor:
    """values[i + step], and `fill` beyond the ends."""
    moved = torch.full_like(values, fill)
    if step > 0:
        moved[:-step] = values[step:]
    else:
        moved[-step:] = values[:step]
    return moved
