"""Payouts by bank for operators: our account, payment runs, the bank's files and bookings."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext

from compensation import bank_files, bookings, money, payment_runs, terms
from compensation.admin.approving import done_or_put_forward
from compensation.admin.bank_forms import (
    AccountForm,
    AssignForm,
    BoundsForm,
    NoteForm,
    ReasonForm,
    RunForm,
    SplitForm,
)
from compensation.bank import currency
from compensation.models import (
    BankBooking,
    BankPayout,
    PaymentRun,
    PayoutStep,
)
from compensation.templatetags.money import amount
from provenance.access import Viewer
from provenance.admin.base import OPERATORS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb, person_of, viewer_of
from provenance.api.files import file_of
from provenance.models import Proposal

# What a page shows of a run's or a file's payments; the API gives all.
LINE_LIMIT = 500


def _run(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    code = cleaned["asset"].code
    return done_or_put_forward(
        request,
        Proposal.Kind.RUN,
        str(cleaned["asset"].pk),
        {"asset": code, "execute_on": cleaned["execute_on"].isoformat()},
        lambda made: HttpResponseRedirect(
            reverse("admin:compensation_paymentrun_change", args=[made.pk])
        ),
    )


def _name_account(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    made = payment_runs.name_account(at=timezone.now(), **cleaned)
    return _("Payouts in %(asset)s leave from %(made)s from now on.") % {
        "asset": made.asset,
        "made": made,
    }


def _set_bounds(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    made = terms.set_bounds(
        asset=cleaned["asset"],
        least_units=cleaned["amount_units"],
        most_units=cleaned["most_units"],
        schedules=cleaned["schedules"],
        at=timezone.now(),
        by=person_of(request),
    )
    return _("Payees may choose from %(amount)s on.") % {
        "amount": amount(made.least_units, made.asset)
    }


def _withdraw(request: HttpRequest, run: Any, cleaned: dict[str, Any]) -> str:
    count = payment_runs.withdraw_run(
        run=run, reason=cleaned["reason"], at=timezone.now(), by=person_of(request)
    )
    words = ngettext(
        "%(count)s payment is payable again. Do not give the file to the bank any more.",
        "%(count)s payments are payable again. Do not give the file to the bank any more.",
        count,
    )
    return words % {"count": f"{count:,}"}


def _assign(request: HttpRequest, booking: Any, cleaned: dict[str, Any]) -> str:
    payout = (
        BankPayout.objects.filter(reference=cleaned["payout"].strip())
        .select_related("party", "asset", "method__party", "run")
        .first()
    )
    if payout is None:
        raise bank_files.DoesNotFit(
            _("There is no payout %(payout)s.") % {"payout": cleaned["payout"]}
        )
    bank_files.assign_booking(
        booking=booking,
        payout=payout,
        note=cleaned["note"],
        is_charged=cleaned["is_charged"],
        at=timezone.now(),
        by=person_of(request),
    )
    return _("It belongs to %(payout)s now.") % {"payout": payout}


def _charge(request: HttpRequest, booking: Any, cleaned: dict[str, Any]) -> str:
    bookings.book_charge(
        booking=booking, note=cleaned["note"], at=timezone.now(), by=person_of(request)
    )
    return _("It is booked as what the bank took.")


def _split(request: HttpRequest, booking: Any, cleaned: dict[str, Any]) -> str:
    made = bookings.split_booking(
        booking=booking, at=timezone.now(), by=person_of(request), **cleaned
    )
    found = sum(one.state == BankBooking.State.MATCHED for one in made)
    return _("%(found)s of its %(made_count)s payments found their payouts.") % {
        "found": found,
        "made_count": len(made),
    }


def _is_open(viewer: Viewer, booking: Any) -> bool:
    return bool(booking.state == BankBooking.State.OPEN)


def _is_open_debit(viewer: Viewer, booking: Any) -> bool:
    return _is_open(viewer, booking) and bool(booking.amount_minor < 0)


def _standing(run: PaymentRun) -> str:
    """Whether the file is still for the bank, or how much of it the bank has booked."""
    if _is_for_bank(run):
        return _("The money is in flight since the run was made; give the file to the bank once.")
    booked = run.payouts.filter(state=BankPayout.State.PAID).count()
    if booked == run.payout_count:
        return _("Paid. The bank has booked it; do not give it the file again.")
    words = ngettext(
        "%(booked)s of %(count)s payment is booked. Do not give the bank the file any more.",
        "%(booked)s of %(count)s payments are booked. Do not give the bank the file any more.",
        run.payout_count,
    )
    return words % {"booked": f"{booked:,}", "count": f"{run.payout_count:,}"}


def _may_withdraw(viewer: Viewer, run: PaymentRun) -> bool:
    return _is_for_bank(run)


def _is_for_bank(run: PaymentRun) -> bool:
    """Whether nothing was heard of it yet, so that its file is still to be given to the bank."""
    heard = PayoutStep.objects.filter(payout__run=run).exclude(kind=PayoutStep.Kind.SENT)
    return not heard.exists()


class OperatorPages(ReadOnlyFacts):
    """Pages that only operators see."""

    shown_to = OPERATORS

    def scope(self, viewer: Viewer) -> Any:
        rows = self.model._default_manager.select_related(*self.list_select_related or ())
        return rows if viewer.is_operator else rows.none()


class PaymentRunAdmin(OperatorPages):
    """Orders to our bank."""

    list_title = _lazy("Payment runs")
    page_template = "compensation/payment_run.html"
    list_display = ("__str__", "amount_word", "payout_count", "standing", "execute_on", "made_at")
    list_select_related = ("account__asset", "entry", "made_by")
    ordering = ("-number",)
    list_words = _lazy(
        "Each run orders everything that is due in a currency, in one file for the bank."
    )
    empty_title = _lazy("No payment run yet")
    empty_words = _lazy("Name the account that payouts leave from, then order what is due.")
    list_verbs = (
        Verb(
            "order",
            _lazy("Make a payment run"),
            "finance",
            _run,
            RunForm,
            _lazy(
                "Everything that is due now. The money is in flight at once; the file can be "
                "downloaded as often as you like, and its payments exist once."
            ),
            tone="primary",
        ),
        Verb(
            "account",
            _lazy("Name our account"),
            "finance",
            _name_account,
            AccountForm,
            _lazy("The account of the operator that payouts of a currency leave from."),
        ),
        Verb(
            "bounds",
            _lazy("Set bounds for payees"),
            "finance",
            _set_bounds,
            BoundsForm,
            _lazy(
                "Least and most that may gather before a payout, and how often payees may be paid."
            ),
        ),
    )
    verbs = (
        Verb(
            "withdraw",
            _lazy("Withdraw the run"),
            "finance",
            _withdraw,
            ReasonForm,
            _lazy("Only where the bank never had the file: its payments become payable again."),
            offered=_may_withdraw,
            tone="danger",
        ),
    )

    @column(_lazy("Amount"), ordering="amount_units")
    def amount_word(self, run: PaymentRun) -> str:
        return amount(run.amount_units, run.account.asset)

    @column(_lazy("Where its payments stand"))
    def standing(self, run: PaymentRun) -> str:
        states = list(run.payouts.values_list("state", flat=True))
        return ", ".join(
            f"{states.count(one)} {BankPayout.State(one).label.lower()}"
            for one in sorted(set(states))
        )

    def parties_of(self, subject: Any) -> Any:
        """Everybody who is paid by it."""
        return [one.party for one in subject.payouts.select_related("party")]

    def more_urls(self, named: Any) -> list[URLPattern]:
        """The file for the bank."""
        return [named("<uuid:object_id>/file/", self.file_view, "file")]

    def file_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """The order as a download; every look at it is logged for those it pays."""
        run = self.found(request, str(object_id))
        if not viewer_of(request).may("finance"):
            raise PermissionDenied(
                _("The order names bank accounts: it needs the right 'finance'.")
            )
        stopped = self.look(request, run)
        return stopped or file_of(payment_runs.file_of(run), run.message_id, "xml")

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {
            "standing": _standing(subject),
            "is_for_bank": _is_for_bank(subject),
            "download": self.url("file", subject.pk),
            "payouts": subject.payouts.select_related("party", "method", "asset").order_by(
                "reference"
            )[:LINE_LIMIT],
        }


class BankBookingAdmin(OperatorPages):
    """What the bank booked, payment by payment."""

    list_title = _lazy("Bookings of the bank")
    page_template = "compensation/bank_booking.html"
    list_display = ("__str__", "amount_word", "booked_on", "label", "payout", "problem")
    list_select_related = ("account__asset", "payout__party")
    list_filter = ("state",)
    search_fields = ("end_to_end_id", "remittance", "counterparty", "servicer_reference")
    ordering = ("-booked_on", "-pk")
    list_words = _lazy(
        "Each belongs to a payout by our reference and the exact amount, or waits for you."
    )
    empty_title = _lazy("No booking yet")
    empty_words = _lazy("Bookings come with the statements of the bank.")
    verbs = (
        Verb(
            "assign",
            _lazy("Say to which payout it belongs"),
            "finance",
            _assign,
            AssignForm,
            _lazy(
                "Amount and direction must be the payout's. It is kept in the ledger who said so."
            ),
            offered=_is_open,
            is_inline=True,
        ),
        Verb(
            "charge",
            _lazy("Book it as a charge of the bank"),
            "finance",
            _charge,
            NoteForm,
            _lazy("What banks take is the platform's cost, never an owner's."),
            offered=_is_open_debit,
        ),
        Verb(
            "split",
            _lazy("Split a batch"),
            "finance",
            _split,
            SplitForm,
            _lazy("Its payments stand in its place and add up to it; each finds its payout."),
            offered=_is_open,
        ),
    )

    @column(_lazy("Amount"), ordering="amount_minor")
    def amount_word(self, booking: BankBooking) -> str:
        return booked_in_words(booking)

    @column(
        _lazy("State"),
        label={
            "matched": "success",
            "repeated": "info",
            "open": "warning",
            "charge": "info",
            "split": "info",
        },
    )
    def label(self, booking: BankBooking) -> str:
        return str(booking.state)

    def parties_of(self, subject: Any) -> Any:
        """Whose payout it is."""
        return [subject.payout.party] if subject.payout else []

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {
            "booked": booked_in_words(subject),
            "age": age_in_words(subject.age_days(timezone.now())),
        }


def age_in_words(days: int) -> str:
    """How long ago something was, in whole days."""
    if days < 1:
        return _("less than a day ago")
    return ngettext("%(age)s day ago", "%(age)s days ago", days) % {"age": days}


def booked_in_words(booking: BankBooking) -> str:
    """What the bank booked, with its currency."""
    name = booking.account.asset.code.removeprefix(currency.PREFIX)
    return f"{money.grouped(booking.amount_minor, currency.decimals(name))} {name}"


site.register(PaymentRun, PaymentRunAdmin)
site.register(BankBooking, BankBookingAdmin)
