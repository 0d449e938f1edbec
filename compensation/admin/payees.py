"""What a payee chooses: where it is paid, from which amount on, and how often."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.dateformat import format as dated
from django.utils.dates import WEEKDAYS
from django.utils.functional import lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext, pgettext

from compensation import money, payees, terms
from compensation.bank import currency
from compensation.models import Asset, PayoutMethod, Schedule
from compensation.templatetags.money import amount
from provenance import chains, evm
from provenance.access import Viewer
from provenance.admin.base import OWNERS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb, VerbForm, person_of, viewer_of


class AddressForm(VerbForm):
    """An address on one of this service's chains, or an account on another."""

    address = forms.CharField(
        max_length=120,
        help_text=_lazy(
            "0x and 40 hexadecimal digits, as your wallet shows it; on a chain that is "
            "not an EVM's its CAIP-10 name, such as "
            "solana:5eykt4UsFv8P8NJdTREpY1vzqKqdKvdp:…"
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        named = [(one, evm.caip2(one)) for one in chains.ids()]
        self.fields["chain_id"] = forms.TypedChoiceField(
            label=_("On the chain"),
            coerce=int,
            choices=named,
            initial=chains.home(),
            required=False,
            widget=forms.HiddenInput if len(named) == 1 else forms.Select,
        )

    def clean_chain_id(self) -> int:
        """The ledger's own chain unless another was chosen."""
        return int(self.cleaned_data["chain_id"] or chains.home())


class AccountForm(VerbForm):
    """A bank account for a currency."""

    asset = forms.ModelChoiceField(
        queryset=Asset.objects.filter(code__startswith=currency.PREFIX).order_by("symbol"),
        label=_lazy("For payouts in"),
        empty_label=None,
    )
    holder = forms.CharField(max_length=70, help_text=_lazy("As the bank knows the account."))
    iban = forms.CharField(max_length=50, label="IBAN", help_text=_lazy("Such as DE89 3704 0044 …"))
    bic = forms.CharField(
        max_length=11,
        label=_lazy("BIC"),
        required=False,
        help_text=_lazy("Not needed within SEPA."),
    )


class TermsForm(VerbForm):
    """When to be paid an asset."""

    asset = forms.ModelChoiceField(
        queryset=Asset.objects.order_by("symbol"), label=_lazy("Payouts in"), empty_label=None
    )
    amount = forms.CharField(label=_lazy("From this amount on"), help_text=_lazy("Such as 25.00"))
    schedule = forms.ChoiceField(label=_lazy("How often"), choices=[])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("at_once", str(Schedule.AT_ONCE.label))]
        choices += [
            (f"weekly:{day}", _("Weekly, %(name)s") % {"name": name})
            for day, name in enumerate(WEEKDAYS.values(), 1)
        ]
        choices += [
            (f"monthly:{day}", _("Monthly, day %(day)s") % {"day": day}) for day in range(1, 29)
        ]
        self.fields["schedule"] = forms.ChoiceField(label=_("How often"), choices=choices)

    def clean(self) -> dict[str, Any]:
        """The amount in whole units, the schedule with its day."""
        cleaned = super().clean() or {}
        if "amount" in cleaned and cleaned.get("asset"):
            try:
                cleaned["units"] = money.to_units(cleaned["amount"], cleaned["asset"].scale)
            except money.BadAmount as error:
                self.add_error("amount", str(error))
        return cleaned


class WalletForm(VerbForm):
    """The sign-in message, signed by a key or a contract wallet."""

    signature = forms.RegexField(
        r"^0x(?:[0-9a-fA-F]{2}){1,4096}$",
        help_text=_lazy("What your wallet gives back, from 0x on."),
    )


class SignatureForm(VerbForm):
    """The challenge, signed."""

    signature = forms.RegexField(
        r"^0x[0-9a-fA-F]{130}$", help_text=_lazy("What your wallet gives back: 0x and 130 digits.")
    )


def _name_address(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    who: dict[str, Any] = {
        "party": viewer_of(request).party,
        "at": timezone.now(),
        "by": person_of(request),
    }
    if ":" in cleaned["address"]:
        made = payees.add_other_account(account=cleaned["address"], **who)
    else:
        made = payees.add_method(**cleaned, **who)
    return HttpResponseRedirect(reverse("admin:compensation_payoutmethod_change", args=[made.pk]))


def _name_account(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    made = payees.add_account(
        party=viewer_of(request).party, at=timezone.now(), by=person_of(request), **cleaned
    )
    return HttpResponseRedirect(reverse("admin:compensation_payoutmethod_change", args=[made.pk]))


def _choose(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    schedule, _sep, day = cleaned["schedule"].partition(":")
    asset = cleaned["asset"]
    made = terms.set_terms(
        party=viewer_of(request).party,
        asset=asset,
        threshold_units=cleaned["units"],
        schedule=schedule,
        day=int(day) if day else None,
        at=timezone.now(),
        by=person_of(request),
    )
    words = str(made.get_schedule_display()).lower()
    return _("You are paid %(words)s, from %(amount)s on.") % {
        "words": words,
        "amount": amount(made.threshold_units, asset),
    }


def _verify(request: HttpRequest, method: Any, cleaned: dict[str, Any]) -> str:
    done = payees.verify_method(method=method, signature=cleaned["signature"], at=timezone.now())
    if done.held_until:
        return _(
            "The address is proved to be yours; payouts go there from %(held_until)s UTC on."
        ) % {"held_until": dated(done.held_until, pgettext("date and time", "d F Y, H:i"))}
    return _("The address is proved to be yours; payouts go there from the next epoch on.")


def _challenge(request: HttpRequest, method: Any, cleaned: dict[str, Any]) -> str:
    payees.challenge(method=method, at=timezone.now())
    return _("Sign the new text below; it counts for an hour.")


def _confirm(request: HttpRequest, method: Any, cleaned: dict[str, Any]) -> str:
    payees.confirm_method(method=method, at=timezone.now())
    return _("Payouts go there again.")


def _remove(request: HttpRequest, method: Any, cleaned: dict[str, Any]) -> str:
    payees.remove_method(method=method, at=timezone.now())
    return _("Nothing new is paid there. What is in a tree already can still be claimed.")


def _is_owner(viewer: Viewer, subject: Any) -> bool:
    return viewer.party.is_owner


def _is_mine(viewer: Viewer, method: PayoutMethod) -> bool:
    return method.party_id == viewer.party.pk and method.removed_at is None


def _hold() -> str:
    """How long nothing is paid at a new place."""
    hours = settings.PAYOUT_ACCOUNT_HOLD_HOURS
    days, rest = divmod(hours, 24)
    if rest:
        return ngettext("%(count)s hour", "%(count)s hours", hours) % {"count": hours}
    return ngettext("%(count)s day", "%(count)s days", days) % {"count": days}


def _on_an_address() -> str:
    if chains.is_development():
        return _("For tokens. On the development chain it takes effect at once.")
    if not settings.PAYOUT_ACCOUNT_HOLD_HOURS:
        return _("For tokens. You prove that the address is yours by signing a text.")
    return _(
        "For tokens. You prove that the address is yours by signing a text; then nothing is paid "
        "there for %(time)s, as with a new bank account."
    ) % {"time": _hold()}


def _on_an_account() -> str:
    if not settings.PAYOUT_ACCOUNT_HOLD_HOURS:
        return _("For a currency. Its number is kept encrypted and shown masked.")
    return _(
        "For a currency. Its number is kept encrypted and shown masked. Nothing is paid there for "
        "%(time)s, and everybody who minds your money is told, so that nobody changes it unnoticed."
    ) % {"time": _hold()}


ADDRESS = Verb(
    "address",
    _lazy("Name an address to be paid at"),
    "finance",
    _name_address,
    AddressForm,
    lazy(_on_an_address, str)(),
    offered=_is_owner,
    needs_second_factor=True,
)
ACCOUNT = Verb(
    "account",
    _lazy("Name a bank account"),
    "finance",
    _name_account,
    AccountForm,
    lazy(_on_an_account, str)(),
    offered=lambda viewer, subject: (
        viewer.party.is_owner and Asset.objects.filter(code__startswith=currency.PREFIX).exists()
    ),
    needs_second_factor=True,
)
TERMS = Verb(
    "terms",
    _lazy("Choose when to be paid"),
    "finance",
    _choose,
    TermsForm,
    _lazy("Money that is payable waits until this amount has gathered and the day has come."),
    offered=_is_owner,
)


class PayoutMethodAdmin(ReadOnlyFacts):
    """Where a party is paid, was paid, or wants to be."""

    list_title = _lazy("Payout accounts and addresses")
    shown_to = OWNERS
    page_template = "compensation/method.html"
    list_display = ("shown_word", "for_word", "party", "label", "added_at")
    list_select_related = ("party", "asset", "added_by")
    ordering = ("-added_at",)
    list_words = _lazy("Where you are paid, and where you were.")
    operator_words = _lazy("Where owners are paid, and where they were.")
    empty_title = _lazy("No account or address yet")
    empty_words = _lazy("Money adds up until you name one; nothing is lost meanwhile.")
    list_verbs = (ACCOUNT, ADDRESS)
    verbs = (
        Verb(
            "verify",
            _lazy("Prove that it is mine"),
            "finance",
            _verify,
            WalletForm,
            _lazy("Sign exactly the text above with this address, and paste the signature."),
            offered=lambda viewer, method: _is_mine(viewer, method) and method.verified_at is None,
            is_inline=True,
            needs_second_factor=True,
        ),
        Verb(
            "challenge",
            _lazy("Ask for a new text"),
            "finance",
            _challenge,
            explains=_lazy(
                "The text above counts for an hour; signatures of it count no longer then."
            ),
            offered=lambda viewer, method: _is_mine(viewer, method) and method.verified_at is None,
        ),
        Verb(
            "confirm",
            _lazy("It is right: pay there again"),
            "finance",
            _confirm,
            explains=_lazy("A payout there came back. Ask your bank first why."),
            offered=lambda viewer, method: (
                _is_mine(viewer, method) and method.flagged_at is not None
            ),
            tone="primary",
            needs_second_factor=True,
        ),
        Verb(
            "remove",
            _lazy("Stop paying there"),
            "finance",
            _remove,
            explains=_lazy(
                "Nothing new is paid there. What is in a payout tree can still be claimed; what "
                "gathers waits until you name another place."
            ),
            offered=_is_mine,
            tone="danger",
            needs_second_factor=True,
        ),
    )

    @column(_lazy("Where"))
    def shown_word(self, method: PayoutMethod) -> str:
        return f"{method.address}, {method.holder}" if method.is_bank else method.chain_address

    @column(_lazy("For"))
    def for_word(self, method: PayoutMethod) -> str:
        return _paid_in(method)

    @column(
        _lazy("State"),
        label={
            "in force": "success",
            "on hold": "warning",
            "to be proved": "warning",
            "a payout came back": "danger",
            "removed": "danger",
        },
    )
    def label(self, method: PayoutMethod) -> str:
        return state_of(method)

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {
            "title": self.shown_word(subject),
            "state": state_of(subject),
            "since": subject.held_until or subject.verified_at,
        }


def _paid_in(method: PayoutMethod) -> str:
    """What is paid there: a currency, or the tokens of a chain."""
    if method.asset:
        return str(method.asset)
    if method.chain == evm.caip2(chains.DEVELOPMENT_CHAIN):
        return _("tokens on the development chain")
    return _("tokens on %(chain)s") % {"chain": chains.shortened(method.chain)}


def state_of(method: PayoutMethod) -> str:
    """Whether money may go there, in words."""
    if method.removed_at:
        return "removed"
    if not method.verified_at:
        return "to be proved"
    if method.flagged_at:
        return "a payout came back"
    return "in force" if method.is_payable(timezone.now()) else "on hold"


def methods_in_force(viewer: Viewer) -> list[dict[str, Any]]:
    """Where the viewer's party is paid now, with what stands in the way."""
    rows = PayoutMethod.objects.filter(
        Q(verified_at__isnull=False), party=viewer.party, removed_at=None
    ).select_related("asset")
    return [
        {
            "method": one,
            "state": state_of(one),
            "for": _paid_in(one),
        }
        for one in rows.order_by("kind", "asset")
    ]


site.register(PayoutMethod, PayoutMethodAdmin)
