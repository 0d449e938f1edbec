"""The canonical form of a text: what is digested, tokenised and compared.

It is toNFKC_Casefold of the Unicode standard (section 3.13) by the committed tables: each
character is folded, then the whole is put in canonical order and composed (NFC). Beyond it, a
letter that passes for an ASCII letter becomes that letter (Cyrillic "а" becomes "a", in every
word alike, so that no context decides), runs of spaces and controls become one space, and the
ends are trimmed. So two texts have one canonical form when they differ only in case,
compatibility forms, look-alike letters, invisible characters and spacing.
"""

import re
from functools import cache

from . import tables

HANGUL_LEADS = range(0x1100, 0x1113)
HANGUL_FIRST = 0xAC00
TAIL_COUNT = 28
OPEN_SYLLABLES = range(HANGUL_FIRST, HANGUL_FIRST + 11172, TAIL_COUNT)
SPACES = re.compile("  +")


def normalise(text: str) -> str:
    """The canonical form of `text`; idempotent, and never holds a lone surrogate."""
    if text.isascii():
        folded = text.lower().translate(_ascii_spaces())
    else:
        folded = text.translate(tables.load().fold)
        if not loose_characters().isdisjoint(folded):
            folded = _unsettled().sub(_settled, folded)
    return SPACES.sub(" ", folded).strip(" ")


@cache
def _ascii_spaces() -> dict[int, str]:
    return {cp: text for cp, text in tables.load().fold.items() if text == " "}


@cache
def loose_characters() -> frozenset[str]:
    """The characters that may compose with one before them, or change places with it."""
    known = tables.load()
    codes = {*known.combining, *tables.HANGUL_VOWELS, *tables.HANGUL_TAILS}
    return frozenset(map(chr, codes)) | {second for _, second in known.composed}


@cache
def _unsettled() -> re.Pattern[str]:
    """Loose characters with the one before them, which is all that they can touch."""
    loose = tables.character_class(sorted(map(ord, loose_characters())))
    return re.compile(f"[^{loose}]?[{loose}]+")


def _settled(match: re.Match[str]) -> str:
    return compose(order(match[0].translate(tables.load().decomposed)))


def order(text: str) -> str:
    """Sort each run of marks by combining class (Unicode 3.11, D109); equals keep their order."""
    combining = tables.load().combining
    result: list[str] = []
    marks: list[str] = []

    def place(mark: str) -> int:
        return combining[ord(mark)]

    for ch in text:
        if ord(ch) in combining:
            marks.append(ch)
            continue
        result += sorted(marks, key=place)
        marks = []
        result.append(ch)
    return "".join(result + sorted(marks, key=place))


def compose(text: str) -> str:
    """Compose an ordered text (Unicode 3.11, D117): each mark with its starter, unless blocked."""
    combining = tables.load().combining
    result: list[str] = []
    starter = -1
    last = 0
    for ch in text:
        here = combining.get(ord(ch), 0)
        if starter >= 0 and (last == 0 or last < here):
            whole = pair(result[starter], ch)
            if whole:
                result[starter] = whole
                continue
        if here == 0:
            starter = len(result)
        last = here
        result.append(ch)
    return "".join(result)


def pair(first: str, second: str) -> str | None:
    """The one character that two compose to, or None."""
    left, right = ord(first), ord(second)
    if left in HANGUL_LEADS and right in tables.HANGUL_VOWELS:
        syllable = (left - HANGUL_LEADS[0]) * len(tables.HANGUL_VOWELS)
        syllable += right - tables.HANGUL_VOWELS[0]
        return chr(HANGUL_FIRST + syllable * TAIL_COUNT)
    if right in tables.HANGUL_TAILS and left in OPEN_SYLLABLES:
        return chr(left + right - tables.HANGUL_TAILS[0] + 1)
    return tables.load().composed.get((first, second))
