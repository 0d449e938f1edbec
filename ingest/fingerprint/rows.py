"""The sketch of a table row: what a dirty copy of it still has, whatever its columns are called.

Each value is cut into tokens, each token into its character 3-grams, and all of them are hashed.
A token carries its weight, the bits by which it tells rows apart: its length says how many at
most, and one that many rows of its own batch hold says less. Names of columns are not in the
sketch, and a token is looked for in the whole of the other row: dirty copies rename columns and
move values between them. A field (the tokens of one value) is what agrees or disagrees as a whole.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tallymark.fingerprint.minhash import token_hash
from tallymark.fingerprint.words import tokens

SCHEME = "row/1"
MOST_TOKENS = 96
"""Of a longer row those with the smallest hashes are kept: a copy keeps the same ones."""
MOST_FIELDS = 128
"""Of a wider row the first by name are compared."""
MOST_GRAMS = 40
LEAST_KEY_BITS = 6.0
"""A token that says less is not looked up: hundreds of rows may hold it."""
NUMBER_KEY_BITS = 13.0
"""From five digits on: an identifier, a sum, a telephone number."""
MOST_BITS = 16.0
BITS_A_LETTER, BITS_A_DIGIT = 2.2, 2.6
"""Letters of names and words carry some 2 bits each; digits are less even than 3.3 would be."""
SHORT_FIGURES = 4
"""Digits: another year or house number is another one, a longer number may be mistyped."""
TELLING_FIELDS = 6
CLASH = 0.2
"""A field of which less is in the other row says something else."""
WEIGHT_UNIT = 8
"""A weight is stored in eighths of a bit."""

HEADER = np.dtype("<u2")
HASH = np.dtype("<u4")
VALUE = np.dtype("<u8")
GRAM = np.dtype("<u2")
HAS_DIGIT = 0x80
MASK32 = 0xFFFFFFFF


class Token(NamedTuple):
    """One token of a field."""

    hash: int
    weight: float
    has_digit: bool
    grams: frozenset[int]


class Row(NamedTuple):
    """A sketch as it is compared."""

    values: dict[int, float]
    """The weight of each field, by the hash of its whole value."""
    fields: tuple[tuple[Token, ...], ...]
    weights: dict[int, float]
    """Of each token in any field, by its hash."""
    grams: frozenset[int]
    """Of all tokens."""

    @property
    def weight(self) -> float:
        """The bits of all distinct tokens."""
        return sum(self.weights.values())


class Field(NamedTuple):
    """One cell of a canonical row."""

    name: str
    value: str
    """Its canonical JSON."""
    tokens: list[str]


def sketches(texts: Sequence[str], names: Sequence[str]) -> list[bytes]:
    """One sketch for each canonical row (`tallymark.fingerprint.rows.row`) of a batch.

    Empty for a text that is no JSON object, or an empty one. `names` are not used.
    """
    batch = [fields_of(text) for text in texts]
    held = Counter(token for fields in batch for token in {t for f in fields for t in f.tokens})
    return [_packed(fields, held, len(batch)) for fields in batch]


def fields_of(text: str) -> list[Field]:
    """The cells of a canonical row; none where `text` is something else."""
    try:
        cells = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return []
    if not isinstance(cells, dict):
        return []
    return [
        Field(name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False),
              [token for leaf in _leaves(value) for token in _cut(leaf)])
        for name, value in cells.items()
    ]  # fmt: skip


def _leaves(value: Any) -> Iterable[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    elif isinstance(value, str):
        yield value


def _cut(leaf: str) -> list[str]:
    """A number is one token, its sign and point included; a text has its words."""
    if leaf.isascii() and leaf.lstrip("-").replace(".", "", 1).isdigit():
        return [leaf]
    return tokens(leaf)


def prior_bits(token: str) -> float:
    """The bits that a token of this length can say; a year says less than four other digits."""
    if token.isdigit():
        is_year = len(token) == 4 and token[:2] in ("19", "20")
        return 5.0 if is_year else min(BITS_A_DIGIT * len(token), MOST_BITS)
    return min(BITS_A_LETTER * len(token), MOST_BITS)


def _packed(fields: list[Field], held: Counter[str], row_count: int) -> bytes:
    """Little-endian: counts of fields and tokens, hashes of names and values, then the tokens."""
    if not fields:
        return b""
    fields = fields[:MOST_FIELDS]
    found = sorted(
        {(known(token), place, token) for place, one in enumerate(fields) for token in one.tokens}
    )[:MOST_TOKENS]
    weights = (round(WEIGHT_UNIT * _bits(token, held[token], row_count)) for _, _, token in found)
    return b"".join(
        [
            np.array([len(fields), len(found)], HEADER).tobytes(),
            np.array([name_hash(one.name) for one in fields], HASH).tobytes(),
            np.array([value_hash(one.value) for one in fields], VALUE).tobytes(),
            np.array([one.hash for one, _, _ in found], HASH).tobytes(),
            bytes(weights),
            bytes(place | HAS_DIGIT * one.has_digit for one, place, _ in found),
            bytes(len(one.grams) // 2 for one, _, _ in found),
            b"".join(one.grams for one, _, _ in found),
        ]
    )


@lru_cache(maxsize=4_096)
def name_hash(name: str) -> int:
    """32 bits that stand for a column's name in its canonical form."""
    return value_hash(name) & MASK32


def value_hash(value: str) -> int:
    """64 bits of a value's BLAKE2b: two values that differ share it by no one's design."""
    return int.from_bytes(blake2b(value.encode(), digest_size=8).digest(), "little")


def cells(part: bytes) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """The hashes of the names and of the values of a sketch's fields: [n] each."""
    count = int(np.frombuffer(part, HEADER, 1)[0])
    return np.frombuffer(part, HASH, count, 4), np.frombuffer(part, VALUE, count, 4 + 4 * count)


def _bits(token: str, held_by: int, row_count: int) -> float:
    """What the token says: no more than its length allows, less where other rows hold it too."""
    bits = prior_bits(token)
    return min(bits, math.log2(row_count / held_by)) if held_by > 1 else bits


class _Known(NamedTuple):
    hash: int
    has_digit: bool
    grams: bytes


@lru_cache(maxsize=200_000)
def known(token: str) -> _Known:
    """The hash of a token, whether it has a digit, and its 3-grams: uint16, ascending."""
    padded = f" {token} "
    pieces = {padded[at : at + 3] for at in range(len(padded) - 2)}
    grams = sorted({token_hash(piece.encode()) & 0xFFFF for piece in pieces})[:MOST_GRAMS]
    has_digit = any(character.isdigit() for character in token)
    return _Known(token_hash(token.encode()), has_digit, np.array(grams, GRAM).tobytes())


def is_cut(part: bytes) -> bool:
    """Whether the row had as many tokens as a sketch keeps, and maybe more."""
    return int(np.frombuffer(part, HEADER, 2)[1]) == MOST_TOKENS


@lru_cache(maxsize=4_096)
def read(part: bytes) -> Row:
    """A sketch from its bytes, which must be of SCHEME and not empty."""
    value_count, count = (int(n) for n in np.frombuffer(part, HEADER, 2))
    at = 4 + 12 * value_count
    hashes = np.frombuffer(part, HASH, count, at).tolist()
    weights, places, sizes = (part[at + (4 + n) * count :][:count] for n in range(3))
    grams = np.frombuffer(part, GRAM, offset=at + 7 * count).tolist()
    fields: list[list[Token]] = [[] for _ in range(value_count)]
    start = 0
    for number, place in enumerate(places):
        end = start + sizes[number]
        bits, own = weights[number] / WEIGHT_UNIT, frozenset(grams[start:end])
        fields[place & ~HAS_DIGIT].append(Token(hashes[number], bits, place >= HAS_DIGIT, own))
        start = end
    values = cells(part)[1].tolist()
    return Row(
        {h: sum(t.weight for t in f) for h, f in zip(values, fields, strict=True)},
        tuple(tuple(field) for field in fields if field),
        dict(zip(hashes, (weight / WEIGHT_UNIT for weight in weights), strict=True)),
        frozenset(grams),
    )


def keys(part: bytes) -> NDArray[np.uint64]:
    """What the row is found by: its tokens that say enough, as uint64 below 2**48, each once."""
    found = read(part).weights
    return np.array(
        sorted(one for one, weight in found.items() if weight >= LEAST_KEY_BITS), np.uint64
    )


def number_keys(part: bytes) -> NDArray[np.uint64]:
    """Those of `keys` with a digit that say so much that one of them shared is worth a look."""
    found = {
        token.hash
        for field in read(part).fields
        for token in field
        if token.has_digit and token.weight >= NUMBER_KEY_BITS
    }
    return np.array(sorted(found), np.uint64)


class Likeness(NamedTuple):
    """How alike two rows are: each 0 to 1, and the same whichever of them comes first."""

    grams: float
    """Jaccard of the 3-grams of all tokens."""
    covered: float
    """Of the row that is covered less: the part, by weight, that is found in the other one."""
    contained: float
    """Of the row that is covered more."""
    equal: float
    """The weight of equal tokens over the weight of all."""
    figures: float
    """Of the tokens with a digit, the part by weight that the other row has; of the row of which
    it has more; 0.5 where either has no such token."""
    fields: float
    """The part, by weight, of fields that agree: more than half of each is in the other row."""
    telling: float
    """How many fields that tell rows apart agree, over 6, at most 1; the smaller of both counts."""
    unclashed: float
    """1, less the part of fields of which next to nothing is in the other row; of the row in which
    there are fewer. What is missing, moved or mistyped does not clash; another name does."""
    values: float
    """The part, by weight, of the smaller row's whole values that the other row has too."""
    said: float
    """How much the equal tokens say at all: their bits over 64, at most 1."""


def compare(one: Row, other: Row) -> Likeness:
    """The likeness of two sketches."""
    mine, theirs = _covered(one, other), _covered(other, one)
    both = one.weights.keys() & other.weights.keys()
    equal = sum(min(one.weights[token], other.weights[token]) for token in both)
    grams = len(one.grams & other.grams)
    return Likeness(
        grams=grams / max(len(one.grams) + len(other.grams) - grams, 1),
        covered=min(mine.found, theirs.found),
        contained=max(mine.found, theirs.found),
        equal=_share(equal, one.weight + other.weight - equal),
        figures=_figures(mine, theirs),
        fields=(mine.agreeing + theirs.agreeing) / 2,
        telling=min(mine.telling, theirs.telling, TELLING_FIELDS) / TELLING_FIELDS,
        unclashed=1 - min(mine.clashing, theirs.clashing),
        values=_same_values(one, other),
        said=min(equal / 64, 1.0),
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


class _Covered(NamedTuple):
    """What of one row is in another: by weight, but for `telling`, which counts fields."""

    found: float
    agreeing: float
    clashing: float
    figures: float | None
    """Of its tokens with a digit; None where it has none."""
    telling: int


def _covered(one: Row, other: Row) -> _Covered:
    found = agreeing = clashing = total = figures = all_figures = 0.0
    telling = 0
    for field in one.fields:
        weight = covered = 0.0
        for token in field:
            part = token.weight * _part(token, other)
            weight += token.weight
            covered += part
            if token.has_digit:
                figures += part if len(token.grams) > SHORT_FIGURES or part == token.weight else 0.0
                all_figures += token.weight
        total += weight
        found += covered
        if 2 * covered > weight:
            agreeing += weight
            telling += weight >= LEAST_KEY_BITS
        elif covered < CLASH * weight:
            clashing += weight
    return _Covered(
        _share(found, total),
        _share(agreeing, total),
        _share(clashing, total),
        figures / all_figures if all_figures else None,
        telling,
    )


def _part(token: Token, row: Row) -> float:
    """How much of the token is in the row: all of it, or that part of its 3-grams, squared.

    Squared, because the short pieces of any word are found in any long row.
    """
    if token.hash in row.weights:
        return 1.0
    return (len(token.grams & row.grams) / len(token.grams)) ** 2 if token.grams else 0.0


def _figures(mine: _Covered, theirs: _Covered) -> float:
    if mine.figures is None or theirs.figures is None:
        return 0.5
    return max(mine.figures, theirs.figures)


def _same_values(one: Row, other: Row) -> float:
    both = one.values.keys() & other.values.keys()
    shared = sum(min(one.values[value], other.values[value]) for value in both)
    return _share(shared, min(sum(one.values.values()), sum(other.values.values())))
