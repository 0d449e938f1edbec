"""What is written on a paper, read as it is set: the PDF itself holds numbers of glyphs."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.utils import translation

from provenance.documents import pdf

ENGLISH = re.compile(r"\b[a-z]{2,} [a-z]{2,}\b")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Makes a paper by calling what is given, in a language; its texts from top to bottom."""
    own = pdf.marked

    def reading(make: Callable[[], object], language: str = "zh-hans") -> list[str]:
        seen: list[str] = []

        def marked(text: str) -> str:
            seen.append(text)
            return own(text)

        with monkeypatch.context() as patch, translation.override(language):
            patch.setattr(pdf, "marked", marked)
            make()
        return seen

    return reading


def english(texts: list[str]) -> list[str]:
    """The texts in which two English words stand side by side, commands and addresses apart."""
    bare = (re.sub(r"`[^`]*`|https?://\S+", "", text) for text in texts)
    return [text for text in bare if ENGLISH.search(text)]
