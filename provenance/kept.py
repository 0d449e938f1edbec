"""Words that rows keep, in the reader's language.

Rows keep English: a worker, a bank's file or another person's page wrote it, and the ledger may
hold its digest. It was put together from a marked sentence, and is known again by that sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import get_language, gettext, trans_real

_HOLE = re.compile(r"%\((\w+)\)s")
# Fewer letters of its own than this would make a sentence fit what it never said.
LEAST_LETTERS = 7
DEEPEST = 3


@contextmanager
def in_english() -> Iterator[None]:
    """Where words are kept or stand on paper: in English, whoever asks."""
    with translation.override(settings.LANGUAGE_CODE):
        yield


def said(text: str) -> str:
    """`text` as the active language says it; as it is where no marked sentence made it.

    What stands on the lines below the first is a person's own word, and stays.
    """
    language = get_language() or settings.LANGUAGE_CODE
    if not text or language.startswith("en"):
        return text
    first, line_end, rest = text.partition("\n")
    return _said(first, language, DEEPEST) + line_end + rest


@lru_cache(maxsize=8192)
def _said(text: str, language: str, depth: int) -> str:
    exact = gettext(text)
    if exact != text or not depth:
        return exact
    for pattern, sentence in _sentences(language):
        found = pattern.fullmatch(text)
        if found is not None:
            holes = {
                name: _said(value, language, depth - 1) for name, value in found.groupdict().items()
            }
            return gettext(sentence) % holes
    return text


@lru_cache(maxsize=4)
def _sentences(language: str) -> list[tuple[re.Pattern[str], str]]:
    """The marked sentences with holes, those with most words of their own first."""
    known: Any = trans_real.translation(language)
    made = {}
    for catalog in known._catalog._catalogs:
        for key in catalog:
            if isinstance(key, str) and _letters(key) >= LEAST_LETTERS and _HOLE.search(key):
                made[key] = re.compile(_pattern(key), re.DOTALL)
    return [(made[key], key) for key in sorted(made, key=_letters, reverse=True)]


def _letters(sentence: str) -> int:
    return sum(letter.isalpha() for letter in _HOLE.sub("", sentence))


def _pattern(sentence: str) -> str:
    """What a sentence can have become: any text in its holes, the same in holes of one name."""
    parts, seen = [], set()
    for place, part in enumerate(_HOLE.split(sentence)):
        if place % 2 == 0:
            parts.append(re.escape(part.replace("%%", "%")))
        elif part in seen:
            parts.append(f"(?P={part})")
        else:
            seen.add(part)
            parts.append(f"(?P<{part}>.*?)")
    return "".join(parts)
