"""What registering costs, end to end, and how the cost grows with what is registered already.

`./run bench registering [--records N] [--corpus N] [--embedding BUDGET] [--plot FILE] [--profile]`.
The shipped steps run in this process beside a PostgreSQL of its own, without a broker: receive,
read, seal, screen, then tend the index, then embed as far as the budget goes (by default not at
all). Records are made-up texts of about 1 KB, of which some are copies of earlier ones, as they
are or reworded. The corpus is registered first, in versions of as many records as are measured
then; each is a point of the plot. `--profile` says where the time of the measured part goes.
"""

from __future__ import annotations

import argparse
import cProfile
import itertools
import json
import os
import pstats
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from tests.bench import lines
from tests.bench.figures import Figures
from tests.bench.ingest_memory import VOCABULARY, peak_megabytes

WORDS_PER_RECORD = 155
COPIED, REWORDED = 0.03, 0.03
CHANGED_WORDS = 0.05
PROFILED = 35


class Registered(NamedTuple):
    """What one version cost."""

    before: int
    """Records that were registered before it."""
    records: int
    stages: dict[str, float]
    """Seconds of each stage."""

    @property
    def seconds(self) -> float:
        """From the first byte to the published screening."""
        return sum(self.stages[name] for name in ("receive", "read", "seal", "screen"))


class Texts:
    """Made-up texts by number, so that a copy of any earlier one can be made again.

    Words are as frequent as in a language (Zipf), so that common ones meet.
    """

    def __init__(self) -> None:
        dice = random.Random(5)
        self.words = [f"{dice.choice('bcdfglmnprst')}{number:x}" for number in range(VOCABULARY)]
        self.sums = list(itertools.accumulate(1 / (rank + 10) for rank in range(VOCABULARY)))

    def record(self, number: int) -> str:
        """The text of a record: new, or made from an earlier one."""
        dice = random.Random(number)
        chance = dice.random()
        if not number or chance >= COPIED + REWORDED:
            return " ".join(self._drawn(dice, WORDS_PER_RECORD))
        source = self.record(dice.randrange(number))
        if chance < COPIED:
            return source
        others = iter(self._drawn(dice, WORDS_PER_RECORD))
        return " ".join(
            next(others) if dice.random() < CHANGED_WORDS else word for word in source.split()
        )

    def _drawn(self, dice: random.Random, count: int) -> list[str]:
        return dice.choices(self.words, cum_weights=self.sums, k=count)

    def write(self, path: Path, first: int, count: int) -> None:
        """A JSONL file of records from number `first` on."""
        with path.open("w") as file:
            for number in range(first, first + count):
                file.write(json.dumps({"id": f"r{number}", "text": self.record(number)}) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench registering")
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--corpus", type=int, default=0)
    parser.add_argument("--embedding", type=int, default=0, metavar="BUDGET")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    from deploy.embedded import postgres

    with tempfile.TemporaryDirectory() as folder, postgres.temporary() as server:
        os.environ |= {
            "DATABASE_URL": server.url("app"),
            "DATABASE_OWNER_URL": server.url("owner"),
            "TALLYMARK_DATA": folder,
            "TALLYMARK_EMBEDDING_BUDGET": str(given.embedding),
            "DJANGO_SETTINGS_MODULE": "deploy.settings",
        }
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", database="owner", verbosity=0)
        points = measure(given, Path(folder))
        if given.plot:
            plot(points, given.plot)
    return 0


def measure(given: argparse.Namespace, folder: Path) -> list[Registered]:
    """Register the corpus, then the version that counts; print what that cost."""
    from django.db import connections

    from ingest import hints
    from ingest.fingerprint import minhash

    hints._send = lambda task, upload_id: None  # no broker: this process is the worker
    minhash.signatures(["compile the kernel before anything is measured"])
    figures, texts, points = Figures("registering"), Texts(), list[Registered]()
    for before in range(0, given.corpus, given.records):
        count = min(given.records, given.corpus - before)
        points.append(register(texts, before, count, folder, budget=0))
        print(f"{before + count} registered, {points[-1].seconds:.0f} s", file=sys.stderr)
    base = peak_megabytes()
    profile = cProfile.Profile() if given.profile else None
    made = register(
        texts, given.corpus, given.records, folder, budget=given.embedding, profile=profile
    )
    if profile:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(PROFILED)
    report(figures, made, base)
    connections.close_all()
    return [*points, made]


def register(
    texts: Texts,
    first: int,
    count: int,
    folder: Path,
    *,
    budget: int,
    profile: cProfile.Profile | None = None,
) -> Registered:
    """One version of `count` records through every stage."""
    from django.utils import timezone

    from ingest import meaning, pipeline
    from ingest.index import merging
    from ingest.models import Upload
    from provenance import parties, registry

    path = folder / "records.jsonl"
    texts.write(path, first, count)
    now = timezone.now()
    owner = parties.create_party(name=f"Owner {first}", is_owner=True, is_lab=False, at=now)
    dataset = registry.register_dataset(owner=owner, name=f"d{first}", title="Records", at=now)
    version = registry.open_version(dataset=dataset, at=now)
    stages = dict.fromkeys(("receive", "read", "seal", "screen", "tend", "embed"), 0.0)
    with path.open("rb") as file:
        upload = timed(stages, "receive", lambda: pipeline.begin_upload(
            version=version, file=file, file_name=path.name, at=now))  # fmt: skip
    with profile or nullcontext(), watched(stages):
        while pipeline.advance(upload.pk, clock=timezone.now):
            pass
    upload.refresh_from_db()
    assert upload.state == Upload.State.SEALED, upload.error_detail
    timed(stages, "tend", merging.tend)
    while budget and timed(stages, "embed", lambda: meaning.embed(upload.pk, clock=timezone.now)):
        pass
    path.unlink()
    return Registered(first, upload.record_count, stages)


@contextmanager
def watched(stages: dict[str, float]) -> Iterator[None]:
    """While it lasts, the pipeline's stages are timed as it calls them."""
    from ingest import reading, screening

    with ExitStack() as stack:
        for module, name in ((reading, "read"), (reading, "seal"), (screening, "screen")):
            shipped = getattr(module, name)

            def act(*given: Any, name: str = name, shipped: Any = shipped, **more: Any) -> Any:
                return timed(stages, name, lambda: shipped(*given, **more))

            stack.enter_context(mock.patch.object(module, name, act))
        yield


def timed(stages: dict[str, float], name: str, act: Callable[[], Any]) -> Any:
    """What `act` returns; its seconds are added to a stage."""
    began = time.monotonic()
    result = act()
    stages[name] += time.monotonic() - began
    return result


def report(figures: Figures, made: Registered, base: int) -> None:
    """The figures of the version that counts."""
    from django.db import connection

    from ingest.models import Embedding
    from provenance.models import Match

    corpus = f"{made.records:,} on {made.before:,}"
    figures.add(set=corpus, figure="seconds", value=made.seconds, unit="s")
    figures.add(set=corpus, figure="records_per_second", value=made.records / made.seconds)
    for name, seconds in made.stages.items():
        figures.add(set=corpus, figure=f"{name}_seconds", value=seconds, unit="s")
    figures.add(set=corpus, figure="peak_mb", value=peak_megabytes(), unit="MB",
                note=f"of this process; {base} MB before")  # fmt: skip
    figures.add(set=corpus, figure="matches", value=Match.objects.count(), note="of all versions")
    figures.add(set=corpus, figure="embedded_chunks", value=Embedding.objects.count())
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        size = cursor.fetchone()[0]
    whole = made.before + made.records
    figures.add(set=corpus, figure="database_bytes_per_record", value=size / whole, unit="B")
    figures.table()


def plot(points: list[Registered], path: Path) -> None:
    """Milliseconds a record by what was registered before, as an SVG picture."""
    lines.draw(
        path,
        {
            f"{name}: ms a record": [
                (one.before / 1000, one.stages[name] / one.records * 1000) for one in points
            ]
            for name in ("read", "screen")
        },
        "thousands of records registered before",
    )


if __name__ == "__main__":
    raise SystemExit(main())
