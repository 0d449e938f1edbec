"""Two matching records side by side: shared passages marked, what is not the viewer's masked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import gettext_noop as _noop

from provenance import kept
from provenance.access import Viewer
from provenance.models import Dataset, Match, MatchKind

Kind = Dataset.Kind
KIND_WORDS = {
    (Kind.TEXT, MatchKind.EXACT): _lazy(
        "The two records are the same after normalising case, spaces and punctuation."
    ),
    (Kind.TEXT, MatchKind.NEAR): _lazy("Most of both records is the same, with small changes."),
    (Kind.TEXT, MatchKind.CONTAINED): _lazy(
        "One record holds most of the other, among other text."
    ),
    (Kind.TEXT, MatchKind.SEMANTIC): _lazy(
        "They speak of the same things in other words: a lead, never a ground."
    ),
    (Kind.CODE, MatchKind.NEAR): _lazy(
        "Most of both sources is built alike, whatever names and values stand in them."
    ),
    (Kind.CODE, MatchKind.CONTAINED): _lazy(
        "One source holds most of the other, whatever names and values stand in them."
    ),
    (Kind.TABLE, MatchKind.EXACT): _lazy(
        "The two rows hold the same cells in columns of the same names, in whatever order."
    ),
    (Kind.TABLE, MatchKind.NEAR): _lazy(
        "The two rows hold nearly the same values, whatever their columns are called."
    ),
    (Kind.TABLE, MatchKind.CONTAINED): _lazy(
        "One row holds most of the other's values, among others."
    ),
    (Kind.IMAGE, MatchKind.EXACT): _lazy("The two pictures have the same pixels."),
    (Kind.IMAGE, MatchKind.NEAR): _lazy(
        "The two pictures show the same as a whole: recoded, resized, turned, mirrored or framed."
    ),
    (Kind.IMAGE, MatchKind.CONTAINED): _lazy(
        "A part of one picture is in the other: the boxes show it."
    ),
}
"""By what is compared; what is not named here is said as of texts."""
KIND_NAMES = {**dict(MatchKind.choices), MatchKind.SEMANTIC: _lazy("Same meaning")}
"""What kinds of matches are called on pages."""
SHOWN_WORDS = {
    Kind.TEXT: _lazy(
        "Shared passages are marked. Of the other side you see those passages with up to "
        "30 words around them; the rest is masked."
    ),
    Kind.CODE: _lazy(
        "Shared lines are marked, the longest stretches of them. Of the other side you see "
        "those only; the rest is masked."
    ),
    Kind.TABLE: _lazy(
        "Cells that both rows hold stand next to each other, marked and named “same” or "
        "“alike”; of cells that are alike, the words that both hold. All other cells are masked."
    ),
    Kind.IMAGE: _lazy(
        "Both pictures are shown small and marked. Where only a part is alike, a box shows which."
    ),
}

CUT = " […] "


@dataclass(frozen=True)
class Piece:
    """A stretch of text, shared with the other record or not."""

    text: str
    is_shared: bool
    lines: str = ""
    """Of source code, in which lines of the record it stands."""


@dataclass(frozen=True)
class Region:
    """The part of a picture that the other one holds too: a box, of its width and height."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Side:
    """One record of a pair as this viewer may see it."""

    heading: str
    owner: str
    key: str
    token_count: int
    pieces: list[Piece]
    is_own: bool
    is_cut_before: bool
    is_cut_after: bool
    measure: str
    thumbnail: str
    region: Region | None


@dataclass(frozen=True)
class CellPair:
    """A cell of either row: the same value, or alike, then with the words that both hold."""

    earlier_column: str
    earlier: str
    later_column: str
    later: str
    is_same: bool


@dataclass(frozen=True)
class SharedCells:
    """The cells that two rows share, and how many of either row stay masked."""

    pairs: list[CellPair]
    not_shown: int
    earlier_masked: int
    later_masked: int


@dataclass(frozen=True)
class Pair:
    """A match with its two sides; the measures and what made them always stand together."""

    match: Match
    content: Dataset.Kind
    kind_words: str
    shown_words: str
    left: Side
    right: Side
    cells: SharedCells | None

    @property
    def kind_name(self) -> str:
        """What its kind is called."""
        return str(KIND_NAMES[MatchKind(self.match.kind)])


def pair(match: Match, viewer: Viewer) -> Pair:
    """What `viewer` may see of a match: the evidence kept at match time, and nothing else."""
    kind, content = MatchKind(match.kind), _content(match)
    words = str(KIND_WORDS.get((content, kind)) or KIND_WORDS[Kind.TEXT, kind])
    earlier, later = _side(match, "earlier", viewer), _side(match, "later", viewer)
    shown = str(SHOWN_WORDS[content])
    return Pair(match, content, words, shown, earlier, later, _cells(match.evidence))


def _cells(evidence: dict[str, Any]) -> SharedCells | None:
    """The matching cells of two rows, as they were kept; None where no row was compared."""
    kept = evidence.get("cells")
    if not kept:
        return None
    pairs = [
        CellPair(
            str(one["earlier_column"]),
            str(one["earlier"]),
            str(one["later_column"]),
            str(one["later"]),
            bool(one["is_same"]),
        )
        for one in kept
    ]
    count = int(evidence["cell_count"])
    return SharedCells(
        pairs,
        not_shown=count - len(pairs),
        earlier_masked=int(evidence["earlier_cells"]) - count,
        later_masked=int(evidence["later_cells"]) - count,
    )


def _content(match: Match) -> Dataset.Kind:
    """What was compared: texts where a source and a text share words."""
    kind = Kind(match.overlap.later.dataset.kind)
    is_source = any("later_lines" in passage for passage in match.evidence.get("passages", []))
    if kind in (Kind.TEXT, Kind.CODE):
        return Kind.CODE if is_source else Kind.TEXT
    return kind


def _side(match: Match, which: str, viewer: Viewer) -> Side:
    record = getattr(match, which)
    dataset = getattr(match.overlap, which).dataset
    is_own = dataset.owner_id == viewer.party.pk
    evidence = match.evidence
    passages = evidence.get("passages", [])
    is_cut_before, is_cut_after = _cuts(passages, which)
    return Side(
        heading=_heading(which, dataset),
        owner=_("yours") if is_own else _("of %(owner)s") % {"owner": dataset.owner},
        key=record.key if is_own or viewer.is_operator else "",
        token_count=record.token_count,
        pieces=list(_pieces(passages, f"{which}_text")),
        is_own=is_own,
        is_cut_before=is_cut_before,
        is_cut_after=is_cut_after,
        measure=_measure(evidence, which),
        thumbnail=_thumbnail(evidence.get(f"{which}_thumbnail")),
        region=_region(evidence.get(f"{which}_region")),
    )


def _heading(which: str, dataset: Dataset) -> str:
    words = _("Registered later: %(dataset)s")
    if which == "earlier":
        words = _("Registered earlier: %(dataset)s")
    return words % {"dataset": dataset}


def _pieces(passages: list[dict[str, Any]], side: str) -> Iterator[Piece]:
    """The passages in order, each with the words around it; words between two stand once."""
    span = side.removesuffix("_text")
    for number, passage in enumerate(passages):
        text = passage.get(side) or {}
        if not text:
            continue
        if lines := passage.get(f"{span}_lines"):
            yield Piece(str(text["match"]), is_shared=True, lines=_lines(*lines))
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


def _cuts(passages: list[dict[str, Any]], span: str) -> tuple[bool, bool]:
    """Whether the record has words before and after what is shown of it, as far as one can tell."""
    if not passages:
        return False, False
    first = passages[0].get(f"{span}_text") or {}
    last = passages[-1].get(f"{span}_text") or {}
    before = int(passages[0][span][0]) > len(str(first.get("before", "")).split())
    return before, bool(last.get("after"))


def _gap(first: dict[str, Any], second: dict[str, Any], span: str) -> int | None:
    """How many words stand between two passages, where the second's context holds them all."""
    text = (second.get(f"{span}_text") or {}).get("before", "")
    gap = int(second[span][0]) - int(first[span][1])
    # Where letters count as words (scripts without spaces), the words cannot be counted here.
    return gap if 0 <= gap <= len(text.split()) else None


def _last_words(text: str, count: int) -> str:
    return "".join(re.findall(r"\S+\s*", text)[-count:]) if count else ""


def _lines(first: int, last: int) -> str:
    if first == last:
        return _("line %(number)s") % {"number": f"{first:,}"}
    return _("lines %(first)s to %(last)s") % {"first": f"{first:,}", "last": f"{last:,}"}


def _measure(evidence: dict[str, Any], which: str) -> str:
    """How much was found alike where there is no text to show."""
    shared, size = evidence.get("shared"), evidence.get(f"{which}_size")
    if shared is None or size is None:
        return ""
    words = _("%(shared)s of its %(size)s %(unit)s are in the other record too.")
    unit = kept.said(evidence.get("unit", _noop("five-word sequences")))
    return words % {"shared": f"{shared:,}", "size": f"{size:,}", "unit": unit}


def _thumbnail(value: Any) -> str:
    """Only an image that is part of the page itself."""
    text = str(value or "")
    return text if text.startswith(("data:image/png;base64,", "data:image/jpeg;base64,")) else ""


def _region(value: Any) -> Region | None:
    """The box as it was kept: left, top, right and bottom; None where the whole is alike."""
    if not value:
        return None
    left, top, right, bottom = (float(edge) for edge in value)
    return Region(left, top, right - left, bottom - top)
