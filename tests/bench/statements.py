"""How fast statements, balances and explanations are, and how fast an auditor replays a year.

`./run bench statements [--usages N] [--busy N] [--rounds N]`. A made-up year (tests/bench/year.py)
is billed day by day in a PostgreSQL of its own, by the shipped billing function; in its busiest
month one lab uses one owner's data `--busy` times. Then a balance at a past moment, that month's
statement for either side, and explanations are asked for in this process; the year is exported and
`tallymark replay` recomputes it in a process of its own, once as it is and once with a changed
digit.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.figures import Figures
from tests.exports import rewritten, save, with_digit_changed

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench statements", description=__doc__)
    parser.add_argument("--usages", type=int, default=1_000_000)
    parser.add_argument("--busy", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=200)
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
        measure(given.usages, given.busy, given.rounds, Path(folder))
        connections.close_all()
    return 0


def measure(usages: int, busy: int, rounds: int, folder: Path) -> None:
    """Make the year, ask, replay, and print what it took."""
    from compensation import periods
    from tests.bench import year as made_up

    figures = Figures("statements")
    begun = time.perf_counter()
    year = made_up.prepare()
    made = made_up.fill(year, usages, busy)
    name = f"{made} usages, {busy} in a month"
    figures.add(set=name, figure="seeding_seconds", value=time.perf_counter() - begun, unit="s",
                note="set-based, billed day by day by the shipped function")  # fmt: skip
    while periods.add_turnovers():
        pass
    _analyze()
    _balances(figures, name, year, rounds)
    _statements(figures, name, year, max(5, rounds // 20))
    _explanations(figures, name, rounds)
    _replays(figures, name, made, folder)
    figures.table()


def _analyze() -> None:
    """What a service's autovacuum has done long before anybody asks."""
    from django.db import connections

    with connections["owner"].cursor() as cursor:
        cursor.execute("ANALYZE")


def _timed(
    figures: Figures, name: str, figure: str, note: str, asks: list[Callable[[], Any]]
) -> None:
    """Ask one after the other; the median and the slowest of a hundred, in milliseconds."""
    asks[0]()
    took = []
    for ask in asks:
        begun = time.perf_counter()
        ask()
        took.append(1_000 * (time.perf_counter() - begun))
    took.sort()
    for part, at in (("p50", 0.5), ("p99", 0.99)):
        value = took[min(int(at * len(took)), len(took) - 1)]
        figures.add(set=name, figure=f"{figure}_{part}_ms", value=value, unit="ms",
                    note=f"{note}; asked {len(took)} times")  # fmt: skip


def _balances(figures: Figures, name: str, year: Any, rounds: int) -> None:
    from compensation import journal
    from compensation.models import Account
    from tests.bench import year as made_up

    dice = random.Random(3)
    accounts = list(Account.objects.filter(party__isnull=False).order_by("pk"))
    asked = [
        (dice.choice(accounts), made_up.FIRST + dice.random() * made_up.DAYS * made_up.DAY)
        for _ in range(rounds)
    ]
    asks = [lambda one=one: journal.balance_at(*one) for one in asked]
    _timed(figures, name, "balance_at", "any account, any moment of the year", asks)


def _statements(figures: Figures, name: str, year: Any, rounds: int) -> None:
    from django.utils import timezone

    from compensation import statements
    from tests.bench import year as made_up

    period = statements.Period.month(made_up.BUSY_MONTH)
    sides = {
        "owner": (year.owners[0], statements.owner_statement),
        "lab": (year.labs[0], statements.lab_statement),
    }
    for side, (party, make) in sides.items():
        found = make(party=party, asset=year.asset, period=period, at=timezone.now())
        charges = sum(line.charge_count for line in found.movements)
        note = f"{charges} charges in {len(found.movements)} lines"

        def ask(party: Any = party, make: Any = make) -> str:
            at = timezone.now()
            return json.dumps(
                statements.as_json(make(party=party, asset=year.asset, period=period, at=at))
            )

        _timed(figures, name, f"statement_of_{side}", f"{note}, to JSON", [ask] * rounds)


def _explanations(figures: Figures, name: str, rounds: int) -> None:
    from compensation import statements
    from compensation.models import Charge
    from provenance.access import Viewer
    from tests import factories

    viewer = Viewer(party=factories.party("Operations", is_operator=True), role="admin")
    last = Charge.objects.order_by("-pk")[0].pk
    dice = random.Random(4)
    chosen = [dice.randrange(1, last) for _ in range(rounds)]
    asks = [lambda pk=pk: statements.explain(pk, viewer).as_json() for pk in chosen]  # type: ignore[union-attr]
    _timed(figures, name, "explanation", "any charge, as an operator sees it, to JSON", asks)


def _replays(figures: Figures, name: str, usages: int, folder: Path) -> None:
    from django.utils import timezone

    from compensation import exports
    from compensation.statements import Period

    begun = time.perf_counter()
    first, last = Period.month("2025-01"), Period.month("2025-12")
    scope = exports.scope_of(party=None, first=first, last=last, at=timezone.now())
    path = save(exports.export(scope), folder / "year.zip")
    figures.add(set=name, figure="export_seconds", value=time.perf_counter() - begun, unit="s",
                note=f"{path.stat().st_size / 1e6:.0f} MB zip of the whole journal")  # fmt: skip
    begun = time.perf_counter()
    answer, peak = _replayed(path)
    took = time.perf_counter() - begun
    note = json.dumps(answer["counts"])
    figures.add(set=name, figure="replay_agrees", value=answer["agrees"], note=note)
    figures.add(set=name, figure="replay_seconds", value=took, unit="s")
    figures.add(set=name, figure="replay_usages_per_second", value=usages / took, unit="usages/s")
    figures.add(set=name, figure="replay_peak_memory_mb", value=peak, unit="MB")
    found, _ = _replayed(rewritten(path, folder / "changed.zip", _changed, cunning=True))
    figures.add(set=name, figure="changed_digit_found", value=not found["agrees"],
                note=json.dumps(found["difference"]))  # fmt: skip


def _changed(name: str, data: bytes) -> bytes:
    """A digit of the amount of a charge in the middle, changed."""
    if name != "charges.jsonl":
        return data
    at = data.index(b'"amount"', len(data) // 2)
    end = data.index(b",", at)
    return data[:at] + with_digit_changed(data[at:end], 0) + data[end:]


def _replayed(path: Path) -> tuple[dict[str, Any], float]:
    """What `tallymark replay` says, and the most memory that it held, in MB."""
    program = [sys.executable, "-m", "tallymark", "replay", str(path), "--json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "client")}
    with subprocess.Popen(program, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        answer: dict[str, Any] = json.loads(process.stdout.read())
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return answer, used.ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
