"""Up to a hundred records, answered at once: may I use this?

What is asked is compared and forgotten: nothing of it is stored, indexed or logged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_noop as _noop

from ingest import normalise, prints, verdict
from ingest.fingerprint.image import ImageRefused
from ingest.gateways import allowance, answers, comparing, warmth
from ingest.gateways.answers import Answer, Known
from ingest.gateways.comparing import Alike, Stretch
from ingest.prints import Prints
from provenance.access import Viewer
from provenance.ledger import moment
from provenance.models import Party
from provenance.refusals import Refused

MOST_RECORDS = 100


class LabsOnly(Refused):
    """Only a lab screens what it is about to train on."""

    code = "not_a_lab"
    status = 403
    hint = "Ask the operator to make your organisation a lab; owners register instead."


@dataclass(frozen=True)
class Asked:
    """One record of a request: a text, a source text, a canonical table row or an image."""

    id: str
    kind: str
    text: str = ""
    image: bytes = b""
    name: str = ""
    """A file name or key: its ending may tell the language of a source text."""

    @classmethod
    def of_row(cls, id: str, cells: Mapping[str, object]) -> Asked:  # noqa: A002  (as the API says)
        """A table row by its cells."""
        return cls(id, prints.TABLE, text=normalise.row(cells))


def screen(
    *,
    viewer: Viewer,
    purpose: str,
    records: Sequence[Asked],
    with_passages: bool = False,
    at: datetime,
) -> dict[str, Any]:
    """The answer to each record, and against what it was compared. Raises AskedTooMuch, Warming."""
    require_lab(viewer.party)
    warmth.require()
    allowance.count_request(viewer.party, len(records), at=at)
    batch, refused = _prints(records)
    stretch = Stretch.whole()
    found = comparing.alike([own for _, own in batch], stretch)
    places = [place for place, _ in batch]
    known = Known.of(found, viewer, purpose, at=at)
    best = comparing.best(found, known.versions)
    texts = {n: records[place].text for n, place in enumerate(places) if records[place].text}
    spans = answers.passages(texts, best) if with_passages else {}
    by_place: dict[int, list[Alike]] = {}
    for row in best:
        by_place.setdefault(places[row.place], []).append(row)
    results = [
        _result(asked, by_place.get(place, []), known, spans, stretch, refused.get(place, ""))
        for place, asked in enumerate(records)
    ]
    return {
        "purpose": purpose,
        "corpus": {"sequence": stretch.upto, "compared_at": moment(at)},
        "detector": verdict.DETECTOR,
        "false_accusation_rate": verdict.FALSE_ACCUSATION_RATE,
        "not_checked": [answers.MEANING, answers.LICENCE],
        "results": results,
    }


def require_lab(party: Party) -> None:
    """Refuse whoever is no lab."""
    if not party.is_lab:
        raise LabsOnly


def _prints(records: Sequence[Asked]) -> tuple[list[tuple[int, Prints]], dict[int, str]]:
    """(place, prints) of what can be compared; and why not, by place, of what cannot."""
    made: dict[int, Prints] = {}
    refused: dict[int, str] = {}
    for kind in (prints.TEXT, prints.TABLE, prints.CODE):
        places = [place for place, asked in enumerate(records) if asked.kind == kind]
        if places:
            texts = [records[place].text for place in places]
            names = [records[place].name for place in places]
            made.update(zip(places, prints.of_texts(texts, names, kind=kind), strict=True))
    for place, asked in enumerate(records):
        if asked.kind == prints.IMAGE:
            try:
                made[place] = prints.of_image(asked.image)
            except ImageRefused as error:
                refused[place] = str(error)
        elif not asked.text.strip():
            del made[place]
            refused[place] = _noop("it is empty.")
    return sorted(made.items()), refused


def _result(
    asked: Asked,
    matches: Sequence[Alike],
    known: Known,
    spans: dict[Alike, list[list[int]]],
    stretch: Stretch,
    refused: str,
) -> dict[str, Any]:
    said = Answer.NOT_COMPARED if refused else answers.answer(matches, known)
    said_words = answers.words(said, matches, known, upto=stretch.upto)
    return {
        "id": asked.id,
        "answer": said.value,
        "words": said_words + refused,
        "matches": [answers.match(row, known, spans.get(row)) for row in matches],
    }
