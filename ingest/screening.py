"""A sealed version against all that was registered before it: overlaps, matches, conflicts.

A batch of records at a time: candidates, their verdicts, the evidence, and the place where the
next batch begins, in one commit. What was found is published once all of it is there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Count, Q

from ingest import bodies, candidates, cells, columns, evidence, hints, leases, prints, verdict
from ingest.candidates import Newcomer, Pair
from ingest.index import merging, registered
from ingest.index.registered import Earlier
from ingest.models import Upload
from ingest.models.progress import begun, marked
from ingest.prints import Prints
from ingest.verdict import Kind, Verdict
from provenance import conflicts, ledger
from provenance.models import Dataset, DatasetVersion, Match, Overlap, Record

log = structlog.get_logger(__name__)

Clock = Callable[[], datetime]

BATCH = 500
TENDED_FROM = 5_000
"""So many records leave so many small segments that merging them first is the shorter way."""
PAIRS_AT_ONCE = 2_000
MOST_PER_RECORD = 16
"""Of one record's matches in one earlier version, so many are kept: the best."""
COLUMNS_LEASE = timedelta(minutes=5)
"""Comparing columns is part of one transaction, which cannot renew its lease on the way."""


@dataclass(frozen=True)
class Found:
    """A pair with its verdict."""

    newcomer: Newcomer
    earlier: Earlier
    verdict: Verdict

    @property
    def order(self) -> tuple[Any, ...]:
        """The best match of a record comes first; of equals, the one registered first."""
        return *self.verdict.order, self.earlier.sequence


def screen(upload: Upload, *, clock: Clock, until: datetime) -> None:
    """Screen batches from where screening stopped; after the last, publish."""
    if not upload.screened_count and upload.stage != "comparing":
        _begin(upload, at=clock())
        if upload.record_count >= TENDED_FROM:
            merging.tend(go_on=lambda: clock() < until)
    while batch := _next_records(upload):
        screen_batch(upload, batch, at=clock())
        if clock() >= until:
            return
    publish(upload, at=clock())


def _begin(upload: Upload, *, at: datetime) -> None:
    """Note what is compared with how much, for whoever watches."""
    version = upload.version
    added = Record.objects.filter(dataset=version.dataset_id, added_number=version.number)
    records, owners = registered.others(version)
    leases.hold(
        upload,
        at=at,
        stage="comparing",
        stage_at=at,
        pace=begun(at),
        to_compare_count=added.count(),
        against_records=records,
        against_owners=owners,
    )


def _next_records(upload: Upload) -> list[Record]:
    version = upload.version
    added = Record.objects.filter(dataset=version.dataset_id, added_number=version.number)
    return list(added.filter(pk__gt=upload.screened_to).order_by("pk")[:BATCH])


def screen_batch(upload: Upload, records: Sequence[Record], *, at: datetime) -> None:
    """Compare a batch and keep its matches, together with the place where the next one begins."""
    version = upload.version
    batch = candidates.newcomers(records)
    found = judged(batch, candidates.pairs(version, batch))
    with transaction.atomic():
        keep(version, best(found), at=at)
        leases.hold(
            upload,
            at=at,
            attempt_count=0,
            screened_to=records[-1].pk,
            screened_count=upload.screened_count + len(records),
            pace=marked(upload.pace, at, upload.screened_count + len(records)),
        )


def judged(batch: Sequence[Newcomer], pairs: Sequence[Pair]) -> list[Found]:
    """The candidates that are matches, on the records' own prints."""
    found: list[Found] = []
    for some in _together(pairs):
        parts = prints.load({pair.earlier.record_id for pair in some})
        for place, own in groupby(some, key=lambda pair: pair.place):
            newcomer, rows = batch[place], [pair.earlier for pair in own]
            theirs = [Prints(r.digest, r.token_count, parts.get(r.record_id, {})) for r in rows]
            made = verdict.judge_all(newcomer.prints, theirs)
            found += [
                Found(newcomer, row, one)
                for row, one in zip(rows, made, strict=True)
                if one is not None
            ]
    return found


def _together(pairs: Sequence[Pair]) -> Iterator[list[Pair]]:
    """Pairs, about PAIRS_AT_ONCE at a time, those of one newcomer together; they come in order."""
    some: list[Pair] = []
    for _, own in groupby(pairs, key=lambda pair: pair.place):
        some += own
        if len(some) >= PAIRS_AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def best(found: Sequence[Found]) -> list[Found]:
    """At most MOST_PER_RECORD matches of each record in each earlier version."""
    groups: dict[tuple[int, UUID], list[Found]] = defaultdict(list)
    for row in found:
        groups[row.newcomer.record.pk, row.earlier.version_id].append(row)
    return [
        row
        for rows in groups.values()
        for row in sorted(rows, key=lambda row: row.order)[:MOST_PER_RECORD]
    ]


def keep(version: DatasetVersion, found: Sequence[Found], *, at: datetime) -> None:
    """Store matches with their evidence; safe to repeat."""
    overlaps: dict[UUID, Overlap] = {}
    for version_id in sorted({row.earlier.version_id for row in found}):
        overlaps[version_id], _ = Overlap.objects.get_or_create(
            later=version,
            earlier_id=version_id,
            detector=verdict.DETECTOR,
            defaults={
                "found_at": at,
                "false_accusation_rate": verdict.FALSE_ACCUSATION_RATE,
            },
        )
    compared = {row.newcomer.record.pk for row in found} | {row.earlier.record_id for row in found}
    texts, pictures = bodies.texts_of(compared), bodies.pictures_of(compared)
    found = [_confirmed(row, texts) for row in found]
    is_table = version.dataset.kind == Dataset.Kind.TABLE
    Match.objects.bulk_create(
        (
            Match(
                overlap=overlaps[row.earlier.version_id],
                later_id=row.newcomer.record.pk,
                earlier_id=row.earlier.record_id,
                kind=row.verdict.kind.value,
                jaccard=row.verdict.jaccard,
                containment=row.verdict.containment,
                score=row.verdict.score,
                holds=row.verdict.holds,
                evidence=_evidence(row, texts, is_table=is_table) | _pictures(row, pictures),
            )
            for row in found
        ),
        ignore_conflicts=True,
        batch_size=500,
    )


def _confirmed(row: Found, texts: dict[int, str]) -> Found:
    """The pair with its verdict looked at once more, where both texts are here."""
    later, earlier = texts.get(row.newcomer.record.pk), texts.get(row.earlier.record_id)
    if not later or not earlier:
        return row
    return replace(row, verdict=verdict.confirmed(row.verdict, later=later, earlier=earlier))


def _evidence(row: Found, texts: dict[int, str], *, is_table: bool) -> dict[str, Any]:
    """What both sides will be shown of this match."""
    later, earlier = texts.get(row.newcomer.record.pk), texts.get(row.earlier.record_id)
    counted = row.verdict.counted
    is_exact = row.verdict.kind == Kind.EXACT
    one, other = (later or earlier, earlier or later) if is_exact else (later, earlier)
    if is_table and one and other and (found := cells.shared(one, other)):
        return found | counted
    if is_exact and (later or earlier):
        return evidence.whole(later or earlier or "") | counted
    if row.verdict.kind == Kind.SEMANTIC or later is None or earlier is None:
        # Where nothing but the meaning is shared there is no passage that could be shown.
        return {"passages": []} | counted
    show = evidence.code_passages if "code" in counted else evidence.passages
    return show(later, earlier) | counted


def _pictures(row: Found, pictures: dict[int, str]) -> dict[str, str]:
    """The two marked thumbnails, where the records are images that were sent to us."""
    sides = {"later": row.newcomer.record.pk, "earlier": row.earlier.record_id}
    return {f"{side}_thumbnail": pictures[pk] for side, pk in sides.items() if pk in pictures}


def publish(upload: Upload, *, at: datetime) -> None:
    """All is compared: count each overlap, open its conflict, and finish the upload."""
    version = upload.version
    if version.dataset.kind == Dataset.Kind.TABLE:
        leases.hold(upload, at=at, lasting=COLUMNS_LEASE)
    with transaction.atomic():
        _add_short_copies(version, at=at)
        columns.compare(version, at=at)
        overlaps = list(
            Overlap.objects.filter(later=version, detector=verdict.DETECTOR)
            .select_related("earlier__dataset", "later__dataset")
            .order_by("earlier__sealed_sequence")
        )
        for overlap in overlaps:
            _count(overlap, compared=upload.screened_count)
            if overlap.earlier.dataset.owner_id != version.dataset.owner_id:
                conflicts.open_from_overlap(overlap=overlap, at=at)
        conflicts.carry_into(version, at=at)
        _record(version, overlaps, compared=upload.screened_count, at=at)
        leases.hold(upload, at=at, state=Upload.State.SEALED, stage="done", finished_at=at)
        hints.embed(upload.pk)
    log.info("version screened", version=str(version.pk), overlaps=len(overlaps))


def leave(upload: Upload, *, at: datetime) -> None:
    """Its owner took the version back before it was compared: there is nothing to find."""
    stage = f"{upload.version.state} before it was compared"
    leases.hold(upload, at=at, state=Upload.State.SEALED, stage=stage, finished_at=at)


def _count(overlap: Overlap, *, compared: int) -> None:
    """Count the distinct later records of an overlap: by kind those that hold, and the others."""
    rows = Match.objects.filter(overlap=overlap)
    kinds = {kind: Count("later", distinct=True, filter=Q(kind=kind, holds=True)) for kind in Kind}
    kinds[Kind.SEMANTIC] = Count("later", distinct=True, filter=Q(kind=Kind.SEMANTIC))
    counts = rows.aggregate(
        **{f"{kind}_count": count for kind, count in kinds.items()},
        matching_count=Count("later", distinct=True, filter=Q(holds=True)),
        found_count=Count("later", distinct=True, filter=~Q(kind=Kind.SEMANTIC)),
    )
    counts["possible_count"] = counts.pop("found_count") - counts["matching_count"]
    for name, value in counts.items():
        setattr(overlap, name, value)
    found = verdict.overlap.Found(
        compared=compared,
        exact=overlap.exact_count,
        holding=overlap.matching_count - overlap.exact_count,
        possible=overlap.possible_count,
    )
    overlap.estimate_count, overlap.interval_low, overlap.interval_high = _estimate(overlap, found)
    overlap.save(update_fields=[*counts, "estimate_count", "interval_low", "interval_high"])


def _estimate(overlap: Overlap, found: verdict.overlap.Found) -> tuple[int, int, int]:
    """How many later records overlap, at least and at most; rows of shared columns are counted."""
    equal_rows = overlap.details.get("rows", {}).get("shared", 0)
    if equal_rows > overlap.matching_count:
        return equal_rows, equal_rows, equal_rows
    is_text = overlap.later.dataset.kind == Dataset.Kind.TEXT
    return verdict.overlap.estimate(
        found, verdict.overlap.SENTENCES if is_text else verdict.overlap.COUNTED
    )


def _record(
    version: DatasetVersion, overlaps: Sequence[Overlap], *, compared: int, at: datetime
) -> None:
    """The fact of the screening: by which detector, against what, with which counts."""
    found = [
        {
            "overlap": overlap.pk,
            "earlier": overlap.earlier_id,
            "exact": overlap.exact_count,
            "near": overlap.near_count,
            "contained": overlap.contained_count,
            "matching": overlap.matching_count,
            "possible": overlap.possible_count,
        }
        for overlap in overlaps
    ]
    ledger.record(
        "version.screened",
        at=at,
        subject_kind="version",
        subject_id=version.pk,
        party=version.dataset.owner,
        body={"detector": verdict.DETECTOR, "compared": compared, "overlaps": found},
    )


def _add_short_copies(version: DatasetVersion, *, at: datetime) -> None:
    """Match exact copies of short records, where a version shares too many for chance."""
    found: dict[UUID, list[Found]] = defaultdict(list)
    short = short_records(version)
    for start in range(0, short.count(), BATCH):
        batch = candidates.newcomers(short.order_by("pk")[start : start + BATCH])
        for row in _exact_copies(version, batch):
            found[row.earlier.version_id].append(row)
    for version_id, rows in found.items():
        earlier = DatasetVersion.objects.get(pk=version_id)
        distinct = len({row.newcomer.digest for row in rows})
        if verdict.short_copies_count(distinct, short.count(), short_records(earlier).count()):
            for start in range(0, len(rows), BATCH):
                keep(version, best(rows[start : start + BATCH]), at=at)


def _exact_copies(version: DatasetVersion, batch: Sequence[Newcomer]) -> list[Found]:
    """The earliest copy of each record in each earlier version."""
    pairs = candidates.exact(version, batch)
    known = registered.earlier(version, sorted({pk for _, pk in pairs}))
    dates = registered.own_dates(version, [newcomer.digest for newcomer in batch])
    copies: dict[tuple[int, UUID], Found] = {}
    for place, pk in pairs:
        row, newcomer = known.get(pk), batch[place]
        if row is None or not candidates.is_news(newcomer, row, version, dates):
            continue
        copies.setdefault((place, row.version_id), Found(newcomer, row, verdict.EXACT))
    return list(copies.values())


def short_records(version: DatasetVersion) -> Any:
    """The texts that a version added and that are too short to match alone; images are none."""
    return Record.objects.filter(
        dataset=version.dataset_id,
        added_number=version.number,
        token_count__lt=verdict.SHORT_TOKENS,
        image_print__isnull=True,
    )
