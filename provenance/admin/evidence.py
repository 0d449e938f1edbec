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
    """The passages in order, each with the words around it."""
    for number, passage in enumerate(passages):
        text = passage.get(side) or {}
        if number:
            yield Piece(CUT, is_shared=False)
        for part in ("before", "match", "after"):
            if words := str(text.get(part, "")):
                yield Piece(words + " ", is_shared=part == "match")


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
