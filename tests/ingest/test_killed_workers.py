"""Real processes that work on an upload are killed at any moment: nothing twice, nothing lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connections
from django.utils import timezone

from ingest.models import Body, Fingerprint, Posting, Upload
from provenance import registry
from provenance.models import Event, Match, Overlap, Record
from tests import factories
from tests.ingest.conftest import begin, drive, sealed, sentence
from tests.ingest.oracle import stored

ROOT = Path(__file__).resolve().parents[2]
RECORDS = 400
# One batch is small, so that a kill falls between, within and after batches alike.
WORKER = """
import django; django.setup()
from uuid import UUID
import sys, time
from django.utils import timezone
from ingest import pipeline, reading, screening
reading.BATCH_ROWS = screening.BATCH = 25
print("ready", flush=True)
while pipeline.advance(UUID(sys.argv[1]), clock=timezone.now):
    pass
"""


def database_url() -> str:
    held = connections["default"].settings_dict
    login = f"{held['USER']}:{quote(held['PASSWORD'], safe='')}"
    return f"postgresql://{login}@{held['HOST']}:{held['PORT']}/{held['NAME']}"


def worker(upload: Upload) -> subprocess.Popen[str]:
    named = {
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "deploy.settings",
        "TALLYMARK_DATA": str(settings.DATA_FOLDER),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}",
    }
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", WORKER, str(upload.pk)],
        cwd=ROOT,
        env={**os.environ, **named},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.faults
@pytest.mark.slow
def test_killed_workers_register_each_record_once(transactional_db, ada, ben):
    rows = [{"id": f"r{n}", "text": sentence(n)} for n in range(RECORDS)]
    first = sealed(factories.dataset(ada), rows[:200])
    upload = begin(factories.dataset(ben), rows)
    dice = random.Random(11)
    kills = 0
    for _ in range(4):
        process = worker(upload)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(dice.uniform(0.02, 0.5))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        process.stdout.close()
        # Its lease lapses; the next worker need not wait for that here.
        Upload.objects.filter(pk=upload.pk).update(
            lease=None, lease_until=None, retry_at=timezone.now() - timedelta(hours=1)
        )
    drive(upload, timezone.now)

    assert kills >= 1
    assert upload.state == Upload.State.SEALED
    assert (upload.record_count, upload.bad_count, upload.screened_count) == (RECORDS, 0, RECORDS)
    keys = list(registry.records_of(upload.version).values_list("key", flat=True))
    assert keys == [row["id"] for row in rows]
    records = Record.objects.filter(dataset=upload.version.dataset_id)
    for kept in (Fingerprint, Body):
        assert kept.objects.filter(record__in=records).count() == RECORDS
    ids = set(records.values_list("pk", flat=True))
    postings = [pair for pair in stored(Posting.Kind.BAND) if pair[1] in ids]
    assert len(postings) == len(set(postings)) == 20 * RECORDS
    overlap = Overlap.objects.get(later=upload.version, earlier=first)
    assert overlap.exact_count == Match.objects.filter(overlap=overlap).count() == 200
    for kind in ("version.sealed", "version.screened"):
        assert Event.objects.filter(kind=kind, subject_id=upload.version.pk).count() == 1
