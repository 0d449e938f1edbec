"""What billing is measured against: COPY into one table, a usage at a time, and django-hordak.

Each peer gets the same usages. None of the first two knows prices, splits of more than a line, or
proofs; they are limits, not rivals.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import psycopg

from tests.bench import billing_world

# One usage, one transaction, balances locked: how one would begin.
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
        """Seconds a usage."""
        usages = billing_world.ids(count)
        began = time.perf_counter()
        for place, usage in enumerate(usages):
            self.connection.execute(
                "SELECT bench_bill(%s, %s, %s, %s)",
                [1 + place % 8, usage, 100 + place * 7919 % 5_000, 1_000_003 + place],
                prepare=True,
            )
        return (time.perf_counter() - began) / count


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
from moneyed import Money

call_command("migrate", verbosity=0)
make = lambda name, kind: Account.objects.create(name=name, type=kind, currencies=["EUR"])
labs = [make(f"lab {n}", AccountType.liability) for n in range(8)]
owners = [make(f"owner {n}", AccountType.liability) for n in range(200)]
fee = make("fee", AccountType.income)
print("ready", flush=True)
for line in sys.stdin:
    count = int(line)
    began = time.perf_counter()
    for place in range(count):
        with transaction.atomic():
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

    def __init__(self, address: dict[str, Any]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HORDAK, json.dumps(address)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        if self.process.stdout.readline().strip() != "ready":
            raise SystemExit("django-hordak did not start: pip install django-hordak")

    def bill(self, count: int) -> float:
        """Seconds a usage."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        """End its process."""
        self.process.communicate()
