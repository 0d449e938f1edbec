"""Real processes that screen a candidate file are killed: no row twice, none left out."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta
from io import BytesIO

import pytest
from django.conf import settings
from django.utils import timezone

from ingest import storage
from ingest.gateways import files
from ingest.models import Screening, ScreeningDay
from provenance.models import Event, Party
from tests import factories
from tests.ingest.conftest import jsonl, sealed, sentence
from tests.ingest.test_killed_workers import ROOT, database_url

RECORDS = 400
WORKER = """
import django; django.setup()
from uuid import UUID
import sys
from django.utils import timezone
from ingest import reading
from ingest.gateways import files
reading.BATCH_ROWS = 10
print("ready", flush=True)
while files.advance(UUID(sys.argv[1]), clock=timezone.now):
    pass
"""


def worker(screening: Screening) -> subprocess.Popen[str]:
    named = {
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "deploy.settings",
        "TALLYMARK_DATA": str(settings.DATA_FOLDER),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}",
    }
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", WORKER, str(screening.pk)],
        cwd=ROOT,
        env={**os.environ, **named},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.faults
@pytest.mark.slow
def test_killed_workers_compare_each_row_once(
    transactional_db: None, ada: Party, lab: Party
) -> None:
    rows = [{"id": f"r{n}", "text": sentence(n)} for n in range(RECORDS)]
    sealed(factories.dataset(ada), rows[::2])
    screening = files.begin_file(
        party=lab, purpose="pretrain", file=BytesIO(jsonl(rows)), file_name="rows.jsonl",
        at=timezone.now(),
    )  # fmt: skip
    dice, kills = random.Random(7), 0
    for _ in range(2):
        process = worker(screening)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(dice.uniform(0.1, 1.0))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        process.stdout.close()
        # Its lease lapses; the next worker need not wait for that here.
        Screening.objects.filter(pk=screening.pk).update(
            lease=None, lease_until=None, retry_at=timezone.now() - timedelta(hours=1)
        )
    while files.advance(screening.pk, clock=timezone.now):
        pass
    screening.refresh_from_db()
    assert kills >= 1
    assert screening.state == Screening.State.DONE
    assert screening.record_count == RECORDS
    found = list(screening.matches.order_by("row").values_list("row", flat=True))
    assert found == list(range(1, RECORDS + 1, 2))
    assert ScreeningDay.objects.get(party=lab).file_record_count == RECORDS
    assert Event.objects.filter(kind="screening.reported").count() == 1
    files.sweep(at=timezone.now())
    assert not storage.folder_of(screening.pk, storage.SCREENINGS).exists()
