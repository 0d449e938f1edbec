"""What parties are told of money: payouts and where they go, invoices, budgets."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop as _noop

from compensation import money
from compensation.models import Account, Asset, BudgetNotice, Invoice, PayoutMethod
from provenance.models import Event, Notice, Sending
from provenance.notices import LABS, OWNERS, Kind, Topic, follows, register, tell

_MATURED = "credit.matured"
NOTHING = _noop("nothing")
_METHOD = "admin:compensation_payoutmethod_change"

register(
    Kind(
        "payout_address.changed",
        Topic.SECURITY,
        _("Where your payouts go was changed"),
        _("Where your payouts go was changed"),
        _(
            "From now on the payouts of %(owner)s are meant for %(where)s. Nothing is paid there "
            "before %(from_at)s. If nobody of you did this, remove it at once, change your "
            "passwords and write to the operator."
        ),
        _METHOD,
        "finance",
        _("Check it"),
        reaches=OWNERS,
    ),
    Kind(
        "payout.failed",
        Topic.MONEY,
        _("A payout did not arrive"),
        _("A payout did not arrive"),
        _(
            "A payout to %(where)s came back or was refused: %(why)s The money is yours as before, "
            "and waits. Confirm the account or address if it is right, or name another one."
        ),
        _METHOD,
        "finance",
        _("Put it right"),
        reaches=OWNERS,
    ),
    Kind(
        "payout.sent",
        Topic.MONEY,
        _("You were paid"),
        _("You were paid %(amount)s"),
        _("A payout of %(amount)s has arrived, as final as the bank or the chain makes it."),
        "admin:compensation_payout_changelist",
        "finance",
        _("See what it pays for"),
        is_list=True,
        reaches=OWNERS,
    ),
    Kind(
        _MATURED,
        Topic.MONEY,
        _("What you earned can be paid to you"),
        _("%(amount)s can be paid to you"),
        _(
            "On %(day)s (UTC), %(amount)s that you had earned came out of the hold-back. It goes "
            "with your next payout, or when you claim it, as you chose; without an address or "
            "account it waits for you."
        ),
        "admin:compensation_payout_changelist",
        "finance",
        _("See your payouts"),
        is_list=True,
        sending=Sending.DAILY,
        reaches=OWNERS,
    ),
    Kind(
        "invoice.issued",
        Topic.MONEY,
        _("An invoice or a credit note was issued"),
        _("%(what_is)s %(number)s of %(period)s"),
        _(
            "%(number)s was issued for %(period)s. It comes to %(amount)s with VAT. To be paid "
            "outside of the balance: %(due)s."
        ),
        "admin:compensation_invoice_change",
        "finance",
        _("See the document"),
        reaches=(*OWNERS, *LABS),
    ),
    Kind(
        "budget.warning",
        Topic.MONEY,
        _("Much of a budget, or all of it, is spent"),
        _("%(percent)s %% of a budget is spent"),
        _(
            "%(what)s: %(spent)s of %(limit)s are spent. At 100 %% no new run starts under it; "
            "runs under way go on to their caps."
        ),
        "admin:compensation_budget_changelist",
        "finance",
        _("See the budgets"),
        is_list=True,
        reaches=LABS,
    ),
)


@follows("payout_method.verified")
def _method_changed(event: Event) -> None:
    method = PayoutMethod.objects.select_related("party").get(pk=event.subject_id)
    tell(
        "payout_address.changed",
        party=method.party,
        about=method.pk,
        key=event.pk,
        at=event.occurred_at,
        where=_where(method),
        from_at=method.held_until or event.occurred_at,
        owner=method.party,
    )


@follows("payout_method.flagged")
def _came_back(event: Event) -> None:
    method = PayoutMethod.objects.select_related("party").get(pk=event.subject_id)
    if method.removed_at is None:
        tell(
            "payout.failed",
            party=method.party,
            about=method.pk,
            key=event.pk,
            at=event.occurred_at,
            where=_where(method),
            why=method.flag_words,
        )


@follows("payout.settled")
def _paid(event: Event) -> None:
    if event.party is not None:
        asset = Asset.objects.get(code=event.body["asset"])
        tell(
            "payout.sent",
            party=event.party,
            key=event.pk,
            at=event.occurred_at,
            amount=_amount(int(event.body["amount_units"]), asset),
        )


@follows("invoice.issued")
def _invoiced(event: Event) -> None:
    invoice = Invoice.objects.select_related("asset", "party").get(pk=event.subject_id)
    due = _amount(invoice.due_units, invoice.asset) if invoice.due_units else NOTHING
    tell(
        "invoice.issued",
        party=invoice.party,
        about=invoice.pk,
        key=event.pk,
        at=event.occurred_at,
        what_is=invoice.get_kind_display(),
        number=invoice.number,
        period=invoice.period_id,
        amount=_amount(invoice.gross_units, invoice.asset),
        due=due,
    )


def tell_of_maturity(account: Account, units: int, *, day: date, at: datetime) -> None:
    """Tell an owner what came out of the hold-back on a day, once."""
    assert account.party is not None, "an owner's account is a party's"
    tell(
        _MATURED,
        party=account.party,
        key=_maturity(account, day),
        at=at,
        amount=_amount(units, account.asset),
        day=day.isoformat(),
    )


def told_of_maturity(accounts: Collection[Account], *, day: date) -> set[int]:
    """Those of some accounts whose owners were told of a day."""
    keys = {_maturity(account, day): account.pk for account in accounts}
    parties = {account.party_id for account in accounts if account.party_id}
    known = Notice.objects.filter(party__in=parties, kind=_MATURED, key__in=keys)
    return {keys[key] for key in known.values_list("key", flat=True)}


def _maturity(account: Account, day: date) -> str:
    return f"{day.isoformat()}:{account.pk}"


def warn(notice: BudgetNotice) -> None:
    """Tell a lab how far a budget, or a run's cap, is spent."""
    tell(
        "budget.warning",
        party=notice.lab,
        key=notice.pk,
        at=notice.noticed_at,
        percent=notice.percent,
        what=notice.budget or notice.run,
        spent=_amount(notice.spent_units, notice.asset),
        limit=_amount(notice.limit_units, notice.asset),
    )


def _where(method: PayoutMethod) -> str:
    if method.is_bank:
        return f"{method.address} ({method.holder})"
    return method.address


def _amount(units: int, asset: Asset) -> str:
    return f"{money.grouped(units, asset.scale)} {asset.symbol}"
