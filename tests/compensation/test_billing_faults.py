"""Billing that is doubled, killed and cut anywhere charges everything once, and to the unit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from django.db import connection, connections, transaction

from compensation import audit, billing, deposits, invariants
from compensation.models import Charge, Stage, Waiting
from provenance import conflicts, usage
from provenance.models import Usage
from tests import factories
from tests.cast import NOON
from tests.compensation.conftest import grant, priced, texts

pytestmark = pytest.mark.django_db(transaction=True)

LATER = NOON + timedelta(hours=1)
RUNS = 60


@pytest.fixture
def work(ada, ben, lab, euro):
    """Sixty ended runs on two datasets, one of them in conflict; returns what they cost in all."""
    adas = priced(factories.version(factories.dataset(ada), texts(30)), euro, price_units=1_000_007)
    bens = priced(
        factories.version(factories.dataset(ben, "notes"), [*texts(7), *texts(13, "own")]),
        euro,
        price_units=999_983,
    )
    found = factories.overlap(bens, adas, [(text, text) for text in texts(7)])
    conflicts.open_from_overlap(overlap=found, at=NOON)
    deposits.deposit(lab=lab, asset=euro, amount_units=10**12, reference="a", at=NOON)
    pick, cost = random.Random(7), 0
    for version, price in ((adas, 1_000_007), (bens, 999_983)):
        grant(lab, version)
        for _ in range(RUNS // 2):
            records = pick.randint(1, 50)
            run = usage.start_run(lab=lab, purpose="pretrain", at=NOON)
            usage.report_usage(
                run=run,
                subject=str(version.pk),
                purpose="pretrain",
                stream="rank0",
                sequence=1,
                count=usage.Count(records=records),
                used_at=NOON,
                received_at=NOON + timedelta(seconds=pick.randint(0, 3)),
            )
            usage.end_run(run=run, at=NOON)
            cost += records * price // 1000
    return cost


def check(cost: int) -> None:
    assert Charge.objects.count() == RUNS
    assert sum(Charge.objects.values_list("amount_units", flat=True)) == cost
    assert list(invariants.broken()) == []
    assert list(audit.chain_breaks(audit.documents())) == []
    assert audit.head_break() is None
    assert not Stage.objects.exists()
    assert not Waiting.objects.exists()


@pytest.mark.parametrize("seed", [1, 2])
def test_any_batches_charge_the_same(work, seed):
    pick = random.Random(seed)
    while billing.bill_batch(pick.randint(1, 25), at=LATER):
        pass
    check(work)


def test_two_at_once_never_charge_the_same_usage(work):
    failures = []

    def bill() -> None:
        try:
            while billing.bill_batch(4, at=LATER):
                pass
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=bill) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures
    while billing.bill_batch(at=LATER):
        pass
    check(work)


BILL = """
import django, datetime
django.setup()
from compensation import billing
at = datetime.datetime(2026, 3, 1, 13, tzinfo=datetime.UTC)
print("ready", flush=True)
while billing.bill_batch(2, at=at):
    pass
"""


@pytest.mark.faults
def test_a_worker_that_is_killed_anywhere_loses_nothing_and_doubles_nothing(work):
    pick, kills = random.Random(3), 0
    for _ in range(40):
        worker = spawn()
        worker.stdout.readline()
        time.sleep(pick.uniform(0.0, 0.12))
        if worker.poll() is None:
            os.kill(worker.pid, signal.SIGKILL)
            kills += 1
        worker.wait()
        worker.stdout.close()
        if Charge.objects.count() == RUNS or kills == 8:
            break
    assert kills
    while billing.bill_batch(at=LATER):
        pass
    check(work)


def spawn() -> subprocess.Popen[str]:
    held = connection.settings_dict
    urls = {
        name: f"postgresql://{quote(row['USER'])}:{quote(row['PASSWORD'])}@{row['HOST']}:"
        f"{row['PORT']}/{row['NAME']}"
        for name, row in (("DATABASE_URL", held), ("DATABASE_OWNER_URL", held))
    }
    environment = {**os.environ, **urls, "DJANGO_SETTINGS_MODULE": "deploy.settings"}
    environment["PYTHONPATH"] = ".:client"
    return subprocess.Popen(
        [sys.executable, "-c", BILL], stdout=subprocess.PIPE, text=True, env=environment
    )


def test_a_report_during_billing_is_charged_by_the_next_batch(work, lab):
    billing.bill_batch(at=LATER)
    one = Usage.objects.select_related("run").first()
    usage.report_usage(
        run=one.run,
        subject=one.subject,
        purpose="pretrain",
        stream="rank0",
        sequence=2,
        count=usage.Count(records=one.record_count + 1),
        used_at=LATER,
        received_at=LATER,
    )
    assert billing.bill_batch(at=LATER) == 1
    assert Charge.objects.filter(usage=one).count() == 2
    assert list(invariants.broken()) == []


# Ways to get billing wrong, each of which something must notice.
MUTANTS = {
    "a charge is made twice": (
        "ALTER TABLE compensation_charge DROP CONSTRAINT charge_is_made_once",
        "AND (l.revision IS NULL OR l.revision < s.revision)",
        "",
    ),
    "the floor is taken of each batch": (
        "",
        "div(v.after * w.weight, v.weight_sum) - div(v.before * w.weight, v.weight_sum)",
        "div((v.after - v.before) * w.weight, v.weight_sum)",
    ),
    "the rest of a unit is lost": ("", "           -sum(n.amount) FROM net n", "0 FROM net n"),
    "the total is forgotten": (
        "",
        "SET total_units = v.total_units + g.amount::bigint",
        "SET total_units = g.amount::bigint",
    ),
    "the head is not moved": (
        "",
        "UPDATE compensation_journalhead SET number = head.number, hash = v_hash WHERE id = 1;",
        "",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_of_the_billing_function_is_caught(work, as_table_owner, name):
    before, good, bad = MUTANTS[name]
    if before:
        as_table_owner.execute(before)
    changed = 0
    for function in (
        "compensation_bill",
        "compensation_bill_price",
        "compensation_bill_lines",
        "compensation_append",
    ):
        source = as_table_owner.execute(
            "SELECT pg_get_functiondef(%s::regproc)", [function]
        ).fetchone()[0]
        if good in source:
            as_table_owner.execute(source.replace(good, bad))
            changed += 1
    assert changed, "the mutant no longer fits the function"
    try:
        for batch in range(4):
            billing.bill_batch(20, at=LATER + timedelta(seconds=batch))
        bill_again()
        found = [*invariants.broken(), *audit.chain_breaks(audit.documents())]
        found += [audit.head_break()] if audit.head_break() else []
    except Exception as refused:
        found = [str(refused)]
    assert found


def test_a_usage_that_is_staged_twice_is_charged_once_as_it_was_last(work):
    one = Usage.objects.select_related("run", "grant").order_by("pk")[0]
    batch = uuid4()
    with transaction.atomic():
        for revision, records in ((2, 30), (3, 50), (1, 10)):
            stage(batch, one, revision=revision, records=records)
        billing.bill_stage(batch, at=LATER)
    charge = Charge.objects.get()
    assert (charge.revision, charge.record_count) == (3, 50)
    assert charge.amount_units == charge.total_units == 50 * one.grant.rate.price_units // 1000


def bill_again() -> None:
    """Stage what is charged already, as a second worker might."""
    batch = uuid4()
    with transaction.atomic():
        for one in Usage.objects.select_related("run", "grant")[:5]:
            stage(batch, one, revision=one.revision, records=one.record_count)
        billing.bill_stage(batch, at=LATER)


def stage(batch: UUID, one: Usage, *, revision: int, records: int) -> None:
    Stage.objects.create(
        batch=batch,
        usage=one,
        revision=revision,
        kind="priced",
        lab_id=one.run.lab_id,
        version_id=one.version_id,
        grant_id=one.grant_id,
        rate_id=one.grant.rate_id,
        record_count=records,
        token_count=0,
        used_at=one.used_at,
    )
