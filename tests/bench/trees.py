"""How long the trees of a million events and a million owners take, and how fast proofs come.

    ./run bench trees [--leaves N] [--proofs N]

Events and owners are made by SQL in a PostgreSQL of its own. Then the shipped code makes the next
batch (`anchor.anchor_next`: read, build, store, enqueue), publishes and stores a payout tree, and
serves proofs from what is stored. This process is bound to one core; the kernel is compiled before.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import tempfile
import time
from collections.abc import Callable
from typing import Any

from tests.bench.figures import Figures

MEBIBYTE = 2**20
CONTRACT = "0x" + "5a" * 20

EVENTS = """
INSERT INTO provenance_event (kind, subject_kind, subject_id, body, occurred_at, recorded_at,
                              sequence, previous_hash, hash)
SELECT 'bench.happened', 'bench', gen_random_uuid(), '{{}}', now(), now(), i,
       sha256(convert_to((i - 1)::text, 'UTF8')), sha256(convert_to(i::text, 'UTF8'))
  FROM generate_series(1, {count}) AS i
"""
# A leaf in its packed form, as the published file has it; the pseudonyms rise.
OWNERS = """
SELECT string_agg(payee || substring(payee FROM 1 FOR 20)
                  || decode(lpad(to_hex(amount), 32, '0'), 'hex'), ''::bytea ORDER BY payee)
  FROM (SELECT sha256(convert_to(i::text, 'UTF8')) AS payee, i AS amount
          FROM generate_series(1, {count}) AS i) AS made
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench trees")
    parser.add_argument("--leaves", type=int, default=1_000_000)
    parser.add_argument("--proofs", type=int, default=2_000)
    given = parser.parse_args()
    from deploy.embedded import postgres

    with tempfile.TemporaryDirectory() as folder, postgres.temporary() as server:
        os.environ["DATABASE_URL"] = server.url("app")
        os.environ["DATABASE_OWNER_URL"] = server.url("owner")
        os.environ["TALLYMARK_DATA"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "deploy.settings"
        os.environ["TALLYMARK_LOG_LEVEL"] = "WARNING"
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connections

        call_command("migrate", database="owner", verbosity=0)
        measure(given.leaves, given.proofs)
        connections.close_all()
    return 0


def measure(leaves: int, proofs: int) -> None:
    """Build, store and serve both trees, and print what it took."""
    from django.db import connections

    figures = Figures("trees")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    _compile()
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE provenance_event DISABLE TRIGGER USER")
        cursor.execute(EVENTS.format(count=leaves))
        cursor.execute("ANALYZE provenance_event")
    _batch(figures, leaves, proofs)
    _payouts(figures, leaves, proofs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEBIBYTE
    figures.add(set="both", figure="peak_memory_mib", value=peak, unit="MiB",
                note="of this process, Django and numba included")  # fmt: skip
    figures.table()


def _compile() -> None:
    from provenance import merkle

    merkle.Tree([bytes([at // 256, at % 256]) * 16 for at in range(merkle.MANY)])


def _batch(figures: Figures, leaves: int, proofs: int) -> None:
    from django.utils import timezone

    from provenance import anchor
    from provenance.models import ChainContract, Event

    ChainContract.objects.create(
        chain_id=31337, kind=ChainContract.Kind.LINEAGE_ANCHOR, address=CONTRACT,
        tx_hash="0x" + "00" * 32, block_number=1, deployed_at=timezone.now(),
    )  # fmt: skip
    name = f"{leaves:,} events"
    wall, cpu = _spent(lambda: anchor.anchor_next(at=timezone.now()))
    for figure, value in (("anchor_1m_tree_seconds", wall), ("anchor_1m_tree_cpu_seconds", cpu)):
        figures.add(set=name, figure=figure, value=value, unit="s",
                    note="anchor_next: read, build, store, enqueue")  # fmt: skip
    dice = random.Random(1)
    events = [Event.objects.get(sequence=dice.randint(1, leaves)) for _ in range(proofs)]
    _serve(figures, name, [lambda one=one: anchor.proof_for(one) for one in events])


def _payouts(figures: Figures, leaves: int, proofs: int) -> None:
    from django.db import connection

    from compensation import publication
    from provenance import trees

    name = f"{leaves:,} owners"
    with connection.cursor() as cursor:
        cursor.execute(OWNERS.format(count=leaves))
        body = bytes(cursor.fetchone()[0])
    made: list[Any] = []
    wall, _ = _spent(lambda: made.append(publication.tree_of(body)))
    figures.add(set=name, figure="build_seconds", value=wall, unit="s")
    figures.add(set=name, figure="file_mib", value=len(body) / MEBIBYTE, unit="MiB")
    wall, _ = _spent(lambda: made.append(trees.store(made[0])))
    figures.add(set=name, figure="store_seconds", value=wall, unit="s")
    dice, kept = random.Random(2), made[1]
    places = [dice.randrange(leaves) for _ in range(proofs)]
    _serve(figures, name, [lambda one=one: trees.proof(kept, one) for one in places])
    pushes = [range(start, start + 250) for start in range(0, min(leaves, 25_000), 250)]
    _serve(figures, f"{name}, 250 at once", [lambda one=one: trees.multiproof(kept, one)
                                            for one in pushes])  # fmt: skip


def _spent(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds by the clock, and of this process's CPU."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - cpu


def _serve(figures: Figures, name: str, asks: list[Callable[[], Any]]) -> None:
    """Ask one after the other; the median and the slowest of a hundred, in milliseconds."""
    asks[0]()
    took = sorted(1_000 * _spent(ask)[0] for ask in asks)
    for part in (50, 99):
        value = took[min(part * len(took) // 100, len(took) - 1)]
        figures.add(set=name, figure=f"proof_p{part}_ms", value=value, unit="ms",
                    note=f"from stored nodes; asked {len(took)} times")  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
