"""What billing is measured against: COPY into one table, a usage at a time, and django-hordak.

Each peer gets the same usages. None of the first two knows prices, splits of more than a line, or
proofs; they are limits, not rivals. A usage at a time is tried as one begins, by statements from
the client, and in one call of a function; django-hordak with and without asking whether the lab's
money reaches, which billing always asks.
"""

from __future__ import annotations

import json
import subprocess
import time
import uuid
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from tests.bench import billing_world

HORDAK_RELEASE = "django-hordak==2.0.0"

# One usage, one transaction, balances locked.
ONE_AT_A_TIME = """
CREATE TABLE bench_account (id int PRIMARY KEY,
  posted bigint NOT NULL CHECK (id > 8 OR posted >= 0));
CREATE TABLE bench_entry (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  usage uuid UNIQUE, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE bench_line (entry bigint NOT NULL REFERENCES bench_entry,
  account int NOT NULL REFERENCES bench_account, amount bigint NOT NULL,
  PRIMARY KEY (entry, account));
INSERT INTO bench_account SELECT n, CASE WHEN n <= 8 THEN 4e18::bigint ELSE 0 END
  FROM generate_series(1, 5100) AS n;
CREATE FUNCTION bench_bill(lab int, usage uuid, owner int, amount bigint) RETURNS void
  LANGUAGE plpgsql AS $$
DECLARE made bigint; fee bigint := amount * 3 / 100;
BEGIN
  PERFORM 1 FROM bench_account WHERE id IN (lab, owner, 9) ORDER BY id FOR UPDATE;
  INSERT INTO bench_entry (usage) VALUES (usage) RETURNING id INTO made;
  INSERT INTO bench_line VALUES (made, lab, -amount), (made, owner, amount - fee), (made, 9, fee);
  UPDATE bench_account a SET posted = a.posted + l.amount FROM bench_line l
   WHERE l.entry = made AND a.id = l.account;
END $$;
"""


class Copied:
    """COPY into one logged table whose primary key is the lab and the usage."""

    def __init__(self, dsn: str) -> None:
        self.connection = psycopg.connect(dsn)
        columns = "batch uuid, usage_id uuid, revision int, kind text, lab_id uuid, version_id uuid"
        self.connection.execute(
            f"CREATE TABLE bench_copied ({columns}, grant_id uuid, rate_id bigint, record_count"
            " bigint, token_count bigint, used_at timestamptz, PRIMARY KEY (lab_id, usage_id))"
        )
        self.connection.commit()

    def bill(self, data: bytes) -> float:
        """Seconds to load a batch and commit it."""
        began = time.perf_counter()
        with self.connection.cursor() as cursor:
            billing_world.copy(cursor, "bench_copied", data)
        self.connection.commit()
        return time.perf_counter() - began


class OneAtATime:
    """A transaction for each usage, which locks the balances that it changes."""

    def __init__(self, dsn: str) -> None:
        self.connection = psycopg.connect(dsn, autocommit=True)
        self.connection.execute(ONE_AT_A_TIME)

    def bill(self, count: int) -> float:
        """Seconds a usage, by statements from the client."""
        return self._timed(count, self._by_statements)

    def call(self, count: int) -> float:
        """Seconds a usage, in one call of a function."""
        return self._timed(count, self._by_call)

    def _timed(self, count: int, act: Callable[[int, uuid.UUID, int, int], None]) -> float:
        usages = billing_world.ids(count)
        began = time.perf_counter()
        for place, usage in enumerate(usages):
            act(1 + place % 8, usage, 100 + place * 7919 % 5_000, 1_000_003 + place)
        return (time.perf_counter() - began) / count

    def _by_statements(self, lab: int, usage: uuid.UUID, owner: int, amount: int) -> None:
        fee = amount * 3 // 100
        moved = ((lab, -amount), (owner, amount - fee), (9, fee))
        execute = self.connection.execute
        with self.connection.transaction():
            execute(
                "SELECT posted FROM bench_account WHERE id = ANY(%s) ORDER BY id FOR UPDATE",
                [[lab, owner, 9]],
            )
            (made,) = execute(
                "INSERT INTO bench_entry (usage) VALUES (%s) RETURNING id", [usage]
            ).fetchone()  # fmt: skip
            for account, units in moved:
                execute("INSERT INTO bench_line VALUES (%s, %s, %s)", [made, account, units])
            for account, units in moved:
                execute(
                    "UPDATE bench_account SET posted = posted + %s WHERE id = %s",
                    [units, account],
                )

    def _by_call(self, lab: int, usage: uuid.UUID, owner: int, amount: int) -> None:
        self.connection.execute(
            "SELECT bench_bill(%s, %s, %s, %s)", [lab, usage, owner, amount], prepare=True
        )


HORDAK = """
import json, sys, time
import django
from django.conf import settings

dsn = json.loads(sys.argv[1])
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", **dsn}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "mptt", "hordak"],
    CURRENCIES=["EUR"], DEFAULT_CURRENCY="EUR", HORDAK_CURRENCIES=["EUR"], USE_TZ=True,
    SECRET_KEY="bench", DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()
from django.core.management import call_command
from django.db import transaction
from hordak.models import Account, AccountType, Leg, Transaction
from hordak.utilities.currency import Balance
from moneyed import Money

call_command("migrate", verbosity=0)
make = lambda name, kind: Account.objects.create(name=name, type=kind, currencies=["EUR"])
labs = [make(f"lab {n}", AccountType.liability) for n in range(8)]
owners = [make(f"owner {n}", AccountType.liability) for n in range(200)]
fee = make("fee", AccountType.income)
print("ready", flush=True)
for line in sys.stdin:
    count, asks = map(int, line.split())
    began = time.perf_counter()
    for place in range(count):
        with transaction.atomic():
            if asks:
                lab = Account.objects.select_for_update().get(pk=labs[place % 8].pk)
                assert lab.get_balance() < Balance([Money("1000000000", "EUR")])
            made = Transaction.objects.create(description=f"usage {place}")
            Leg.objects.create(transaction=made, account=labs[place % 8],
                               debit=Money("1.00", "EUR"))
            Leg.objects.create(transaction=made, account=owners[place % 200],
                               credit=Money("0.97", "EUR"))
            Leg.objects.create(transaction=made, account=fee, credit=Money("0.03", "EUR"))
    print((time.perf_counter() - began) / count, flush=True)
"""


class Hordak:
    """django-hordak: a transaction of three legs for each usage, by its own models."""

    def __init__(self, address: dict[str, Any], folder: Path) -> None:
        self.process = subprocess.Popen(
            [_python_with_hordak(folder), "-c", HORDAK, json.dumps(address)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        if self.process.stdout.readline().strip() != "ready":
            raise SystemExit("django-hordak did not start; its words are above")

    def bill(self, count: int, *, asks: bool) -> float:
        """Seconds a usage; `asks` looks first, under a lock, whether the lab's money reaches."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{count} {int(asks)}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        """End its process."""
        self.process.communicate()


def _python_with_hordak(folder: Path) -> str:
    """A Python that has django-hordak beside what is here; made in `folder`, from PyPI."""
    venv.create(folder, system_site_packages=False, with_pip=True)
    python = str(folder / "bin/python")
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", HORDAK_RELEASE, "psycopg[binary]"], check=True
    )
    return python
