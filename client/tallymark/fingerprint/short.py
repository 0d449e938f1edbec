"""The sketch of a short text: the character 5-grams of its words, and its longest words.

A sentence that was reworded keeps few runs of five words, and most of its 5-grams. Its longest
words, which are mostly its rarest, are what it is looked up by.
"""

from collections.abc import Sequence

from . import tables
from .minhash import token_hash
from .normal import normalise
from .scheme import GRAM_CHARACTERS, SHORT_TOKENS
from .words import tokens

SKETCH = "chars5/1"
"""Names this kernel: a change to what it computes is another number."""
LONGEST_WORDS = 10


def letters(text: str) -> str:
    """The canonical form of `text` with one space for each run of what is no letter or digit."""
    canonical = normalise(text)
    classes = canonical.translate(tables.classes())
    spaced = "".join(
        " " if kind == "s" else ch for ch, kind in zip(canonical, classes, strict=True)
    )
    return " ".join(part for part in spaced.split(" ") if part)


def grams(text: str) -> list[int]:
    """The distinct hashes of the 5-grams of `letters(text)`, ascending: uint32.

    A shorter text is one gram, one without letters has none.
    """
    known = letters(text)
    starts = range(max(len(known) - GRAM_CHARACTERS + 1, min(len(known), 1)))
    pieces = {known[at : at + GRAM_CHARACTERS] for at in starts}
    return sorted({token_hash(piece.encode()) for piece in pieces})


def longest(words: Sequence[str]) -> list[int]:
    """The hashes of the ten longest distinct words in UTF-8, ascending; of equals, the greater."""
    encoded = [word.encode() for word in words]
    lengths = {token_hash(word): len(word) for word in encoded}
    chosen = sorted(lengths, key=lambda value: (-lengths[value], -value))[:LONGEST_WORDS]
    return sorted(chosen)


def sketch(text: str, words: Sequence[str] | None = None) -> list[int]:
    """How many longest words follow, their hashes, then the grams; [] where `text` is not short.

    `words` are its tokens, where they are known already.
    """
    words = tokens(text) if words is None else words
    if not 1 <= len(words) <= SHORT_TOKENS:
        return []
    chosen = longest(words)
    return [len(chosen), *chosen, *grams(text)]
