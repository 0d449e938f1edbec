"""What parties are told of money: exactly those whose it is, with amounts and their asset."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compensation import billing, holdback, money, payees
from compensation.models import Account, Asset, BankPayout, BudgetNotice, Line, PayoutMethod
from provenance import mailing, notices
from provenance.models import DatasetVersion, Letter, Notice, Party
from tests import factories
from tests.cast import NOON
from tests.compensation.banking import (
    ADAS_IBAN,
    LATER,
    account,
    camt053,
    debit,
    earn,
    our_account,
    returned,
    run_of,
)
from tests.compensation.conftest import grant, use
from tests.compensation.test_bank_files import take
from tests.compensation.test_budgets import TEN_RECORDS, bill, report, set_budget, start

__all__ = ["our_account"]

pytestmark = pytest.mark.django_db


def told(party: Party) -> list[str]:
    return list(
        Notice.objects.filter(party=party).order_by("made_at").values_list("kind", flat=True)
    )


def words(party: Party, kind: str) -> str:
    said = notices.say(Notice.objects.get(party=party, kind=kind))
    return f"{said.title} {said.words}"


@pytest.fixture
def paid(ada: Party, ben: Party, euro: Asset, our_account, settings) -> BankPayout:
    """Ada's ten euro, in an order to the bank."""
    settings.PAYOUT_ACCOUNT_HOLD_HOURS = 72
    account(ada, euro)
    earn(ada, euro, 10_000_000)
    run_of(euro)
    return BankPayout.objects.get()


def test_a_changed_account_is_told_to_its_owner_whatever_was_switched_off(
    paid: BankPayout, ada: Party, ben: Party, lab: Party
):
    assert told(ada) == ["payout_address.changed"]
    said = words(ada, "payout_address.changed")
    assert "4 March 2026 at 12:00 UTC" in said
    assert ADAS_IBAN not in said
    assert told(ben) == told(lab) == []


def test_what_came_out_of_the_hold_back_is_told_once_a_day_and_asset_with_its_sum(
    rich_lab: Party, ada: Party, ben: Party, essays: DatasetVersion, euro: Asset
):
    grant(rich_lab, essays)
    for hours in (0, 1, 24):
        at = NOON + timedelta(hours=hours)
        use(rich_lab, essays, records=10, at=at)
        billing.bill_batch(at=at + timedelta(minutes=2))
        holdback.mature_credits(at=at + timedelta(days=30, minutes=2))
    end = NOON.replace(hour=0) + timedelta(days=31)
    assert holdback.tell_matured(at=end - timedelta(seconds=1)) == 0
    assert [holdback.tell_matured(at=end) for _ in range(2)] == [1, 0]
    held_back = Account.objects.get(kind="owner", party=ada)
    paid = Line.objects.filter(account=held_back, entry__posted_at__lt=end)
    amount = money.to_text(sum(line.amount_units for line in paid), euro.scale)
    assert paid.count() == 2
    said = words(ada, "credit.matured")
    assert f"On 2026-03-31 (UTC), {amount} EUR" in said
    assert holdback.tell_matured(at=end + 3 * timedelta(days=1)) == 1
    assert Notice.objects.filter(kind="credit.matured", party=ada).count() == 2
    assert not Notice.objects.filter(kind="credit.matured").exclude(party=ada).exists()


def test_a_day_is_told_after_whatever_stopped_in_its_middle(
    rich_lab: Party, ada: Party, essays: DatasetVersion, monkeypatch: pytest.MonkeyPatch
):
    grant(rich_lab, essays)
    use(rich_lab, essays, records=10)
    billing.bill_batch(at=LATER)
    holdback.mature_credits(at=LATER + timedelta(days=30))
    with monkeypatch.context() as patch:
        patch.setattr("compensation.notices.tell", killed)
        with pytest.raises(KeyboardInterrupt):
            holdback.tell_matured(at=LATER + timedelta(days=31))
    assert [holdback.tell_matured(at=LATER + timedelta(days=31)) for _ in range(2)] == [1, 0]


def killed(*args: object, **given: object) -> None:
    raise KeyboardInterrupt


def test_what_the_bank_paid_is_told_with_its_amount(
    paid: BankPayout, ada: Party, ben: Party, lab: Party
):
    take(camt053([debit(paid)]))
    assert "10.00 EUR" in words(ada, "payout.sent")
    take(camt053([debit(paid)], statement="2026-002"))
    assert told(ada).count("payout.sent") == 1
    assert told(ben) == told(lab) == []


def test_what_came_back_is_told_with_its_reason_and_where_to_put_it_right(
    paid: BankPayout, ada: Party, ben: Party
):
    take(camt053([debit(paid)]))
    take(camt053([returned(paid)], statement="2026-002"))
    assert "AC04" in words(ada, "payout.failed")
    found = Notice.objects.get(party=ada, kind="payout.failed")
    assert str(PayoutMethod.objects.get(party=ada).pk) in notices.say(found).path
    assert "payout.failed" not in told(ben)


def test_who_took_an_account_back_is_not_asked_to_confirm_it(paid: BankPayout, ada: Party):
    payees.remove_method(method=PayoutMethod.objects.get(party=ada), at=LATER)
    take(camt053([debit(paid), returned(paid)]))
    assert "payout.failed" not in told(ada)


def test_a_lab_is_told_once_at_each_level_of_its_budget_and_nobody_else(
    rich_lab: Party, essays: DatasetVersion, euro: Asset, ada: Party, mailoutbox
):
    grant(rich_lab, essays)
    factories.user("fin@cobalt.example", party=rich_lab, role="finance")
    factories.user("dev@cobalt.example", party=rich_lab, role="developer")
    set_budget(rich_lab, euro, 10 * TEN_RECORDS)
    run = start(rich_lab)
    for step, records in enumerate((49, 50, 90, 100), 1):
        report(run, essays, records, sequence=step)
        bill(at=NOON + timedelta(days=2 * step))
    warned = Notice.objects.filter(party=rich_lab, kind="budget.warning")
    assert warned.count() == BudgetNotice.objects.count() == 6
    of_budget = sorted(one.facts["percent"] for one in warned if "All runs" in one.facts["what"])
    assert of_budget == [50, 80, 100]
    assert not Notice.objects.filter(party=ada, kind="budget.warning").exists()
    title = notices.say(warned.order_by("made_at")[0]).title
    assert title == "50 % of a budget is spent"
    mailing.send_due(at=NOON + timedelta(days=30))
    assert {letter.to[0] for letter in mailoutbox} == {"fin@cobalt.example"}
    assert Letter.objects.filter(user__email="dev@cobalt.example", read_at=None).count() == 6
