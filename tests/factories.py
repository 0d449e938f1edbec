"""Facts for tests, made by the use cases themselves, so that they are as true as real ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from tallymark.fingerprint import digest

from provenance import ledger, parties, registry
from provenance.access import Viewer
from provenance.models import (
    Dataset,
    DatasetVersion,
    Match,
    Membership,
    Overlap,
    Party,
    Record,
    User,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DETECTOR = "tallymark-test/1"


def party(
    name: str, *, is_owner: bool = False, is_lab: bool = False, is_operator: bool = False
) -> Party:
    return parties.create_party(
        name=name, is_owner=is_owner, is_lab=is_lab, is_operator=is_operator, at=NOON
    )


def user(email: str, *, party: Party | None = None, role: str = "admin") -> User:
    """A person who may sign in, a member of `party` in `role`."""
    person = User.objects.create_user(username=email, email=email, password="correct horse")
    if party is not None:
        Membership.objects.create(user=person, party=party, role=role, created_at=NOON)
    return person


def viewer(party: Party, role: str = "admin") -> Viewer:
    return Viewer(party=party, role=role)


def dataset(owner: Party, name: str = "essays", *, is_fingerprint_only: bool = False) -> Dataset:
    return registry.register_dataset(
        owner=owner,
        name=name,
        title=name.title(),
        is_fingerprint_only=is_fingerprint_only,
        at=NOON,
    )


def rows(texts: Sequence[str], keys: Sequence[str] | None = None) -> list[registry.NewRecord]:
    """One row for each text; its key is its place unless `keys` says otherwise."""
    named = keys or [f"r{place}" for place in range(len(texts))]
    return [
        registry.NewRecord(
            ordinal=ordinal,
            key=key,
            digest=digest(text),
            token_count=len(text.split()),
            byte_count=len(text.encode()),
        )
        for ordinal, (key, text) in enumerate(zip(named, texts, strict=True))
    ]


def version(
    dataset: Dataset,
    texts: Sequence[str],
    *,
    keys: Sequence[str] | None = None,
    mode: str = "full",
    at: datetime = NOON,
) -> DatasetVersion:
    """A sealed version of `dataset` that holds `texts`, numbered in the ledger."""
    opened = registry.open_version(dataset=dataset, mode=mode, at=at)
    registry.add_records(version=opened, rows=rows(texts, keys))
    sealed = registry.seal_version(version=opened, at=at)
    ledger.seal()
    sealed.refresh_from_db()
    return sealed


def record(version: DatasetVersion, text: str) -> Record:
    """The record of `version` that holds `text`."""
    found = registry.records_of(version).filter(digest=digest(text)).first()
    assert found is not None, text
    return found


def overlap(
    later: DatasetVersion,
    earlier: DatasetVersion,
    pairs: Sequence[tuple[str, str]],
    *,
    kind: str = "exact",
    detector: str = DETECTOR,
) -> Overlap:
    """What a detector found: each pair is (text of `later`, text of `earlier`)."""
    found, _ = Overlap.objects.get_or_create(
        later=later,
        earlier=earlier,
        detector=detector,
        defaults={
            "matching_count": len({text for text, _ in pairs}),
            "estimate_count": len(pairs),
            "interval_low": len(pairs),
            "interval_high": len(pairs),
            "false_accusation_rate": 0.001,
            "found_at": NOON,
            f"{kind}_count": len(pairs),
        },
    )
    matches = [
        Match(
            overlap=found,
            later=record(later, mine),
            earlier=record(earlier, theirs),
            kind=kind,
            holds=kind != "semantic",
            jaccard=1.0,
            containment=1.0,
            evidence={"passages": [{"later": [0, 5], "earlier": [0, 5]}]},
        )
        for mine, theirs in pairs
    ]
    Match.objects.bulk_create(matches, ignore_conflicts=True)
    return found
