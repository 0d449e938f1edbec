"""Embeddings of what exact and near matching left undecided, and the leads they give.

A lead is shown to people and opens nothing (DESIGN, decision 6). A budget bounds the work on a
CPU: the first so many undecided records of each version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, OuterRef
from numpy.typing import NDArray

from ingest import bodies, leases, screening, verdict
from ingest.candidates import Newcomer
from ingest.fingerprint import embedding
from ingest.index import registered, vectors
from ingest.models import Upload
from ingest.screening import Found
from provenance.models import DatasetVersion, Match, Overlap, Record

Clock = Callable[[], datetime]

BATCH = 64
SLICE = timedelta(seconds=60)
LONG_STEP = timedelta(minutes=10)
"""Loading a model, and the search through all vectors, cannot renew a lease on the way."""


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
    return True


def _undecided(upload: Upload, most: int) -> list[Record]:
    """The next records that have a text here and no match, as far as the budget goes."""
    most = min(most, settings.EMBEDDING_BUDGET - upload.embedded_count)
    if most <= 0:
        return []
    version = upload.version
    matched = Match.objects.filter(later=OuterRef("pk"), kind__in=screening.ACCUSING)
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
        vectors.insert(
            [record.pk for record in records],
            made,
            model=model.name.model,
            weights_digest=model.name.weights_sha256,
        )
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
    ids, own = vectors.of_version(version, weights_digest)
    found = _leads(version, ids, own, weights_digest) if ids else []
    with transaction.atomic():
        screening.keep(version, screening.best(found), at=at)
        _count_leads(version)
        leases.hold(upload, at=at, embedded_at=at)


def _leads(
    version: DatasetVersion, ids: Sequence[int], own: NDArray[np.float16], weights_digest: str
) -> list[Found]:
    """The earlier records that mean nearly the same."""
    hits = vectors.nearest(own, weights_digest=weights_digest, least=verdict.SEMANTIC_COSINE)
    known = registered.earlier(version, sorted({pk for _, pk, _ in hits}))
    records = Record.objects.in_bulk([ids[place] for place, _, _ in hits])
    found = []
    for place, pk, cosine in hits:
        made = verdict.judge_meaning(cosine)
        if made is not None and pk in known:
            counted = {"cosine": round(cosine, 4)}
            found.append(Found(Newcomer(records[ids[place]]), known[pk], made, counted))
    return found


def _count_leads(version: DatasetVersion) -> None:
    semantic = Match.objects.filter(overlap__later=version, kind=verdict.Kind.SEMANTIC)
    counts = semantic.values("overlap").annotate(count=Count("later", distinct=True))
    for row in counts:
        Overlap.objects.filter(pk=row["overlap"]).update(semantic_count=row["count"])
