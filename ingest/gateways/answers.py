"""What a lab is told of its records: matches, whose they are, on what terms; never another's text.

The answer to a record is that of its least open match that holds. A possible match, below the
threshold that would open a conflict, is left to a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import gettext_noop as _noop

from ingest import bodies, evidence
from ingest.gateways import comparing, terms
from ingest.gateways.comparing import Alike
from ingest.gateways.terms import Standing, Terms
from ingest.verdict import Kind
from provenance.access import Viewer
from provenance.amounts import Writer
from provenance.models import Dataset, DatasetVersion


class Answer(StrEnum):
    """What is said of one record, from the best news to the worst."""

    NOTHING_FOUND = "nothing_found"
    POSSIBLE = "possible"
    USABLE = "usable"
    ON_OFFER = "on_offer"
    RESERVED = "reserved"
    NOT_COMPARED = "not_compared"


OF_STANDING = {
    Standing.OWN: Answer.USABLE,
    Standing.GRANTED: Answer.USABLE,
    Standing.OPEN: Answer.ON_OFFER,
    Standing.ON_REQUEST: Answer.ON_OFFER,
    Standing.RESERVED: Answer.RESERVED,
    Standing.WITHDRAWN: Answer.RESERVED,
}
WORDS = {
    Answer.NOTHING_FOUND: _lazy("Nothing that was registered up to event %(upto)s is like it."),
    Answer.POSSIBLE: _lazy("It may be like something registered: have a person look."),
    Answer.USABLE: _lazy("It is like registered data that you may use: %(words)s"),
    Answer.ON_OFFER: _lazy("It is like registered data that is on offer: %(words)s"),
    Answer.RESERVED: _lazy("It is like registered data that you may not use: %(words)s"),
    Answer.NOT_COMPARED: _lazy("It was not compared: %(words)s"),
}
SEVERITY = list(Answer)
MEANING = _noop("Meaning: a text that says the same in other words is not found.")
LICENCE = _noop("Who holds rights in what: that nothing was found is no licence.")


@dataclass(frozen=True)
class Known:
    """What the matches of a request are described by."""

    versions: dict[UUID, DatasetVersion]
    terms: dict[UUID, Terms]
    shown: set[UUID]
    """The datasets of which the viewer may know title and owner."""
    write: Writer
    """Writes their prices."""

    @classmethod
    def of(cls, found: Iterable[Alike], viewer: Viewer, purpose: str, *, at: datetime) -> Known:
        """Look up versions, terms and what the viewer may see, once for all matches."""
        versions = comparing.versions_of(found)
        datasets = {version.dataset_id for version in versions.values()}
        found_terms = terms.terms_of(party=viewer.party, purpose=purpose, datasets=datasets, at=at)
        write = terms.writer_of(found_terms.values())
        return cls(versions, found_terms, shown_to(viewer, datasets), write)

    def of_match(self, row: Alike) -> tuple[DatasetVersion, Terms]:
        """The version of a match and the terms of its dataset."""
        version = self.versions[row.earlier.version_id]
        return version, self.terms[version.dataset_id]


def shown_to(viewer: Viewer, datasets: Iterable[UUID]) -> set[UUID]:
    """Those datasets of which the viewer may know title and owner: what the catalogue shows."""
    ids = list(datasets)
    if not ids:
        return set()
    seen = Dataset.objects.listed_for(viewer).filter(pk__in=ids)
    return set(seen.values_list("pk", flat=True))


def match(row: Alike, known: Known, passages: list[list[int]] | None = None) -> dict[str, Any]:
    """One match as the API tells it; `passages` are places in the caller's own text."""
    version, licence = known.of_match(row)
    is_shown = version.dataset_id in known.shown
    return {
        "kind": row.verdict.kind.value,
        "holds": row.verdict.holds and not row.is_short,
        "score": round(row.verdict.score, 4),
        "jaccard": round(row.verdict.jaccard, 4),
        "containment": round(row.verdict.containment, 4),
        "passages": passages,
        "version": {"id": str(version.pk), "number": version.number} if is_shown else None,
        "dataset": dataset_words(version.dataset) if is_shown else None,
        "owner": owner_words(version.dataset) if is_shown else None,
        "terms": licence,
        "words": terms.words(licence),
        "price": terms.price_words(licence, known.write),
    }


def dataset_words(dataset: Dataset) -> dict[str, str]:
    """A dataset by its names."""
    return {"id": str(dataset.pk), "name": str(dataset), "title": dataset.title}


def owner_words(dataset: Dataset) -> dict[str, str]:
    """An owner by its names."""
    owner = dataset.owner
    return {"id": str(owner.pk), "name": owner.name, "namespace": owner.namespace}


def answer(matches: Sequence[Alike], known: Known) -> Answer:
    """What is said of a record with these matches."""
    holding = [row for row in matches if row.verdict.holds and not row.is_short]
    if not holding:
        return Answer.POSSIBLE if matches else Answer.NOTHING_FOUND
    standings = (Standing(known.of_match(row)[1]["standing"]) for row in holding)
    return max((OF_STANDING[standing] for standing in standings), key=SEVERITY.index)


def words(said: Answer, matches: Sequence[Alike], known: Known, *, upto: int) -> str:
    """The answer in a sentence."""
    deciding = ""
    for row in matches:
        licence = known.of_match(row)[1]
        if OF_STANDING[Standing(licence["standing"])] == said:
            deciding = terms.words(licence)
            break
    return str(WORDS[said]) % {"upto": f"{upto:,}", "words": deciding}


def passages(texts: dict[int, str], found: Sequence[Alike]) -> dict[Alike, list[list[int]]]:
    """Where the caller's texts (by place) match what is stored here: [start, end] in characters.

    Matches whose other side was registered by fingerprints only have none.
    """
    others = bodies.texts_of(row.earlier.record_id for row in found if row.place in texts)
    mine: dict[int, evidence.Words] = {}
    made = {}
    for row in found:
        text, other = texts.get(row.place), others.get(row.earlier.record_id)
        if text is None or other is None:
            continue
        if row.verdict.kind == Kind.EXACT:
            made[row] = [[0, len(text)]]
            continue
        one = mine.setdefault(row.place, evidence.Words.of(text))
        made[row] = _spans(one, evidence.Words.of(other))
    return made


def _spans(one: evidence.Words, other: evidence.Words) -> list[list[int]]:
    """The stretches of `one`, in characters, that `other` has too."""
    found = []
    for run in evidence.common_runs(one.forms, other.forms):
        first, last = one.places[run.later], one.places[run.later + run.length - 1]
        found.append([one.spans[first][0], one.spans[last][1]])
    return found
