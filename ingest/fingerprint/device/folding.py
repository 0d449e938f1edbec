"""UTF-8 to folded words between zero bytes, for all records of a chunk at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from tallymark.fingerprint.kernel_tables import DEPENDS, MAPPED
from torch import Tensor

from .lookups import ITSELF, Lookups

MOST_GROWTH = 4
"""A record that folding makes longer than so many times its bytes is left to the CPU."""
ROOM = 24
"""Zero bytes after the last record: the hash reads 16 at a time, from a multiple of 8."""


class Folded(NamedTuple):
    """The folded records of a chunk, one after the other, each closed by a zero byte."""

    text: Tensor
    """uint8; its length is a multiple of 8."""
    begins: Tensor
    """int64 [n + 1]: where each record begins; the last is where the next would."""
    is_unspaced: bool
    """Whether there are characters of scripts without spaces."""
    left: Tensor
    """bool [n]: records that only the CPU can fold; they are empty here."""


class Characters(NamedTuple):
    """The characters of valid UTF-8."""

    at: Tensor
    """int64: where each begins."""
    code: Tensor
    """int32: its code point."""
    width: Tensor
    """int32: its bytes."""


def characters(text: Tensor) -> Characters:
    """Decode `text` (uint8, valid UTF-8)."""
    at = ((text & 0xC0) != 0x80).nonzero().squeeze(1)
    first = text[at].int()
    width = 1 + (first >= 0xC0).int() + (first >= 0xE0).int() + (first >= 0xF0).int()
    # The lead's own bits: 7, then 5, 4 and 3; each byte that follows adds six.
    code = first & torch.where(width == 1, 0x7F, 0x7F >> width)
    for step in (1, 2, 3):
        follows = width > step
        if not bool(follows.any()):
            break
        byte = text[(at + step).clamp_(max=len(text) - 1)].int() & 0x3F
        code = torch.where(follows, code << 6 | byte, code)
    return Characters(at, code, width)


def fold(source: Tensor, offsets: Tensor, known: Lookups) -> Folded:
    """Fold the records between `offsets` (int64 [n + 1], from 0) of `source` (uint8)."""
    if not len(source) or int(source.max()) < 0x80:
        return _ascii(source, offsets, known)
    found = characters(source)
    bounds = torch.searchsorted(found.at, offsets)
    records = len(offsets) - 1
    record = _repeated(bounds)
    length = known.length[found.code].int()
    stays = length == ITSELF
    length = torch.where(stays, found.width, length)
    sizes = _sums(length)[bounds].diff()
    left = sizes > MOST_GROWTH * offsets.diff() + 64
    left[record[_depends(found.code, length, record, known)]] = True
    length.masked_fill_(left[record], 0)
    ends = _sums(length)
    is_unspaced = bool((known.is_unspaced[found.code] & (length > 0)).any())
    # Where a character's bytes are read from: the pool or the source behind it.
    start = torch.where(stays, found.at + len(known.pool), known.offset[found.code])
    shift = start - ends[:-1]
    owner = torch.repeat_interleave(length)
    place = torch.arange(len(owner), device=source.device)
    begins = ends[bounds] + torch.arange(records + 1, device=source.device)
    text = _blank(int(begins[-1]), source)
    text[place + record[owner]] = torch.cat([known.pool, source])[place + shift[owner]]
    return Folded(text, begins, is_unspaced, left)


def _ascii(source: Tensor, offsets: Tensor, known: Lookups) -> Folded:
    count = len(offsets) - 1
    begins = offsets + torch.arange(count + 1, device=source.device)
    text = _blank(int(begins[-1]), source)
    place = torch.arange(len(source), device=source.device) + _repeated(offsets)
    text[place] = known.word_ascii[source.int()]
    left = torch.zeros(count, dtype=torch.bool, device=source.device)
    return Folded(text, begins, is_unspaced=False, left=left)


def _depends(code: Tensor, length: Tensor, record: Tensor, known: Lookups) -> Tensor:
    """The places of characters that compose with, or change places with, one before them."""
    context = known.context[code]
    if not bool(context.any()):
        return context.nonzero().squeeze(1)
    # What folds to nothing stands between no two characters.
    written = length.nonzero().squeeze(1)
    here, code, owner = context[written], code[written], record[written]
    follows = torch.zeros(len(code), dtype=torch.bool, device=code.device)
    follows[1:] = owner[1:] == owner[:-1]
    here[_standing(code, here, follows, known)] = 0
    here[_followed_by_nothing_loose(code, here, follows, known)] = 0
    last = torch.zeros_like(here)
    last[1:] = torch.where(follows[1:], here[:-1], 0)
    return written[(here == DEPENDS) | ((here > 0) & (here < last))]


def _standing(code: Tensor, context: Tensor, follows: Tensor, known: Lookups) -> Tensor:
    """The places of characters that might compose with the one before them, but do not.

    So it is with nearly every vowel sign of Bengali or Tamil. Behind a mark they are blocked.
    """
    place = ((context == DEPENDS) & known.may_stand[code]).nonzero().squeeze(1)
    before = (place - 1).clamp_(min=0)
    pair = code[before].long() << 32 | code[place].long()
    found = torch.searchsorted(known.pairs, pair).clamp_(max=len(known.pairs) - 1)
    # What a folded character ends with is not looked at: that it might compose is enough.
    composes = (known.pairs[found] == pair) | (known.kind[code[before]] >= MAPPED)
    return place[~(follows[place] & composes)]


def _followed_by_nothing_loose(
    code: Tensor, context: Tensor, follows: Tensor, known: Lookups
) -> Tensor:
    """The places of characters that fold to a letter with marks, where no mark can join them.

    So it is with nearly every Turkish capital dotted I and Belarusian short U.
    """
    place = ((context == DEPENDS) & known.begins_apart[code]).nonzero().squeeze(1)
    after = (place + 1).clamp_(max=len(code) - 1)
    is_last = (after == place) | ~follows[after]
    return place[is_last | (context[after] == 0) | known.begins_apart[code[after]]]


def _sums(lengths: Tensor) -> Tensor:
    """0 and the running sums: int64 [n + 1]."""
    sums = torch.zeros(len(lengths) + 1, dtype=torch.int64, device=lengths.device)
    torch.cumsum(lengths, 0, out=sums[1:])
    return sums


def _repeated(bounds: Tensor) -> Tensor:
    """The number of each run between `bounds`, once for each of its members."""
    return torch.repeat_interleave(bounds.diff())


def _blank(size: int, like: Tensor) -> Tensor:
    return torch.zeros((size + ROOM) // 8 * 8, dtype=torch.uint8, device=like.device)
