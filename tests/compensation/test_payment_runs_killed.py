"""A payment run and the reading of a bank's file, killed before every statement: all or nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from urllib.parse import quote

import pytest
from django.db import connection

from compensation import audit, invariants, journal, payment_runs
from compensation.bank import pain001
from compensation.models import Account, BankFile, BankPayout, Entry, PaymentRun, PayoutStep
from tests.cast import NOON
from tests.compensation.banking import (
    BENS_IBAN,
    account,
    camt053,
    debit,
    earn,
    our_account,
    pain002,
    returned,
    run_of,
)
from tests.compensation.conftest import held

__all__ = ["our_account"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults]

Kind = Account.Kind

# Waits for numbers; for each it acts in a process of its own, which is killed before it sends
# that statement, and says how it went.
ACTOR = """
import os, signal, sys, django
django.setup()
from datetime import UTC, date, datetime
from pathlib import Path
from django.db import connection
from compensation import bank_files, payment_runs
from compensation.models import Asset

what, at = sys.argv[1], datetime(2026, 3, 11, 12, tzinfo=UTC)

def act():
    if what == "run":
        payment_runs.make_run(asset=Asset.objects.get(), execute_on=date(2026, 3, 11), at=at)
    else:
        bank_files.take_file(content=Path(what).read_bytes(), name="file", at=at)

def act_and_die(number):
    count = 0
    def killing(execute, *args):
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(*args)
    with connection.execute_wrapper(killing):
        act()
    os._exit(0)

print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if not child:
        act_and_die(int(line))
    status = os.waitpid(child, 0)[1]
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    print("killed" if killed else "done" if status == 0 else "failed", flush=True)
"""


def kills(what: str, check, stride: int = 1) -> int:
    """Act again and again, killed one statement later each time, until it is done."""
    row = connection.settings_dict
    url = (
        f"postgresql://{quote(row['USER'])}:{quote(row['PASSWORD'])}@{row['HOST']}:"
        f"{row['PORT']}/{row['NAME']}"
    )
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "DATABASE_OWNER_URL": url,
        "DJANGO_SETTINGS_MODULE": "deploy.settings",
        "PYTHONPATH": ".:client",
    }
    actor = subprocess.Popen(
        [sys.executable, "-c", ACTOR, what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert actor.stdout.readline() == "ready\n"
        number = 1
        while True:
            actor.stdin.write(f"{number}\n")
            actor.stdin.flush()
            how = actor.stdout.readline().strip()
            if how == "done":
                return number - 1
            assert how == "killed"
            check()
            number += stride
    finally:
        actor.stdin.close()
        actor.wait()
        actor.stdout.close()


@pytest.fixture
def owners(ada, ben, euro, our_account):
    """Both are due; Ada owes two euros of hers."""
    account(ada, euro)
    account(ben, euro, BENS_IBAN)
    earn(ada, euro, 10_000_000)
    earn(ben, euro, 20_000_000)
    journal.post(
        kind=Entry.Kind.ADJUSTMENT,
        lines=[
            (journal.account(Kind.RECEIVABLE, euro, party=ada), -2_000_000),
            (journal.account(Kind.AWAITED, euro, party=ben), 2_000_000),
        ],
        effective_at=NOON,
        posted_at=NOON,
        idempotency_key="owed",
    )


def test_a_payment_run_that_is_killed_anywhere_has_made_all_of_it_or_nothing(
    owners, ada, ben, euro
):
    before = Entry.objects.count()

    def nothing_is_there() -> None:
        assert not PaymentRun.objects.exists()
        assert not BankPayout.objects.exists()
        assert Entry.objects.count() == before
        assert held(euro, Kind.RECEIVABLE, ada) == -2_000_000

    assert kills("run", nothing_is_there) > 20
    run = PaymentRun.objects.get()
    content = payment_runs.file_of(run)
    assert list(pain001.schema(run.message).iter_errors(content.decode())) == []
    assert held(euro, Kind.PAYOUTS_IN_FLIGHT, ada) == 8_000_000
    assert held(euro, Kind.PAYOUTS_IN_FLIGHT, ben) == 20_000_000
    sound()


@pytest.mark.parametrize("said", ["answer", "statement"])
def test_a_file_of_the_bank_that_is_killed_anywhere_is_read_whole_or_not(
    owners, ada, ben, euro, tmp_path, said
):
    run = run_of(euro)
    adas, bens = run.payouts.get(party=ada), run.payouts.get(party=ben)
    file = tmp_path / "file.xml"
    if said == "answer":
        rows = [(adas.reference, "RJCT", "AC01"), (bens.reference, "RJCT", "AC04")]
        file.write_bytes(pain002(run, rows))
    else:
        file.write_bytes(camt053([debit(adas), returned(adas), debit(bens)]))
    before = Entry.objects.count()

    def nothing_is_there() -> None:
        assert not BankFile.objects.exists()
        assert not PayoutStep.objects.exclude(kind="sent").exists()
        assert Entry.objects.count() == before

    assert kills(str(file), nothing_is_there, stride=2) > 20
    adas.refresh_from_db()
    bens.refresh_from_db()
    assert adas.state == BankPayout.State.RETURNED
    assert bens.state == ("returned" if said == "answer" else "paid")
    assert held(euro, Kind.OWNER, ada) == 8_000_000
    sound()


def sound() -> None:
    assert list(invariants.broken()) == []
    assert list(audit.chain_breaks(audit.documents())) == []
