"""What two texts share, as people may see it: the passages, with a few words around each.

Made when the match is made and stored with it, so that a conflict can still be judged when a text
is gone, and nobody needs the other's text to see what is the same (DESIGN, decision 15).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tallymark.fingerprint import code_tokens, normalise, tables

CONTEXT_WORDS = 30
RUN_WORDS = 5
"""As long as a shingle: shorter runs are phrases that everybody uses."""
RUN_TOKENS = 8
"""Of source code, whose abstract tokens are few kinds, a run must be longer."""
MOST_PASSAGES = 8
MOST_SHOWN_WORDS = 120
MOST_WORDS = 20_000
"""Of a longer text only so much is searched for passages."""
MOST_PLACES = 16
CUT = " […] "


@dataclass(frozen=True)
class Words:
    """A text in words (letters, where a script has no spaces), each with its place and form."""

    text: str
    spans: list[tuple[int, int]]
    # The words that say something, in canonical form, and which of `spans` each one is.
    forms: list[str]
    places: list[int]

    @classmethod
    def of(cls, text: str) -> Words:
        """The words of `text`, at most MOST_WORDS."""
        spans: list[tuple[int, int]] = []
        forms: list[str] = []
        places: list[int] = []
        for start, end in _pieces(text):
            if len(spans) == MOST_WORDS:
                break
            form = "".join(ch for ch in normalise(text[start:end]) if ch.isalnum() or ch == "_")
            if form:
                forms.append(form)
                places.append(len(spans))
            spans.append((start, end))
        return cls(text, spans, forms, places)

    @classmethod
    def of_code(cls, text: str) -> Words:
        """The abstract tokens of a source, at most MOST_WORDS: all of them say something."""
        code = code_tokens.read(text)
        codes = code.codes[:MOST_WORDS]
        return cls(text, code.spans[:MOST_WORDS], list(map(chr, codes)), list(range(len(codes))))

    def lines(self, first: int, last: int) -> list[int]:
        """The lines, counted from 1, on which words `first` to `last` (exclusive) begin and end."""
        start, end = self.spans[first][0], self.spans[last - 1][1]
        return [self.text.count("\n", 0, place) + 1 for place in (start, end)]

    def shown(self, first: int, last: int) -> str:
        """The text of words `first` to `last` (exclusive), cut in its middle where it is long."""
        if last <= first:
            return ""
        if last - first > MOST_SHOWN_WORDS:
            half = MOST_SHOWN_WORDS // 2
            return self.shown(first, first + half) + CUT + self.shown(last - half, last)
        return self.text[self.spans[first][0] : self.spans[last - 1][1]]


@dataclass(frozen=True)
class Run:
    """`length` forms that are the same from `later` and from `earlier` on."""

    later: int
    earlier: int
    length: int


def passages(later: str, earlier: str) -> dict[str, Any]:
    """The evidence that two texts share passages, for `Match.evidence`.

    Each passage has its span in words in both texts and, for both, the words before, within and
    after it; `later_context` and `earlier_context` join them with the match between ⟦ and ⟧.
    """
    one, other = Words.of(later), Words.of(earlier)
    return _shown(one, other, list(common_runs(one.forms, other.forms)))


def code_passages(later: str, earlier: str) -> dict[str, Any]:
    """The evidence that two sources share passages, whatever their names and literals are now.

    As `passages`, in tokens instead of words; each passage also has its lines in both sources.
    """
    one, other = Words.of_code(later), Words.of_code(earlier)
    made = _shown(one, other, list(common_runs(one.forms, other.forms, RUN_TOKENS)))
    for passage in made["passages"]:
        passage["later_lines"] = one.lines(*passage["later"])
        passage["earlier_lines"] = other.lines(*passage["earlier"])
    return made


def _shown(one: Words, other: Words, runs: list[Run]) -> dict[str, Any]:
    runs.sort(key=lambda run: -run.length)
    shown = sorted(runs[:MOST_PASSAGES], key=lambda run: run.later)
    found = [_passage(one, other, run) for run in shown]
    return {
        "passages": found,
        "passage_count": len(runs),
        "later_context": _context(found, "later_text"),
        "earlier_context": _context(found, "earlier_text"),
    }


def common_runs(later: list[str], earlier: list[str], least: int = RUN_WORDS) -> Iterator[Run]:
    """Runs of at least `least` equal words, longest at each place of `later`, none twice."""
    known: dict[tuple[str, ...], list[int]] = {}
    for place in range(len(earlier) - least + 1):
        places = known.setdefault(tuple(earlier[place : place + least]), [])
        if len(places) < MOST_PLACES:
            places.append(place)
    at = 0
    while at <= len(later) - least:
        starts = known.get(tuple(later[at : at + least]), ())
        runs = (Run(at, start, _length(later, earlier, at, start, least)) for start in starts)
        best = max(runs, key=lambda run: run.length, default=None)
        if best is None:
            at += 1
            continue
        yield best
        at += best.length


def _length(later: list[str], earlier: list[str], at: int, start: int, least: int) -> int:
    length = least
    most = min(len(later) - at, len(earlier) - start)
    while length < most and later[at + length] == earlier[start + length]:
        length += 1
    return length


def _passage(one: Words, other: Words, run: Run) -> dict[str, Any]:
    later = one.places[run.later], one.places[run.later + run.length - 1] + 1
    earlier = other.places[run.earlier], other.places[run.earlier + run.length - 1] + 1
    return {
        "later": list(later),
        "earlier": list(earlier),
        "later_text": _around(one, *later),
        "earlier_text": _around(other, *earlier),
    }


def _around(words: Words, first: int, last: int) -> dict[str, str]:
    return {
        "before": words.shown(max(first - CONTEXT_WORDS, 0), first),
        "match": words.shown(first, last),
        "after": words.shown(last, min(last + CONTEXT_WORDS, len(words.spans))),
    }


def _context(found: list[dict[str, Any]], side: str) -> str:
    texts = (passage[side] for passage in found)
    return CUT.join(f"{t['before']} ⟦{t['match']}⟧ {t['after']}".strip() for t in texts)


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Runs without spaces; within one, a letter of a script without spaces stands for itself."""
    letters = text.translate(tables.classes())
    start = -1
    for at, ch in enumerate(text):
        if ch.isspace():
            if start >= 0:
                yield start, at
            start = -1
        elif letters[at] in "pt":
            if start >= 0:
                yield start, at
            start = at
        elif start < 0:
            start = at
    if start >= 0:
        yield start, len(text)


def whole(text: str) -> dict[str, Any]:
    """The evidence of an exact copy: one passage, which is all of it."""
    words = Words.of(text)
    shown = {"before": "", "match": words.shown(0, len(words.spans)), "after": ""}
    span = [0, len(words.spans)]
    passage = {"later": span, "earlier": span, "later_text": shown, "earlier_text": shown}
    context = _context([passage], "later_text")
    return {
        "passages": [passage],
        "passage_count": 1,
        "later_context": context,
        "earlier_context": context,
    }
