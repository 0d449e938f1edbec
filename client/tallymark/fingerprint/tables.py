"""The committed Unicode 15.1 tables, read once: the same on every Python."""

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parent / "unicode-15.1.txt"

SEPARATOR, WORD, MARK, PAIR, TRIPLE = range(5)
"""Token classes; the runs of PAIR and TRIPLE are cut into overlapping twos and threes."""

HANGUL_VOWELS = range(0x1161, 0x1176)
HANGUL_TAILS = range(0x11A8, 0x11C3)


class Tables(NamedTuple):
    """What folding, normalising and tokenising need to know of Unicode."""

    fold: dict[int, str]
    """Code point to its case-folded compatibility form, where that differs; NFC each."""
    classes: list[tuple[int, int, int]]
    """(first, last, token class) of folded characters; the rest are separators."""
    combining: dict[int, int]
    """Canonical combining class, where it is not 0."""
    decomposed: dict[int, str]
    """Code point to its full canonical decomposition, Hangul syllables aside."""
    composed: dict[tuple[str, str], str]
    """Two characters to the one that they compose to, Hangul aside."""


def _sections() -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in DATA.read_text(encoding="ascii").splitlines():
        if line.startswith("["):
            lines = sections.setdefault(line.strip("[]"), [])
        elif not line.startswith("#"):
            lines.append(line)
    return sections


def _span(text: str) -> range:
    first, last = text.split("..")
    return range(int(first, 16), int(last, 16) + 1)


def _characters(fields: list[str]) -> str:
    return "".join(chr(int(field, 16)) for field in fields)


def _folding(lines: list[str]) -> Iterator[tuple[int, str]]:
    for line in lines:
        span, *target = line.split()
        if target and target[0][0] in "+-":
            yield from ((cp, chr(cp + int(target[0]))) for cp in _span(span))
        else:
            yield from ((cp, _characters(target)) for cp in _span(span))


def _canonical(
    lines: list[str],
) -> tuple[dict[int, str], dict[tuple[str, str], str]]:
    single: dict[int, str] = {}
    composed: dict[tuple[str, str], str] = {}
    for line in lines:
        cp, *parts = line.split()
        text = _characters([part for part in parts if part != "!"])
        single[int(cp, 16)] = text
        if parts[-1] != "!":
            composed[text[0], text[1]] = chr(int(cp, 16))

    def whole(cp: int) -> str:
        return "".join(map(whole, map(ord, single[cp]))) if cp in single else chr(cp)

    return {cp: whole(cp) for cp in single}, composed


@cache
def load() -> Tables:
    """Read the tables; about 20 ms, once a process."""
    sections = _sections()
    decomposed, composed = _canonical(sections["canonical"])
    classes = [(_span(span), value) for span, value in map(str.split, sections["class"])]
    return Tables(
        fold=dict(_folding(sections["fold"])),
        classes=[(span[0], span[-1], int(value)) for span, value in classes],
        combining={
            cp: int(value)
            for span, value in map(str.split, sections["combining"])
            for cp in _span(span)
        },
        decomposed=decomposed,
        composed=composed,
    )


def character_class(codes: list[int]) -> str:
    """The inside of a regular expression's `[...]` for ascending code points."""
    spans: list[list[int]] = []
    for code in codes:
        if spans and spans[-1][1] == code - 1:
            spans[-1][1] = code
        else:
            spans.append([code, code])
    return "".join(f"{re.escape(chr(a))}-{re.escape(chr(z))}" for a, z in spans)


class Classes(dict[int, str]):
    """For `str.translate`: each character to the letter of its token class."""

    LETTERS = "swmpt"

    def __init__(self) -> None:
        super().__init__()
        self._classes = load().classes
        self._lasts = [last for _, last, _ in self._classes]

    def __missing__(self, code: int) -> str:
        place = bisect_left(self._lasts, code)
        found = SEPARATOR
        if place < len(self._classes) and self._classes[place][0] <= code:
            found = self._classes[place][2]
        self[code] = letter = self.LETTERS[found]
        return letter


@cache
def classes() -> Classes:
    """One table a process: it remembers what it has looked up."""
    return Classes()
