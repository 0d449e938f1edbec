"""A payment run and the reading of a bank's file, killed before every statement: all or nothing."""

from __future__ import annotations

import pytest

from compensation import journal, payment_runs
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
from tests.compensation.killing import kills, sound

__all__ = ["our_account"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults]

Kind = Account.Kind


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
