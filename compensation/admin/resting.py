"""The facts that a proposal rests on, in words: each by its name, amounts as amounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation.models import Asset, BankAccount
from compensation.templatetags.money import amount
from provenance.admin.verbs import Words
from provenance.models import Conflict, OutboxTransaction, Party, Proposal

_Shown = Callable[[Any, Proposal], str]


def facts_of(proposal: Proposal) -> list[tuple[Words, str]]:
    """The names and values of what a proposal rests on."""
    return [
        (_FACTS[name][0], _FACTS[name][1](value, proposal))
        for name, value in proposal.basis.items()
    ]


def _state(value: Any, proposal: Proposal) -> str:
    states = OutboxTransaction.State if proposal.kind == Proposal.Kind.DISMISSAL else Conflict.State
    return str(dict(states.choices).get(value, value))


def _held(value: Any, proposal: Proposal) -> str:
    assets = Asset.objects.in_bulk(value, field_name="code")
    return ", ".join(amount(int(units), assets[code]) for code, units in value.items()) or "–"


def _limit(value: Any, proposal: Proposal) -> str:
    return amount(int(value), Asset.objects.get(code=proposal.body["asset"]))


def _account(value: Any, proposal: Proposal) -> str:
    return str(BankAccount.objects.filter(pk=value).first() or _("None"))


def _party(value: Any, proposal: Proposal) -> str:
    return str(Party.objects.get(pk=value))


def _number(value: Any, proposal: Proposal) -> str:
    return f"{value:,}" if value else _("None")


def _count(value: Any, proposal: Proposal) -> str:
    return f"{len(value):,}" if isinstance(value, list) else f"{value:,}"


def _truth(value: Any, proposal: Proposal) -> str:
    return _("Yes") if value else _("No")


def _same(value: Any, proposal: Proposal) -> str:
    return str(value)


_FACTS: dict[str, tuple[Words, _Shown]] = {
    "state": (_lazy("State"), _state),
    "round": (_lazy("Round of the case"), _count),
    "claims": (_lazy("Claims that were made"), _count),
    "said": (_lazy("What the sides said, messages"), _count),
    "resolutions": (_lazy("Decisions so far"), _count),
    "records": (_lazy("Records in question"), _count),
    "held": (_lazy("Money held for it"), _held),
    "account": (_lazy("Account that pays"), _account),
    "last": (_lazy("Number of the last one before it"), _number),
    "limit": (_lazy("Credit limit so far"), _limit),
    "entry": (_lazy("Hash of the entry"), _same),
    "is_reversed": (_lazy("Already reversed"), _truth),
    "tx_hash": (_lazy("Transaction"), _same),
    "owner": (_lazy("Owner"), _party),
    "party": (_lazy("Party"), _party),
}
