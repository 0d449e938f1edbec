"""Two matching records side by side: shared passages marked, what is not the viewer's masked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from provenance.access import Viewer
from provenance.models import Match, MatchKind

KIND_WORDS = {
    MatchKind.EXACT: "The two records are the same after normalising case, spaces and punctuation.",
    MatchKind.NEAR: "Most of both records is the same, with small changes.",
    MatchKind.CONTAINED: "One record holds most of the other, among other text.",
    MatchKind.SEMANTIC: "They speak of the same things in other words: a lead, never a ground.",
}

CUT = " […] "


@dataclass(frozen=True)
class Piece:
    """A stretch of text, shared with the other record or not."""

    text: str
    is_shared: bool


@dataclass(frozen=True)
class Side:
    """One record of a pair as this viewer may see it."""

    heading: str
    owner: str
    key: str
    token_count: int
    pieces: list[Piece]
    measure: str
    thumbnail: str


@dataclass(frozen=True)
class Pair:
    """A match with its two sides; the measures and what made them always stand together."""

    match: Match
    kind_words: str
    left: Side
    right: Side


def pair(match: Match, viewer: Viewer) -> Pair:
    """What `viewer` may see of a match: the evidence kept at match time, and nothing else."""
    kind = MatchKind(match.kind)
    earlier, later = _side(match, "earlier", viewer), _side(match, "later", viewer)
    return Pair(match, KIND_WORDS[kind], earlier, later)


def _side(match: Match, which: str, viewer: Viewer) -> Side:
    record = getattr(match, which)
    dataset = getattr(match.overlap, which).dataset
    is_own = dataset.owner_id == viewer.party.pk
    evidence = match.evidence
    return Side(
        heading=f"{'Registered earlier' if which == 'earlier' else 'Registered later'}: {dataset}",
        owner="yours" if is_own else f"of {dataset.owner}",
        key=record.key if is_own or viewer.is_operator else "",
        token_count=record.token_count,
        pieces=list(_pieces(evidence.get("passages", []), f"{which}_text")),
        measure=_measure(evidence, which),
        thumbnail=_thumbnail(evidence.get(f"{which}_thumbnail")),
    )


def _pieces(passages: list[dict[str, Any]], side: str) -> Iterator[Piece]:
    """The passages in order, each with the words around it; words between two stand once."""
    span = side.removesuffix("_text")
    for number, passage in enumerate(passages):
        text = passage.get(side) or {}
        if not text:
            continue
        gap = _gap(passages[number - 1], passage, span) if number else None
        before, after = str(text.get("before", "")), str(text.get("after", ""))
        if gap is not None:
            before = _last_words(before, gap)
        elif number:
            yield Piece(CUT, is_shared=False)
        if number + 1 < len(passages) and _gap(passage, passages[number + 1], span) is not None:
            after = ""
        for words, is_shared in ((before, False), (str(text["match"]), True), (after, False)):
            if words:
                yield Piece(f"{words} ", is_shared=is_shared)


def _gap(first: dict[str, Any], second: dict[str, Any], span: str) -> int | None:
    """How many words stand between two passages, where the second's context holds them all."""
    text = (second.get(f"{span}_text") or {}).get("before", "")
    gap = int(second[span][0]) - int(first[span][1])
    # Where letters count as words (scripts without spaces), the words cannot be counted here.
    return gap if 0 <= gap <= len(text.split()) else None


def _last_words(text: str, count: int) -> str:
    return " ".join(text.split()[-count:]) if count else ""


def _measure(evidence: dict[str, Any], which: str) -> str:
    """How much was found alike where there is no text to show."""
    shared, size = evidence.get("shared_shingle_count"), evidence.get(f"{which}_shingle_count")
    if shared is None or size is None:
        return ""
    return f"{shared:,} of its {size:,} five-word sequences are in the other record too."


def _thumbnail(value: Any) -> str:
    """Only an image that is part of the page itself."""
    text = str(value or "")
    return text if text.startswith(("data:image/png;base64,", "data:image/jpeg;base64,")) else ""
