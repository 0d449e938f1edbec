"""What charging a usage costs, by the shipped function, beside its limit and its peers.

`./run bench billing [--rounds N] [--sizes 1000,5000,20000,50000] [--before USAGES]
[--growth USAGES] [--owners N] [--plot FILE]`. A batch is staged by COPY and billed: priced,
deduplicated, netted, split, posted and hashed, with its weights looked after and its event written,
in one durable transaction. Some data is in dispute and some priced by tiers. Beside it, in turns:
COPY of the same rows into one table with a primary key (the limit; keys by chance, as the design
measured it, and in the order of time, as ours are), a transaction for each usage, and django-hordak
from PyPI. Before that, `--before` usages are billed, and as many copied as were billed in all: a
key's tree costs what has grown in it. `--growth` bills until so many usages are charged, among
`--owners` owners.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.figures import Figures

COUNT_OF = {"one": 300, "hordak": 60}
AT_ONCE = 50_000
# Batches of the greatest size that are billed before anything is measured.
WARM = 2
# A batch alone wanders by more than hashing costs: so many pairs for each round.
PAIRS = 4


def main() -> int:
    """Measure and print."""
    given = _arguments()
    sys.path.insert(0, "client")
    from deploy.embedded import postgres

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        with postgres.start(Path(folder) / "pg") as server:
            _migrate(server, folder)
            figures = Figures("billing")
            if given.growth:
                from tests.bench import billing_growth

                billing_growth.measure(figures, server, given.growth, given.owners, given.plot)
            else:
                measure(figures, server, Path(folder), given)
            figures.table()
    return 0


def measure(figures: Figures, server: Any, folder: Path, given: argparse.Namespace) -> None:
    """Rounds of each size in turns with the peers; medians."""
    from tests.bench.billing_world import World

    world = World(given.owners)
    peers = _Peers(server, folder)
    warm(world, given.sizes)
    _make_old(world, peers, given.before, WARM * max(given.sizes))
    for size in given.sizes:
        _batches(figures, world, peers, size, given.rounds)
    _hash_cost(figures, server, world, max(given.sizes), given.rounds)
    peers.close()


def warm(world: Any, sizes: list[int], *, among: int = 5_000) -> None:
    """Open the weights of every dataset that is used, and let the database know its tables."""
    from django.db import connections

    for _ in range(WARM):
        bill(world, max(sizes), among=among)
    with connections["owner"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _make_old(world: Any, peers: _Peers, usages: int, billed: int) -> None:
    """Bill so many usages, and copy as many as were billed in all into the tables of the limit."""
    from tests.bench.billing_world import chance_ids

    for size in _parts(usages):
        bill(world, size)
    for size in _parts(usages + billed):
        peers.by_chance.bill(world.staged(size, keys=chance_ids(size))[1])
        peers.in_order.bill(world.staged(size)[1])


def _parts(count: int) -> list[int]:
    """`count` in batches."""
    return [min(AT_ONCE, count - done) for done in range(0, count, AT_ONCE)]


def bill(world: Any, size: int, *, among: int = 5_000) -> tuple[float, int]:
    """Stage and bill one batch of new usages: seconds, and bytes of WAL."""
    from django.db import connection, transaction

    from compensation import billing
    from tests.bench import billing_world

    batch, data = world.staged(size, among=among)
    before, began = _wal(), time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        billing_world.copy(cursor, f"compensation_stage ({billing_world.COLUMNS})", data)
        entries = billing.bill_stage(batch, at=billing_world.AT)
    spent = time.perf_counter() - began
    assert sum(entry.charge_count for entry in entries) == size, "everything is charged"
    return spent, _wal() - before


class _Peers:
    """The limit and the rivals, on the same server."""

    def __init__(self, server: Any, folder: Path) -> None:
        from tests.bench.billing_peers import Copied, Hordak, OneAtATime

        self.by_chance = Copied(_database(server, "bench_by_chance"))
        self.in_order = Copied(_database(server, "bench_in_order"))
        self.one = OneAtATime(_database(server, "bench_one"))
        _database(server, "bench_hordak")
        self.hordak = Hordak(_address(server, "bench_hordak"), folder / "hordak")

    def measure(self, world: Any, size: int) -> dict[str, float]:
        """Seconds a usage, of each peer."""
        from tests.bench.billing_world import chance_ids

        by_chance = world.staged(size, keys=chance_ids(size))[1]
        return {
            "copy": self.by_chance.bill(by_chance) / size,
            "copy_in_order": self.in_order.bill(world.staged(size)[1]) / size,
            "one": self.one.bill(COUNT_OF["one"]),
            "call": self.one.call(COUNT_OF["one"]),
            "hordak": self.hordak.bill(COUNT_OF["hordak"], asks=True),
            "hordak_blind": self.hordak.bill(COUNT_OF["hordak"], asks=False),
        }

    def close(self) -> None:
        self.by_chance.connection.close()
        self.in_order.connection.close()
        self.one.connection.close()
        self.hordak.close()


def _batches(figures: Figures, world: Any, peers: _Peers, size: int, rounds: int) -> None:
    ours, wal, theirs = [], [], []
    for _ in range(rounds):
        spent, written = bill(world, size)
        ours.append(spent / size)
        wal.append(written / size)
        theirs.append(peers.measure(world, size))
    middle, name = statistics.median(ours), f"{size // 1000}k"
    add = lambda figure, value, unit="", peer=None: figures.add(  # noqa: E731
        set=name, figure=figure, value=value, unit=unit, peer=peer
    )
    add("usages_per_second", 1 / middle, "1/s")
    for key, figure, peer in (
        ("copy", f"netted_{name}_x_copy", "COPY + primary key"),
        ("copy_in_order", f"netted_{name}_x_copy_in_order", "the same, keys in order"),
        ("one", "netted_x_one_at_a_time", "a transaction each"),
        ("call", "netted_x_one_call_at_a_time", "a function call each"),
        ("hordak", "netted_x_hordak", "django-hordak, money asked for"),
        ("hordak_blind", "netted_x_hordak_blind", "django-hordak, nothing asked"),
    ):
        add(figure, _ratio(ours, [one[key] for one in theirs]), "x", peer)
    add(f"wal_bytes_per_usage_{name}", statistics.median(wal), "B")


def _hash_cost(figures: Figures, server: Any, world: Any, size: int, rounds: int) -> None:
    """How much longer a batch takes because its charges are hashed; of neighbours in time."""
    plain, hashed = [], []
    for _ in range(PAIRS * rounds):
        hashed.append(bill(world, size)[0])
        with _unhashed(server):
            plain.append(bill(world, size)[0])
    cost = _ratio(plain, hashed) - 1
    figures.add(set=f"{size // 1000}k", figure="hash_chain_cost", value=cost, note="of the rest")


@contextmanager
def _unhashed(server: Any) -> Any:
    """While it lasts, charges have empty digests."""
    import psycopg

    with psycopg.connect(server.dsn("owner"), autocommit=True) as owner:
        shipped = {
            name: owner.execute(
                "SELECT pg_get_functiondef(%s::regproc)", [f"compensation_{name}"]
            ).fetchone()[0]
            for name in ("charge_bytes", "charges_digest")
        }
        owner.execute(_emptied(shipped["charge_bytes"], "SELECT ''::bytea"))
        owner.execute(_emptied(shipped["charges_digest"], "BEGIN RETURN sha256(''::bytea); END"))
        try:
            yield
        finally:
            for definition in shipped.values():
                owner.execute(definition)


def _emptied(definition: str, body: str) -> str:
    """A function's definition with another body."""
    return f"{definition.partition('$function$')[0]}$function${body}$function$"


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """How many times faster we are, of each round; the median."""
    return statistics.median(their / our for our, their in zip(ours, theirs, strict=True))


def _wal() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        return int(cursor.fetchone()[0])


def _database(server: Any, name: str) -> str:
    """A database of its own for a peer: its DSN."""
    import psycopg

    with psycopg.connect(server.dsn("superuser", "postgres"), autocommit=True) as root:
        root.execute(f"CREATE DATABASE {name} OWNER tallymark_owner")
    return str(psycopg.conninfo.make_conninfo(server.dsn("owner"), dbname=name))


def _address(server: Any, name: str) -> dict[str, Any]:
    """The same, as Django's settings have it."""
    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(server.dsn("owner"))
    return {
        "NAME": name, "USER": parts["user"], "PASSWORD": parts["password"],
        "HOST": parts["host"], "PORT": str(parts["port"]),
    }  # fmt: skip


def _migrate(server: Any, folder: str) -> None:
    os.environ |= {
        "DATABASE_URL": server.url("app"),
        "DATABASE_OWNER_URL": server.url("owner"),
        "TALLYMARK_DATA": folder,
        "DJANGO_SETTINGS_MODULE": "deploy.settings",
    }
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", database="owner", verbosity=0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure billing.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=_sizes, default=[1_000, 5_000, 20_000, 50_000])
    parser.add_argument("--owners", type=int, default=5_000)
    parser.add_argument("--before", type=int, default=1_000_000, help="usages there already")
    parser.add_argument("--growth", type=int, default=0, help="bill up to so many usages")
    parser.add_argument("--plot", type=Path, help="write the growth as SVG")
    return parser.parse_args()


def _sizes(text: str) -> list[int]:
    return [int(one) for one in text.split(",")]


if __name__ == "__main__":
    raise SystemExit(main())
