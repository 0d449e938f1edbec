"""Two of everything: what belongs to Aurora and Cobalt, and what belongs to Birch and Delta.

Elm Editions stands on the other side of both conflicts, so that neither of the two is a party to
what is the other's. Una contributes to Aurora's data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from typing import Any

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models import Model

from compensation import billing, conversions, deposits, holdback, holds, payees, payment_runs
from compensation.models import (
    Account,
    Asset,
    BankAccount,
    BankPayout,
    Charge,
    Conversion,
    Deposit,
    Entry,
    Hold,
    Invoice,
    InvoiceWaiting,
    Line,
    PaymentRun,
    PayoutLeaf,
    PayoutMethod,
    Period,
    Policy,
    Pool,
    TaxProfile,
    TaxRule,
)
from provenance import (
    conflicts,
    contributors,
    derivation,
    ledger,
    licensing,
    merkle,
    ownership,
    parties,
    publishing,
    trees,
    usage,
)
from provenance.models import (
    ApiKey,
    Conflict,
    Contributor,
    Dataset,
    DatasetVersion,
    Derivation,
    Event,
    Grant,
    Invitation,
    Licence,
    Membership,
    Notice,
    Overlap,
    OwnershipTransfer,
    Party,
    Proposal,
    Rate,
    Review,
    Run,
    Split,
    SplitShare,
    StoredTree,
    Subscription,
    TrainedModel,
    Usage,
    User,
)
from tests import factories
from tests.compensation.banking import OUR_IBAN, earn
from tests.compensation.invoicing import MARCH, issue, profile, rule
from tests.factories import NOON
from tests.matrix.bakery import bake

SHARED = "the marsh at dawn was quiet"
DAY = timedelta(days=1)


@dataclass
class Belongings:
    """One row of each model that belongs to an owner and a lab."""

    owner: Party
    lab: Party
    rows: dict[type[Model], Any] = field(default_factory=dict)

    def row(self, model: type[Model]) -> Any:
        """The row of `model`, made when it is first asked for."""
        if model not in self.rows:
            with transaction.atomic():
                self.rows[model] = _row(model, self)
        return self.rows[model]


@dataclass
class World:
    """Who there is, and what is whose."""

    people: dict[str, User | None]
    sets: dict[str, Belongings]


def build() -> World:
    """All of it, in the database that the settings name."""
    aurora = factories.party("Aurora Archive", is_owner=True)
    birch = factories.party("Birch Books", is_owner=True)
    elm = factories.party("Elm Editions", is_owner=True)
    cobalt = factories.party("Cobalt Labs", is_lab=True)
    delta = factories.party("Delta Labs", is_lab=True)
    operations = factories.party("Tallymark Operations", is_operator=True)
    people: dict[str, User | None] = {
        "anonymous": None,
        "owner": factories.user("ada@aurora.example", party=aurora),
        "other owner": factories.user("ben@birch.example", party=birch),
        "lab": factories.user("cleo@cobalt.example", party=cobalt),
        "other lab": factories.user("dora@delta.example", party=delta),
        "operator": factories.user("olga@operations.example", party=operations),
    }
    euro = deposits.register_asset(code="iso4217:EUR", symbol="EUR", scale=6, name="euro")
    sets = {"aurora, cobalt": Belongings(aurora, cobalt), "birch, delta": Belongings(birch, delta)}
    for own in sets.values():
        own.rows[Asset] = euro
        _register(own, elm)
        _use(own)
        _belong(own)
    _invoice(operations, sets)
    _order(sets)
    una = sets["aurora, cobalt"].row(Contributor).party
    people["contributor"] = factories.user("una@una.example", party=una)
    ledger.seal()
    for own in sets.values():
        subject = str(own.row(Dataset).pk)
        own.rows[Event] = Event.objects.filter(subject_id=subject).earliest("id")
    return World(people, sets)


def _register(own: Belongings, elm: Party) -> None:
    """A dataset, its conflict with Elm's, its licence, and who contributed."""
    dataset = factories.dataset(own.owner, "almanac")
    version = factories.version(dataset, [SHARED, f"a text of {own.owner}"])
    publishing.publish(dataset=dataset, at=NOON)
    name = f"copy-{own.owner.namespace}"
    theirs = factories.version(factories.dataset(elm, name), [SHARED, f"{name} alone"])
    overlap = factories.overlap(theirs, version, [(SHARED, SHARED)])
    conflict = conflicts.open_from_overlap(overlap=overlap, at=NOON)
    assert conflict is not None
    euro = own.rows[Asset]
    licence = licensing.offer_licence(
        dataset=dataset, name="Training", text="You may.", purposes=["pretrain"],
        is_automatic=True, at=NOON,
    )  # fmt: skip
    rate = licensing.set_rate(
        licence=licence, basis="per_1k_records", price_units=10_000_000, asset=euro.code,
        valid_from=NOON, at=NOON,
    )  # fmt: skip
    una = contributors.name(owner=own.owner, label="Una", at=NOON)
    split = contributors.divide(dataset=dataset, owner_weight=3, weights={una: 1}, at=NOON)
    own.rows |= {
        Dataset: dataset, DatasetVersion: version, Overlap: overlap, Conflict: conflict,
        Licence: licence, Rate: rate, Contributor: una, Split: split,
        SplitShare: split.shares.get(party=una.party),
    }  # fmt: skip


def _use(own: Belongings) -> None:
    """A grant, a run of the lab that used the data, and the money that moved."""
    euro, version = own.rows[Asset], own.rows[DatasetVersion]
    deposits.deposit(
        lab=own.lab, asset=euro, amount_units=10**9, reference=f"wire {own.lab}", at=NOON
    )
    grant = licensing.request_grant(
        lab=own.lab, licence=own.rows[Licence], purposes=["pretrain"], at=NOON
    )
    run = usage.start_run(lab=own.lab, purpose="pretrain", at=NOON)
    used = usage.report_usage(
        run=run, subject=str(version.pk), purpose="pretrain", stream="s", sequence=1,
        count=usage.Count(2, 10, 1), used_at=NOON, received_at=NOON,
    )  # fmt: skip
    usage.end_run(run=run, at=NOON)
    model = usage.register_model(lab=own.lab, name=f"model of {own.lab}", run=run, at=NOON)
    billing.bill_batch(at=NOON + DAY)
    holdback.mature_credits(at=NOON + 60 * DAY)
    own.rows |= {Grant: grant, Run: run, Usage: used, TrainedModel: model}
    own.rows[Charge] = Charge.objects.get(usage=used)
    own.rows[Entry] = own.rows[Charge].entry
    own.rows[Account] = Account.objects.get(party=own.lab, kind=Account.Kind.LAB)
    own.rows[Line] = Line.objects.get(entry=own.rows[Entry], account=own.rows[Account])
    own.rows[Deposit] = Deposit.objects.get(lab=own.lab)


def _invoice(operations: Party, sets: dict[str, Belongings]) -> None:
    """The month is closed, and what was earned and spent in it is invoiced."""
    sides = [party for own in sets.values() for party in (own.owner, own.lab)]
    for party in (operations, *sides):
        profile(party)
    for side in ("lab", "owner"):
        rule(side)
    issue()
    for own in sets.values():
        own.rows |= {
            Invoice: Invoice.objects.get(party=own.lab),
            TaxProfile: TaxProfile.objects.get(party=own.owner),
            TaxRule: TaxRule.objects.get(side="lab"),
            Period: Period.objects.get(name=MARCH),
        }


def _order(own_sets: dict[str, Belongings]) -> None:
    """One run of the bank that pays both owners."""
    euro = next(iter(own_sets.values())).rows[Asset]
    account = payment_runs.name_account(
        asset=euro, holder="Tallymark Operations", iban=OUR_IBAN, bic="ABNANL2A", at=NOON
    )
    for own in own_sets.values():
        own.row(PayoutMethod)
        earn(own.owner, euro, 10_000_000)
    at = NOON + 90 * DAY
    run = payment_runs.make_run(asset=euro, execute_on=at.date(), at=at)
    for own in own_sets.values():
        own.rows |= {
            BankAccount: account,
            PaymentRun: run,
            BankPayout: run.payouts.get(party=own.owner),
        }


def _belong(own: Belongings) -> None:
    """The owner's people, its key and its invitation."""
    person = User.objects.get(memberships__party=own.owner)
    key, _ = parties.issue_key(party=own.owner, name="k", scopes=[], created_by=person, at=NOON)
    parties.invite(
        party=own.owner, email="new@example.org", role="viewer", invited_by=person, at=NOON
    )
    own.rows |= {
        User: person,
        ApiKey: key,
        Party: own.owner,
        Membership: Membership.objects.get(party=own.owner),
        Invitation: Invitation.objects.get(party=own.owner),
    }


def _row(model: type[Model], own: Belongings) -> Any:
    """A row by its use case where the database asks for one; any row otherwise."""
    make = MADE.get(model)
    if make is not None:
        return make(own)
    given = {name: make_one(own) for name, make_one in GIVEN.get(model, {}).items()}
    return bake(model, own.row, (own.owner, own.lab), **given)


def _derivation(own: Belongings) -> Derivation:
    child = factories.dataset(own.owner, "digest")
    return derivation.declare(
        child=child, source=own.row(DatasetVersion), policy="relative", basis_points=100, at=NOON
    )


def _hold(own: Belongings) -> Hold:
    return holds.place(
        target=own.row(Account), amount_units=1, idempotency_key=f"hold {own.lab}",
        expires_at=None, at=NOON,
    )  # fmt: skip


def _conversion(own: Belongings) -> Conversion:
    dollar, _ = Asset.objects.get_or_create(code="iso4217:USD", symbol="USD", scale=6)
    conversions.fund_treasury(
        asset=dollar, amount_units=10**6, reference=f"funds for {own.lab}", at=NOON
    )
    return conversions.convert(
        source=own.row(Account), target_asset=dollar, units=100, rate=Fraction(1),
        reference=f"conversion of {own.lab}", reason="asked for", at=NOON,
    )  # fmt: skip


def _method(own: Belongings) -> PayoutMethod:
    return payees.add_account(
        party=own.owner, asset=own.rows[Asset], iban="DE89370400440532013000", holder="x", at=NOON
    )


def _passing(own: Belongings) -> OwnershipTransfer:
    heir = factories.party(f"Heir of {own.owner}", is_owner=True)
    dataset = factories.dataset(own.owner, "passing")
    return ownership.propose_transfer(
        dataset=dataset, receiver=heir, reason="Sold.", by=None, at=NOON
    )


def _tree(_: Belongings) -> StoredTree:
    return trees.store(merkle.Tree([bytes(32), bytes(31) + b"1"], sort_leaves=False))


def _security_key(own: Belongings) -> Authenticator:
    # A colleague's: whoever has one is asked for it before the pages that the others are asked for.
    colleague = factories.user(f"key@{own.owner.namespace}.example", party=own.owner)
    data = {"name": "The key on the ring", "passwordless": False, "credential": {}}
    return Authenticator.objects.create(user=colleague, type="webauthn", data=data)


# What only a use case can write, or is whole only so.
MADE: dict[type[Model], Callable[[Belongings], Any]] = {
    Authenticator: _security_key,
    Derivation: _derivation,
    Hold: _hold,
    Conversion: _conversion,
    Notice: lambda own: Notice.objects.filter(party=own.owner).earliest("id"),
    OwnershipTransfer: _passing,
    PayoutMethod: _method,
    StoredTree: _tree,
}
# Columns that a check of the database ties to others.
GIVEN: dict[type[Model], dict[str, Callable[[Belongings], Any]]] = {
    PayoutLeaf: {"position": lambda _: 0},
    Policy: {"condition": lambda _: "case.stake > 0", "due_hours": lambda _: 1},
    Proposal: {"body": lambda own: {"conflict": str(own.row(Conflict).pk)}},
    Review: {"evidence": lambda _: {"streams": [], "missing": 1}},
    Pool: {"kind": lambda _: "subscription", "subscription": lambda own: own.row(Subscription)},
    InvoiceWaiting: {"party": lambda own: own.lab},
}
