"""How fast a lab is answered: one record, and a hundred, beside a corpus of so many.

`./run bench screening [--records N] [--rounds N]`. A corpus of made-up texts is registered in a
PostgreSQL of its own; then Django's test client asks the real address with a real key, in this
process, the kernel warm. So every step of a request is in it but gunicorn and the network. Of the
records asked, a tenth are copies, a tenth are hidden in padding, the rest is new.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.figures import Figures
from tests.bench.ingest_memory import VOCABULARY

WORDS_PER_RECORD = 150
FILE_RECORDS = 5_000


class Texts:
    """Made-up texts, the same in every run."""

    def __init__(self) -> None:
        self.dice = random.Random(11)
        self.words = [
            f"{self.dice.choice('bcdfglmnprst')}{number:x}" for number in range(VOCABULARY)
        ]

    def fresh(self, count: int = WORDS_PER_RECORD) -> str:
        return " ".join(self.dice.choices(self.words, k=count))

    def asked(self, registered: list[str]) -> str:
        """A record as a lab may ask: a copy, a copy in padding, or something new."""
        kind = self.dice.random()
        if kind < 0.1:
            return self.dice.choice(registered)
        if kind < 0.2:
            return f"{self.fresh(600)} {self.dice.choice(registered)} {self.fresh(600)}"
        return self.fresh()


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench screening", description=__doc__)
    parser.add_argument("--records", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=100)
    given = parser.parse_args()
    from deploy.embedded import postgres

    with tempfile.TemporaryDirectory() as folder, postgres.temporary() as server:
        os.environ["DATABASE_URL"] = server.url("app")
        os.environ["DATABASE_OWNER_URL"] = server.url("owner")
        os.environ["TALLYMARK_DATA"] = folder
        os.environ["TALLYMARK_SCREENING_REQUESTS_PER_MINUTE"] = "1000000"
        os.environ["TALLYMARK_SCREENING_RECORDS_PER_DAY"] = "1000000000"
        os.environ["DJANGO_SETTINGS_MODULE"] = "deploy.settings"
        os.environ["TALLYMARK_LOG_LEVEL"] = "WARNING"
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", database="owner", verbosity=0)
        measure(given.records, given.rounds, Path(folder))
    return 0


def measure(records: int, rounds: int, folder: Path) -> None:
    """Register the corpus, ask, and print what it took."""
    from django.db import connections

    from ingest import hints

    hints._send = lambda task, pk: None  # no broker: this process is the worker
    figures, texts = Figures("screening"), Texts()
    registered = [texts.fresh() for _ in range(records)]
    client = prepare(registered, folder)
    ask(client, [texts.asked(registered)])  # the first request loads addresses and middleware
    corpus = f"{records} records"
    for size in (1, 100):
        took = sorted(ask(client, [texts.asked(registered) for _ in range(size)])
                      for _ in range(rounds))  # fmt: skip
        for name, at in (("p50", 0.5), ("p99", 0.99)):
            value = 1_000 * took[min(int(at * len(took)), len(took) - 1)]
            note = f"{rounds} requests by Django's test client, warm"
            figures.add(set=corpus, figure=f"request_of_{size}_{name}_ms", value=value,
                        unit="ms", note=note)  # fmt: skip
    speed = file_speed([texts.asked(registered) for _ in range(FILE_RECORDS)])
    figures.add(set=corpus, figure="file_records_per_second", value=speed, unit="records/s",
                note=f"a candidate file of {FILE_RECORDS} records, report included")  # fmt: skip
    figures.table()
    connections.close_all()


def prepare(registered: list[str], folder: Path) -> Any:
    """The corpus and a lab's client with its key. The kernel is warm afterwards."""
    from django.test import Client
    from django.utils import timezone

    from ingest import pipeline
    from ingest.gateways import warmth
    from ingest.models import Upload
    from provenance import parties, registry

    now = timezone.now()
    owner = parties.create_party(name="Owner", is_owner=True, is_lab=False, at=now)
    dataset = registry.register_dataset(owner=owner, name="corpus", title="Corpus", at=now)
    version = registry.open_version(dataset=dataset, at=now)
    path = folder / "corpus.jsonl"
    path.write_text("".join(json.dumps({"id": n, "text": t}) + "\n"
                            for n, t in enumerate(registered)))  # fmt: skip
    with path.open("rb") as file:
        upload = pipeline.begin_upload(version=version, file=file, file_name=path.name, at=now)
    while pipeline.advance(upload.pk, clock=timezone.now):
        pass
    upload.refresh_from_db()
    assert upload.state == Upload.State.SEALED, upload.error_detail
    warmth.begin()
    warmth._Kernel.ready.wait()
    lab = parties.create_party(name="Lab", is_owner=False, is_lab=True, at=now)
    _, secret = parties.issue_key(party=lab, name="k", scopes=["develop"], created_by=None, at=now)
    print(f"{len(registered)} records are registered", file=sys.stderr)
    return Client(headers={"Authorization": f"Bearer {secret}"})


def ask(client: Any, texts: list[str]) -> float:
    """Seconds that one request takes."""
    body = json.dumps({"purpose": "pretrain", "records": [{"text": text} for text in texts]})
    began = time.perf_counter()
    answer = client.post("/api/v1/screenings", body, content_type="application/json")
    took = time.perf_counter() - began
    assert answer.status_code == 200, answer.content
    return took


def file_speed(texts: list[str]) -> float:
    """Records a second of a candidate file, from its first batch to its report."""
    from io import BytesIO

    from django.utils import timezone

    from ingest.gateways import files
    from provenance.models import Party

    content = "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()
    screening = files.begin_file(
        party=Party.objects.get(name="Lab"), purpose="pretrain", file=BytesIO(content),
        file_name="rows.jsonl", at=timezone.now(),
    )  # fmt: skip
    began = time.perf_counter()
    while files.advance(screening.pk, clock=timezone.now):
        pass
    took = time.perf_counter() - began
    screening.refresh_from_db()
    assert screening.report is not None, screening.error_detail
    return len(texts) / took


if __name__ == "__main__":
    raise SystemExit(main())
