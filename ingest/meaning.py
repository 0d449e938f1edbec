"""Embeddings of what exact and near matching left undecided, and the leads they give.

A lead is shown to people and opens nothing (DESIGN, decision 6). A budget bounds the work on a
CPU: the first so many undecided records of each version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, OuterRef

from ingest import bodies, leases, screening, verdict
from ingest.candidates import Newcomer
from ingest.fingerprint import embedding
from ingest.index import registered, vectors
from ingest.index.vectors import Chunk, Near
from ingest.models import Upload
from ingest.prints import Prints
from ingest.screening import Found
from provenance.models import DatasetVersion, Match, Overlap, Record

Clock = Callable[[], datetime]

BATCH = 64
SLICE = timedelta(seconds=10)
"""Then the next upload has its turn: where there is one worker, somebody waits for this."""
LONG_STEP = timedelta(minutes=10)
"""Loading a model, and the search through all vectors, cannot renew a lease on the way."""
BASIS = "meaning only: a lead for a person to look at, which opens and holds nothing"


def embed(upload_id: UUID, *, clock: Clock, time_limit: timedelta = SLICE) -> bool:
    """Embed for about `time_limit`; True where there is more to do. Imports torch."""
    now = clock()
    upload = leases.claim(upload_id, at=now, waiting=Upload.objects.to_embed(now))
    if upload is None:
        return False
    try:
        done = _embed(upload, clock=clock, until=now + time_limit)
    except leases.LeaseLost:
        return False
    except Exception:
        leases.put_off(upload, at=clock())
        raise
    leases.release(upload, at=clock())
    return not done


def _embed(upload: Upload, *, clock: Clock, until: datetime) -> bool:
    """True once everything is embedded and the leads are written."""
    if not upload.embedded_count and not _undecided(upload, 1):
        leases.hold(upload, at=clock(), embedded_at=clock())
        return True
    leases.hold(upload, at=clock(), lasting=LONG_STEP)
    model = embedding.load(settings.EMBEDDING_MODEL or embedding.DEFAULT_MODEL)
    while records := _undecided(upload, BATCH):
        _store(upload, records, model, at=clock())
        if clock() >= until:
            return False
    leases.hold(upload, at=clock(), lasting=LONG_STEP)
    _find_leads(upload, model.name.weights_sha256, at=clock())
    vectors.keep_index(model.name.weights_sha256)
    return True


def _undecided(upload: Upload, most: int) -> list[Record]:
    """The next records that have a text here and no match, as far as the budget goes."""
    most = min(most, settings.EMBEDDING_BUDGET - upload.embedded_count)
    if most <= 0:
        return []
    version = upload.version
    matched = Match.objects.filter(later=OuterRef("pk")).exclude(kind=verdict.Kind.SEMANTIC)
    return list(
        Record.objects.filter(
            ~Exists(matched),
            dataset=version.dataset_id,
            added_number=version.number,
            pk__gt=upload.embedded_to,
            body__media_type=bodies.TEXT,
        ).order_by("pk")[:most]
    )


def _store(
    upload: Upload, records: Sequence[Record], model: embedding.Embedder, *, at: datetime
) -> None:
    texts = bodies.texts_of(record.pk for record in records)
    made = model.embed([texts.get(record.pk, "") for record in records])
    with transaction.atomic():
        vectors.insert([record.pk for record in records], made, model.name)
        leases.hold(
            upload,
            at=at,
            lasting=LONG_STEP,
            attempt_count=0,
            embedded_to=records[-1].pk,
            embedded_count=upload.embedded_count + len(records),
        )


def _find_leads(upload: Upload, weights_digest: str, *, at: datetime) -> None:
    """Match the version's vectors with earlier ones; write what is close, and finish."""
    version = upload.version
    chunks, own = vectors.of_version(version, weights_digest)
    near = vectors.nearest(
        own,
        weights_digest=weights_digest,
        least=verdict.SEMANTIC_COSINE,
        apart_from=[chunk.id for chunk in chunks],
    )
    found = _leads(version, chunks, near)
    with transaction.atomic():
        screening.keep(version, screening.best(found), at=at)
        _count_leads(version)
        leases.hold(upload, at=at, embedded_at=at)


def _leads(version: DatasetVersion, chunks: Sequence[Chunk], near: Sequence[Near]) -> list[Found]:
    """The earlier records that mean nearly the same, each by its best pair of chunks."""
    known = registered.earlier(version, sorted({one.chunk.record_id for one in near}))
    pairs: dict[tuple[int, int], Near] = {}
    for one in sorted(near, key=lambda one: -one.cosine):
        if one.chunk.record_id in known:
            pairs.setdefault((chunks[one.place].record_id, one.chunk.record_id), one)
    records = Record.objects.in_bulk({later for later, _ in pairs})
    meant = {
        pk: Newcomer(r, Prints(bytes(r.digest), r.token_count, {})) for pk, r in records.items()
    }
    found = []
    for (later, earlier), one in pairs.items():
        made = verdict.judge_meaning(one.cosine)
        if made is not None:
            made = replace(made, counted=made.counted | _places(chunks[one.place], one.chunk))
            found.append(Found(meant[later], known[earlier], made))
    return found


def _places(later: Chunk, earlier: Chunk) -> dict[str, Any]:
    """What a person needs to look: which chunks, and the characters of the texts they span."""
    return {
        "basis": BASIS,
        "later_chunk": later.number,
        "later_characters": [later.start, later.end],
        "earlier_chunk": earlier.number,
        "earlier_characters": [earlier.start, earlier.end],
    }


def _count_leads(version: DatasetVersion) -> None:
    semantic = Match.objects.filter(overlap__later=version, kind=verdict.Kind.SEMANTIC)
    counts = semantic.values("overlap").annotate(count=Count("later", distinct=True))
    for row in counts:
        Overlap.objects.filter(pk=row["overlap"]).update(semantic_count=row["count"])
