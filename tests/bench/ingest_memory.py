"""How much memory and time ingest takes for a large file: one JSON line.

`./run bench ingest_memory [MEGABYTES]` (default 300). Writes a JSONL file of made-up texts that
share some passages, and takes it through begin, read, seal and screen in this process, against a
PostgreSQL of its own. `peak_mb` is of this process, imports included; `base_mb` before the file.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

WORDS_PER_RECORD = 250
VOCABULARY = 60_000


def write(path: Path, megabytes: int) -> int:
    """A file of about that size; how many records."""
    dice, count = random.Random(5), 0
    words = [f"{dice.choice('bcdfglmnprst')}{number:x}" for number in range(VOCABULARY)]
    with path.open("w") as file:
        while file.tell() < megabytes * 2**20:
            text = " ".join(dice.choices(words, k=WORDS_PER_RECORD))
            file.write(json.dumps({"id": f"r{count}", "text": text}) + "\n")
            count += 1
    return count


def peak_megabytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> int:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    from deploy.embedded import postgres

    with tempfile.TemporaryDirectory() as folder, postgres.temporary() as server:
        os.environ["DATABASE_URL"] = server.url("app")
        os.environ["DATABASE_OWNER_URL"] = server.url("owner")
        os.environ["TALLYMARK_DATA"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "deploy.settings"
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", database="owner", verbosity=0)
        path = Path(folder) / "large.jsonl"
        count = write(path, megabytes)
        print(json.dumps(ingest(path) | {"file_records": count}))
    return 0


def ingest(path: Path) -> dict[str, object]:
    """Take the file through, and say what it cost."""
    from django.db import connections
    from django.utils import timezone

    from ingest import hints, pipeline
    from ingest.fingerprint import minhash
    from ingest.models import Upload
    from provenance import parties, registry

    hints._send = lambda task, upload_id: None  # no broker: this process is the worker
    minhash.signatures(["compile the kernel before anything is measured"])
    now = timezone.now()
    owner = parties.create_party(name="Owner", is_owner=True, is_lab=False, at=now)
    dataset = registry.register_dataset(owner=owner, name="large", title="Large", at=now)
    version = registry.open_version(dataset=dataset, at=now)
    base, began, stages = peak_megabytes(), time.monotonic(), {}
    with path.open("rb") as file:
        upload = pipeline.begin_upload(version=version, file=file, file_name=path.name, at=now)
    stages["received"] = round(time.monotonic() - began, 1)
    while pipeline.advance(upload.pk, clock=timezone.now):
        upload.refresh_from_db()
        stages[upload.state] = round(time.monotonic() - began, 1)
    upload.refresh_from_db()
    assert upload.state == Upload.State.SEALED, upload.error_detail
    connections.close_all()
    seconds = time.monotonic() - began
    return {
        "figure": "ingest_memory",
        "file_mb": path.stat().st_size // 2**20,
        "records": upload.record_count,
        "seconds": round(seconds, 1),
        "records_per_second": round(upload.record_count / seconds),
        "reached_after_seconds": stages,
        "base_mb": base,
        "peak_mb": peak_megabytes(),
    }


if __name__ == "__main__":
    raise SystemExit(main())
