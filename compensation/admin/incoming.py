"""Money on its way in: addresses that labs pay from, transfers, and payments at providers."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin import EmptyFieldListFilter
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation import payments, transfers
from compensation.admin.payees import AddressForm, SignatureForm
from compensation.admin.paying_in import by_token
from compensation.models import PayingAddress, Payment, Transfer
from compensation.templatetags.money import amount
from provenance.access import Viewer
from provenance.admin.base import LABS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Verb, VerbForm, person_of, viewer_of
from provenance.models import Party


class AssignForm(VerbForm):
    """Whose money it is."""

    lab = forms.ModelChoiceField(
        queryset=Party.objects.filter(is_lab=True).order_by("name"), empty_label=None
    )
    reason = forms.CharField(max_length=300, help_text=_lazy("How you know; it is kept."))


def _name(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    made = transfers.name_address(
        lab=viewer_of(request).party,
        address=cleaned["address"],
        chain_id=cleaned["chain_id"],
        at=timezone.now(),
        by=person_of(request),
    )
    if made.verified_at:
        return _("Transfers from it are deposits of yours from now on.")
    return _("Open it below and sign its text: then transfers from it are deposits of yours.")


def _verify(request: HttpRequest, named: Any, cleaned: dict[str, Any]) -> str:
    transfers.verify_address(named=named, signature=cleaned["signature"], at=timezone.now())
    return _("The address is proved to be yours; what came from it is credited.")


def _remove(request: HttpRequest, named: Any, cleaned: dict[str, Any]) -> str:
    transfers.remove_address(named=named, at=timezone.now())
    return _("Transfers from it are credited no longer.")


def _assign_transfer(request: HttpRequest, transfer: Any, cleaned: dict[str, Any]) -> str:
    transfers.assign(transfer=transfer, at=timezone.now(), by=person_of(request), **cleaned)
    return _("It is credited to %(lab)s.") % {"lab": cleaned["lab"]}


def _assign_payment(request: HttpRequest, payment: Any, cleaned: dict[str, Any]) -> str:
    found = payments.assign(payment=payment, at=timezone.now(), by=person_of(request), **cleaned)
    return found.note or _("It is credited to %(lab)s.") % {"lab": cleaned["lab"]}


def _is_own(viewer: Viewer, named: Any) -> bool:
    return named.lab_id == viewer.party.pk and named.removed_at is None


class PayingAddressAdmin(ReadOnlyFacts):
    """Where a lab pays from."""

    list_title = _lazy("Addresses to pay from")
    list_before_template = "compensation/paying_addresses_head.html"
    shown_to = LABS
    page_template = "compensation/incoming.html"
    list_display = ("address", "lab", "label", "added_at")
    list_select_related = ("lab", "added_by")
    ordering = ("-added_at",)
    empty_title = _lazy("No address yet")
    empty_words = _lazy("Name the wallet that you pay from, so that its tokens are known as yours.")
    list_verbs = (
        Verb(
            "name",
            _lazy("Name an address"),
            "finance",
            _name,
            AddressForm,
            _lazy(
                "One of your own wallet's: you sign a text with it, unless the chain is a "
                "development chain."
            ),
            offered=lambda viewer, subject: viewer.party.is_lab,
            tone="primary",
        ),
    )
    verbs = (
        Verb(
            "verify",
            _lazy("Prove that it is mine"),
            "finance",
            _verify,
            SignatureForm,
            _lazy("Sign exactly the text above with this address, and paste the signature."),
            offered=lambda viewer, named: _is_own(viewer, named) and named.verified_at is None,
            is_inline=True,
        ),
        Verb("remove", _lazy("Credit it no longer"), "finance", _remove, offered=_is_own),
    )

    @column(
        _lazy("State"),
        label={"in force": "success", "to be proved": "warning", "removed": "danger"},
    )
    def label(self, named: PayingAddress) -> str:
        if named.removed_at:
            return "removed"
        return "in force" if named.verified_at else "to be proved"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Where tokens are sent stands above the addresses that they may come from."""
        extra = {"by_token": by_token(), **(extra_context or {})}
        return super().changelist_view(request, extra)

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {
            "title": subject.address,
            "rows": [
                (_("Address"), str(subject)),
                (_("Of"), subject.lab),
                (_("State"), self.label(subject)),
            ],
            "moments": [(_("Named"), subject.added_at), (_("In force since"), subject.verified_at)],
            "challenge": "" if subject.verified_at else subject.challenge,
        }


class TransferAdmin(ReadOnlyFacts):
    """Final transfers to the deposit address."""

    list_title = _lazy("Transfers")
    shown_to = LABS
    page_template = "compensation/incoming.html"
    list_display = ("amount_word", "whose", "sender", "mined_at")
    list_filter = (("deposit", EmptyFieldListFilter),)
    list_select_related = ("asset", "deposit__lab")
    search_fields = ("tx_hash", "sender")
    ordering = ("-mined_at",)
    list_words = _lazy("Tokens that came, once the chain can no longer change it.")
    empty_title = _lazy("No transfer yet")
    empty_words = _lazy("Tokens count as a deposit when they come from an address that is named.")
    empty_step = (_lazy("To the paying addresses"), "admin:compensation_payingaddress_changelist")
    verbs = (
        Verb(
            "assign",
            _lazy("Say whose it is"),
            "finance",
            _assign_transfer,
            AssignForm,
            _lazy("It is credited once and stays with that lab."),
            offered=lambda viewer, row: viewer.is_operator and row.deposit_id is None,
            tone="primary",
        ),
    )

    @column(_lazy("Amount"), ordering="amount_units")
    def amount_word(self, row: Transfer) -> str:
        return amount(row.amount_units, row.asset)

    @column(_lazy("Credited to"))
    def whose(self, row: Transfer) -> str:
        return str(row.deposit.lab) if row.deposit else _("nobody yet")

    def parties_of(self, subject: Any) -> list[Party]:
        return [subject.deposit.lab] if subject.deposit else []

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {
            "title": _("%(amount)s from %(sender)s")
            % {"amount": amount(subject.amount_units, subject.asset), "sender": subject.sender},
            "note": ""
            if subject.deposit
            else _("No lab has proved that it pays from this address."),
            "rows": [
                (_("Credited to"), self.whose(subject)),
                (
                    _("Transaction"),
                    _("%(tx_hash)s, log %(log_index)s")
                    % {"tx_hash": subject.tx_hash, "log_index": subject.log_index},
                ),
                (_("Block"), subject.block_number),
                (_("In the token's decimals"), f"{subject.token_amount:f}"),
                (_("Why"), subject.reason or _("the sender is the lab's")),
            ],
            "moments": [(_("Mined"), subject.mined_at), (_("Seen"), subject.seen_at)],
            "deposit": subject.deposit,
        }


class PaymentAdmin(ReadOnlyFacts):
    """Payments at providers."""

    list_title = _lazy("Payments")
    shown_to = LABS
    page_template = "compensation/incoming.html"
    list_display = ("key", "provider", "lab", "amount_word", "label", "changed_at")
    list_filter = ("state", "provider")
    list_select_related = ("lab", "asset", "deposit__asset")
    search_fields = ("key",)
    ordering = ("-changed_at",)
    list_words = _lazy("What payment providers told us, worked into deposits.")
    empty_title = _lazy("No payment yet")
    empty_words = _lazy("A payment stands here as soon as its provider says that it arrived.")
    empty_step = (_lazy("To the deposits"), "admin:compensation_deposit_changelist")
    verbs = (
        Verb(
            "assign",
            _lazy("Say whose it is"),
            "finance",
            _assign_payment,
            AssignForm,
            _lazy("It is credited once and stays with that lab."),
            offered=lambda viewer, row: viewer.is_operator and row.lab_id is None,
            tone="primary",
        ),
    )

    @column(_lazy("Amount"))
    def amount_word(self, row: Payment) -> str:
        return amount(row.deposit.amount_units, row.deposit.asset) if row.deposit else "–"

    @column(
        _lazy("State"),
        label={
            "credited": "success",
            "review": "danger",
            "unassigned": "warning",
            "waiting": "info",
        },
    )
    def label(self, row: Payment) -> str:
        return str(row.state)

    def parties_of(self, subject: Any) -> list[Party]:
        return [subject.lab] if subject.lab else []

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        asset = subject.deposit.asset if subject.deposit else None
        taken = amount(subject.taken_units, asset)
        return {
            "note": subject.note,
            "rows": [
                (_("State"), subject.get_state_display()),
                (_("Of"), subject.lab or _("nobody yet")),
                (_("Amount"), self.amount_word(subject)),
                (_("Went back"), taken if subject.taken_units else _("nothing")),
            ],
            "moments": [
                (_("Heard of"), subject.first_heard_at),
                (_("Changed"), subject.changed_at),
            ],
            "deposit": subject.deposit,
            "events": subject.events.order_by("pk")[:100],
        }


site.register(PayingAddress, PayingAddressAdmin)
site.register(Transfer, TransferAdmin)
site.register(Payment, PaymentAdmin)
