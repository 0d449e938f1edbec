"""A sealed version against all that was registered before it: overlaps, matches, conflicts.

A batch of records at a time: candidates, their verdicts, the evidence, and the place where the
next batch begins, in one commit. What was found is published once all of it is there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import structlog
from django.db import transaction
from django.db.models import Count, Q
from numpy.typing import NDArray

from ingest import bodies, candidates, evidence, hints, leases, verdict
from ingest.candidates import Newcomer, Pair
from ingest.entries import UINT32
from ingest.fingerprint import containment, image, scheme
from ingest.index import registered
from ingest.index.registered import Earlier
from ingest.models import Fingerprint, ImagePrint, Upload
from ingest.verdict import Kind, Verdict
from provenance import conflicts, ledger
from provenance.models import DatasetVersion, Match, Overlap, Record

log = structlog.get_logger(__name__)

Clock = Callable[[], datetime]

BATCH = 500
PAIRS_AT_ONCE = 2_000
MOST_PER_RECORD = 16
"""Of one record's matches in one earlier version, so many are kept: the best."""
RANK = {Kind.EXACT: 0, Kind.NEAR: 1, Kind.CONTAINED: 2, Kind.SEMANTIC: 3}
ACCUSING = (Kind.EXACT, Kind.NEAR, Kind.CONTAINED)


@dataclass(frozen=True)
class Found:
    """A pair with its verdict, and what was counted to reach it."""

    newcomer: Newcomer
    earlier: Earlier
    verdict: Verdict
    counted: dict[str, Any]

    @property
    def order(self) -> tuple[int, float, int]:
        """The best match of a record comes first; of equals, the one registered first."""
        return RANK[self.verdict.kind], -self.verdict.containment, self.earlier.sequence


def screen(upload: Upload, *, clock: Clock, until: datetime) -> None:
    """Screen batches from where screening stopped; after the last, publish."""
    if not upload.screened_count and upload.stage != "comparing":
        leases.hold(upload, at=clock(), stage="comparing", stage_at=clock())
    while batch := _next_records(upload):
        screen_batch(upload, batch, at=clock())
        if clock() >= until:
            return
    publish(upload, at=clock())


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
        )


def judged(batch: Sequence[Newcomer], pairs: Sequence[Pair]) -> list[Found]:
    """The candidates that are matches, on the records' own prints."""
    found: list[Found] = []
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        some = pairs[start : start + PAIRS_AT_ONCE]
        ids = {pair.earlier.record_id for pair in some}
        texts, images = _shingles(ids), _images(ids)
        for pair in some:
            newcomer = batch[pair.place]
            row = _judged(newcomer, pair.earlier, texts, images)
            if row is not None:
                found.append(row)
    return found


def _judged(
    newcomer: Newcomer,
    row: Earlier,
    texts: dict[int, NDArray[np.uint32]],
    images: dict[int, ImagePrint],
) -> Found | None:
    same = newcomer.digest == row.digest
    counted: dict[str, Any] = {}
    made: Verdict | None
    if newcomer.hashes is not None and row.record_id in images:
        other = images[row.record_id]
        standing = np.frombuffer(other.hashes, np.uint8)[:32]
        counted["distance"] = int(image.distance(newcomer.hashes, standing).min())
        made = verdict.judge_images(
            same_digest=same,
            distance=counted["distance"],
            later_quality=newcomer.quality,
            earlier_quality=other.quality,
        )
    else:
        mine = newcomer.shingles
        mine = np.empty(0, np.uint32) if mine is None else mine
        theirs = texts.get(row.record_id, np.empty(0, np.uint32))
        counted["shared"] = len(containment.shared(mine, theirs))
        counted |= {"later_size": len(mine), "earlier_size": len(theirs)}
        made = verdict.judge(same_digest=same, **counted)
    return None if made is None else Found(newcomer, row, made, counted)


def _shingles(ids: Iterable[int]) -> dict[int, NDArray[np.uint32]]:
    rows = Fingerprint.objects.filter(record_id__in=ids, hash_version=scheme.HASH_VERSION)
    return {
        pk: np.frombuffer(shingles, UINT32)
        for pk, shingles in rows.values_list("record_id", "shingles")
    }


def _images(ids: Iterable[int]) -> dict[int, ImagePrint]:
    rows = ImagePrint.objects.filter(record_id__in=ids, scheme=scheme.IMAGE_HASH)
    return {row.record_id: row for row in rows}


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
    Match.objects.bulk_create(
        (
            Match(
                overlap=overlaps[row.earlier.version_id],
                later_id=row.newcomer.record.pk,
                earlier_id=row.earlier.record_id,
                kind=row.verdict.kind.value,
                jaccard=row.verdict.jaccard,
                containment=row.verdict.containment,
                evidence=_evidence(row, texts) | _pictures(row, pictures),
            )
            for row in found
        ),
        ignore_conflicts=True,
        batch_size=500,
    )


def _evidence(row: Found, texts: dict[int, str]) -> dict[str, Any]:
    """What both sides will be shown of this match."""
    later, earlier = texts.get(row.newcomer.record.pk), texts.get(row.earlier.record_id)
    if row.verdict.kind == Kind.SEMANTIC:
        # Nothing but the meaning is shared: there is no passage that a side could be shown.
        return {"passages": []} | row.counted
    if "distance" in row.counted:
        return {"passages": [], "differing_bits": row.counted["distance"], "bits": 256}
    if row.verdict.kind == Kind.EXACT and (later or earlier):
        return evidence.whole(later or earlier or "") | row.counted
    if later is None or earlier is None:
        return {"passages": []} | row.counted
    return evidence.passages(later, earlier) | row.counted


def _pictures(row: Found, pictures: dict[int, str]) -> dict[str, str]:
    """The two marked thumbnails, where the records are images that were sent to us."""
    sides = {"later": row.newcomer.record.pk, "earlier": row.earlier.record_id}
    return {f"{side}_thumbnail": pictures[pk] for side, pk in sides.items() if pk in pictures}


def publish(upload: Upload, *, at: datetime) -> None:
    """All is compared: count each overlap, open its conflict, and finish the upload."""
    version = upload.version
    with transaction.atomic():
        _add_short_copies(version, at=at)
        overlaps = list(
            Overlap.objects.filter(later=version, detector=verdict.DETECTOR)
            .select_related("earlier__dataset")
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
    """Count the distinct later records of an overlap, by their best kind and in all."""
    rows = Match.objects.filter(overlap=overlap)
    kinds = {kind: Count("later", distinct=True, filter=Q(kind=kind)) for kind in RANK}
    counts = rows.aggregate(
        **{f"{kind}_count": count for kind, count in kinds.items()},
        matching_count=Count("later", distinct=True, filter=Q(kind__in=ACCUSING)),
    )
    for name, value in counts.items():
        setattr(overlap, name, value)
    overlap.interval_low, overlap.interval_high = verdict.matching_interval(
        overlap.exact_count, overlap.matching_count - overlap.exact_count, compared
    )
    overlap.save(update_fields=[*counts, "interval_low", "interval_high"])


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
    short = _short_records(version)
    for start in range(0, short.count(), BATCH):
        batch = [Newcomer(record) for record in short.order_by("pk")[start : start + BATCH]]
        for row in _exact_copies(version, batch):
            found[row.earlier.version_id].append(row)
    for version_id, rows in found.items():
        earlier = DatasetVersion.objects.get(pk=version_id)
        distinct = len({row.newcomer.digest for row in rows})
        if verdict.short_copies_count(distinct, short.count(), _short_records(earlier).count()):
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
        made = Verdict(Kind.EXACT, 1.0, 1.0)
        copies.setdefault((place, row.version_id), Found(newcomer, row, made, {}))
    return list(copies.values())


def _short_records(version: DatasetVersion) -> Any:
    """The texts that a version added and that are too short to match alone; images are none."""
    return Record.objects.filter(
        dataset=version.dataset_id,
        added_number=version.number,
        token_count__lt=verdict.SHORT_TOKENS,
        image_print__isnull=True,
    )
