"""Where each payout stands, by bank and on the chain alike, and exactly which earnings it pays.

    accrued -> held -> payable -> sent -> paid | returned

Before it is made, a payout is what has gathered: *accrued* until its hold-back is over, *held*
while there is nowhere to send it, *payable* until enough has gathered or its day has come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Min, Sum
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from compensation import money, payees, terms
from compensation.models import (
    Account,
    Asset,
    Balance,
    BankPayout,
    Entry,
    ExportedPayout,
    Line,
    Maturity,
    Payout,
    PayoutClaim,
    PayoutEpoch,
    PayoutLeaf,
    PayoutMethod,
    PayoutStep,
    Schedule,
)
from provenance.models import Party

Kind = Account.Kind
Step = PayoutStep.Kind

ACCRUED, HELD, PAYABLE, SENT, PAID, RETURNED = (
    "accrued",
    "held",
    "payable",
    "sent",
    "paid",
    "returned",
)
STATES = (ACCRUED, HELD, PAYABLE, SENT, PAID, RETURNED)
CHOICES = [(one, one) for one in STATES]
# What pages call a payout in a tree that the chain follows, of which nothing is sent yet.
READY = "ready to claim"
# What pages call money whose party has not said where it is paid.
WAITING = "waiting"
LIST_LIMIT = 100


@dataclass(frozen=True)
class Stage:
    """A state that a payout was in, since when, and why."""

    state: str
    at: datetime | None
    words: str
    # What a page calls it, where `state` says more than has happened.
    shown: str = ""


@dataclass(frozen=True)
class Progress:
    """One payout as it stands; `reference` is empty while it only gathers."""

    reference: str
    # `bank` or `chain`.
    way: str
    party: Party
    asset: Asset
    amount_units: int
    state: str
    words: str
    to: str
    # When it was made; null while it gathers. When it was paid or came back.
    made_at: datetime | None = None
    settled_at: datetime | None = None
    # The transaction that paid it on the chain.
    tx_hash: str = ""
    # What a page calls its state, where `state` says more than has happened.
    shown: str = ""
    entry: Entry | None = None
    stages: list[Stage] = field(default_factory=list)


@dataclass(frozen=True)
class PaidLine:
    """One line that a payout pays, or is lessened by; they add up to it."""

    entry_id: int
    at: datetime
    words: str
    amount_units: int
    is_earned: bool = False


def gathering(*, party: Party, asset: Asset, at: datetime) -> list[Progress]:
    """What gathers for a party's next payout: what is held back, and what waits for what."""
    rows = Balance.objects.filter(account__party=party, account__asset=asset)
    held = dict(rows.values_list("account__kind", "posted"))
    way = PayoutMethod.Kind.CHAIN if asset.chain else PayoutMethod.Kind.BANK
    method = payees.method_in_force(party, asset)
    to = "" if method is None else method.chain_address if asset.chain else method.address
    shared: dict[str, Any] = {"reference": "", "way": way, "party": party, "asset": asset, "to": to}
    found = []
    if held.get(Kind.OWNER, 0) > 0:
        units = held[Kind.OWNER]
        state, words = waits_for(party=party, asset=asset, units=units, at=at)
        # Nobody holds what only waits for its party to say where it goes.
        shown = WAITING if method is None else ""
        found.append(Progress(amount_units=units, state=state, words=words, shown=shown, **shared))
    if held.get(Kind.OWNER_PENDING, 0) > 0:
        first = Maturity.objects.filter(
            matured_at=None,
            entry__lines__account__party=party,
            entry__lines__account__kind=Kind.OWNER_PENDING,
            entry__asset=asset,
        ).aggregate(first=Min("matures_at"))["first"]
        words = _("It was earned, and is held back so that mistakes can be put right.")
        if first:
            payable = _("The first of it is payable on %(day)s.") % {"day": f"{first:%Y-%m-%d}"}
            words = f"{words} {payable}"
        found.append(
            Progress(amount_units=held[Kind.OWNER_PENDING], state=ACCRUED, words=words, **shared)
        )
    return found


def payouts_of(
    *, party: Party, asset: Asset | None = None, before: datetime | None = None
) -> list[Progress]:
    """A party's latest payouts that were made before a moment, the newest first."""
    only: dict[str, Any] = {"party": party}
    banks, leaves = _banks().filter(**only), _leaves().filter(**only)
    exported = _exported().filter(**only)
    if asset is not None:
        banks, leaves = banks.filter(asset=asset), leaves.filter(epoch__asset=asset)
        exported = exported.filter(export__asset=asset)
    if before is not None:
        banks = banks.filter(run__made_at__lt=before)
        leaves = leaves.filter(epoch__built_at__lt=before)
        exported = exported.filter(export__made_at__lt=before)
    found = [_of_bank(one) for one in banks.order_by("-run__made_at")[:LIST_LIMIT]]
    found += map(_of_export, exported.order_by("-export__made_at")[:LIST_LIMIT])
    chosen = list(leaves.order_by("-epoch__built_at")[:LIST_LIMIT])
    found += _of_chain(chosen)
    found.sort(key=lambda one: (one.made_at is None, one.made_at), reverse=True)
    return found[:LIST_LIMIT]


def payout_of(*, party: Party, reference: str) -> Progress | None:
    """A party's payout by its reference, with every state that it went through."""
    bank = _banks().filter(party=party, reference=reference).first()
    if bank is not None:
        return _staged(_of_bank(bank), _bank_stages(bank))
    exported = _exported().filter(party=party, reference=reference).first()
    if exported is not None:
        made = _of_export(exported)
        return _staged(made, [Stage(made.state, made.settled_at or made.made_at, made.words)])
    number = reference.removeprefix("E")
    if not is_number(number):
        return None
    leaf = _leaves().filter(party=party, pk=int(number)).first()
    if leaf is None:
        return None
    (made,) = _of_chain([leaf])
    return _staged(made, [Stage(made.state, made.settled_at or made.made_at, made.words)])


def is_number(text: str) -> bool:
    """Whether a text may name a row by its number."""
    return text.isascii() and text.isdecimal() and len(text) <= 18


def reference_of(leaf: PayoutLeaf) -> str:
    """What a payout on the chain is called here."""
    return f"E{leaf.pk}"


def lines_of(made: Progress) -> list[PaidLine]:
    """Exactly what a payout pays: every earning, less what was recovered or is too fine to pay.

    All that came to the payable account since the payout before, matured earnings one by one;
    the lines add up to the payout, to the unit.
    """
    assert made.entry is not None, "a payout that was made has its entry"
    account = Account.objects.get(kind=Kind.OWNER, asset=made.asset, party=made.party)
    lines = Line.objects.filter(account=account).select_related("entry").order_by("entry")
    before = lines.filter(entry__kind=Entry.Kind.PAYOUT, entry__lt=made.entry).last()
    since = before.entry_id if before is not None else 0
    rest = _sum(lines.filter(entry__lte=since))
    found = []
    if rest and before is not None:
        words = _("Left over from the payout before")
        found.append(PaidLine(since, before.entry.posted_at, words, rest))
    for line in lines.filter(entry__gt=since, entry__lt=made.entry):
        found += _opened(line, made.party)
    left = _sum(lines.filter(entry__lte=made.entry))
    if left:
        words = _("Too fine to be paid, or set aside: it stays yours")
        found.append(PaidLine(made.entry.pk, made.entry.posted_at, words, -left))
    return found


def paid_units(*, party: Party, asset: Asset, since: datetime, until: datetime) -> int:
    """What reached a party from `since` to before `until`, by bank and on the chain."""
    chain = Payout.objects.filter(
        party=party, asset=asset, settled_at__gte=since, settled_at__lt=until
    )
    bank = BankPayout.objects.filter(
        party=party,
        asset=asset,
        state=BankPayout.State.PAID,
        steps__kind=Step.DEBITED,
        steps__at__gte=since,
        steps__at__lt=until,
    )
    return sum(
        int(rows.aggregate(total=Sum("amount_units"))["total"] or 0) for rows in (chain, bank)
    )


def _sum(lines: Any) -> int:
    return int(lines.aggregate(total=Sum("amount_units"))["total"] or 0)


def _opened(line: Line, party: Party) -> Iterator[PaidLine]:
    """A line of the payable account; where earnings matured, each of them."""
    entry = line.entry
    if entry.kind != Entry.Kind.MATURITY:
        words = str(entry.get_kind_display())
        yield PaidLine(entry.pk, entry.posted_at, words, line.amount_units)
        return
    earned = Line.objects.filter(
        entry__in=entry.facts["entries"],
        account__kind=Kind.OWNER_PENDING,
        account__party=party,
        account__asset=entry.asset,
        amount_units__gt=0,
    ).select_related("entry")
    rest = line.amount_units
    for one in earned.order_by("entry"):
        words = _("Earned: %(kind)s") % {"kind": str(one.entry.get_kind_display()).lower()}
        yield PaidLine(
            one.entry_id, one.entry.effective_at, words, one.amount_units, is_earned=True
        )
        rest -= one.amount_units
    if rest:
        words = _("Taken by a decision in a conflict while it was held back")
        yield PaidLine(entry.pk, entry.posted_at, words, rest)


def waits_for(*, party: Party, asset: Asset, units: int, at: datetime) -> tuple[str, str]:
    """Whether what is payable can be sent (`held` or `payable`), and what it waits for."""
    method = payees.method_in_force(party, asset)
    if method is None:
        waits = (
            _("It waits until you name an address for %(asset)s.")
            if asset.chain
            else _("It waits until you name a bank account for %(asset)s.")
        )
        return HELD, waits % {"asset": asset}
    if method.flagged_at is not None:
        return HELD, _("A payout there came back: %(flag_words)s Confirm it or name another.") % {
            "flag_words": method.flag_words
        }
    if method.held_until is not None and method.held_until > at:
        return HELD, (
            _(
                "Where it goes is new: nothing is paid there before %(held_until)s UTC, so "
                "that a stranger's change is noticed."
            )
            % {"held_until": f"{method.held_until:%Y-%m-%d %H:%M}"}
        )
    own = terms.terms_of(party, asset)
    if units < own.threshold_units:
        least = f"{money.grouped(own.threshold_units, asset.scale)} {asset.symbol}"
        return PAYABLE, _("It is paid once %(least)s have gathered.") % {"least": least}
    last = terms.last_payouts(asset, party).get(party.pk)
    if not own.is_due(at, last):
        slot = own.next_slot(at)
        assert slot is not None, "only a schedule makes wait"
        often = str(Schedule(own.schedule).label).lower()
        return PAYABLE, _("You are paid %(often)s, next from %(slot)s on.") % {
            "often": often,
            "slot": f"{slot:%Y-%m-%d}",
        }
    if asset.is_on_another_chain:
        return PAYABLE, _("It goes with the next file for the operator's payout tool.")
    if asset.chain:
        return PAYABLE, _("It goes with the next tree.")
    return PAYABLE, _("It goes with the next payment run.")


def _banks() -> Any:
    return BankPayout.objects.select_related(
        "party", "asset", "method", "run__entry"
    ).prefetch_related("steps")


def _leaves() -> Any:
    return PayoutLeaf.objects.filter(added_units__gt=0).select_related(
        "party", "epoch__asset", "epoch__entry", "epoch__contract"
    )


def _of_bank(one: BankPayout) -> Progress:
    last = list(one.steps.all())[-1]
    ends = {
        BankPayout.State.PAID: (Step.DEBITED,),
        BankPayout.State.RETURNED: (Step.CREDITED, Step.REJECTED, Step.WITHDRAWN),
    }.get(BankPayout.State(one.state), ())
    end = next((step for kind in ends for step in one.steps.all() if step.kind == kind), None)
    return Progress(
        reference=one.reference,
        way=PayoutMethod.Kind.BANK,
        party=one.party,
        asset=one.asset,
        amount_units=one.amount_units,
        state=one.state,
        words=_said(end or last),
        to=f"{one.method.address}, {one.method.holder}",
        made_at=one.run.made_at,
        settled_at=end.at if end is not None else None,
        entry=one.run.entry,
    )


def _exported() -> Any:
    return ExportedPayout.objects.select_related("party", "export__asset", "export__entry")


def _of_export(one: ExportedPayout) -> Progress:
    words = {
        ExportedPayout.State.SENT: _("In the file for the operator's payout tool."),
        ExportedPayout.State.PAID: _paid_in(one.tx_hash),
        ExportedPayout.State.RETURNED: _("It could not be paid: %(words)s")
        % {"words": one.words or _("no reason given.")},
    }
    return Progress(
        reference=one.reference,
        way=PayoutMethod.Kind.CHAIN,
        party=one.party,
        asset=one.export.asset,
        amount_units=one.amount_units,
        state=one.state,
        words=words[ExportedPayout.State(one.state)],
        to=one.address,
        made_at=one.export.made_at,
        settled_at=one.settled_at,
        tx_hash=one.tx_hash,
        shown="prepared" if one.state == ExportedPayout.State.SENT else "",
        entry=one.export.entry,
    )


def _paid_in(tx_hash: str) -> str:
    return _("Paid in transaction %(tx_hash)s.") % {"tx_hash": tx_hash}


def _said(step: PayoutStep) -> str:
    code = f" ({step.code})" if step.code else ""
    words = f": {step.words}" if step.words else ""
    end = pgettext("end of a sentence", ".")
    return f"{step.get_kind_display()}{code}{words}".rstrip(".") + end


def _bank_stages(one: BankPayout) -> list[Stage]:
    """What is known of a payment, as states; an answer of the bank leaves it sent."""
    states = {
        Step.DEBITED: PAID,
        Step.CREDITED: RETURNED,
        Step.REJECTED: RETURNED,
        Step.WITHDRAWN: RETURNED,
    }
    return [
        Stage(states.get(Step(step.kind), SENT), step.at, _said(step)) for step in one.steps.all()
    ]


def _of_chain(leaves: Iterable[PayoutLeaf]) -> list[Progress]:
    chosen = list(leaves)
    parties: set[UUID] = {one.party_id for one in chosen}
    paid = list(Payout.objects.filter(party__in=parties).order_by("token_cumulative"))
    claims = {
        claim.leaf_id: claim
        for claim in PayoutClaim.objects.filter(leaf__in=chosen).select_related("outbox")
    }
    found = []
    for leaf in chosen:
        payout = next((one for one in paid if _covers(one, leaf)), None)
        shown, words = _on_chain(leaf, claims.get(leaf.pk), payout)
        found.append(
            Progress(
                reference=reference_of(leaf),
                way=PayoutMethod.Kind.CHAIN,
                party=leaf.party,
                asset=leaf.epoch.asset,
                amount_units=leaf.added_units,
                state=SENT if payout is None else PAID,
                words=words,
                shown=shown,
                to=leaf.address,
                made_at=leaf.epoch.built_at,
                settled_at=payout.settled_at if payout is not None else None,
                tx_hash=payout.tx_hash if payout is not None else "",
                entry=leaf.epoch.entry,
            )
        )
    return found


def _covers(payout: Payout, leaf: PayoutLeaf) -> bool:
    return (
        payout.contract_id == leaf.epoch.contract_id
        and payout.party_id == leaf.party_id
        and payout.token_cumulative >= leaf.cumulative
    )


def _on_chain(
    leaf: PayoutLeaf, claim: PayoutClaim | None, payout: Payout | None
) -> tuple[str, str]:
    """What a page calls the state of a leaf, and what there is to know."""
    if payout is not None:
        return PAID, _paid_in(payout.tx_hash)
    if leaf.epoch.state != PayoutEpoch.State.ACTIVE:
        words = _("In the tree of epoch %(number)s, which the chain does not follow yet.")
        return "waiting", words % {"number": leaf.epoch.number}
    if claim is not None and leaf.failures.filter(tx_hash=claim.outbox.tx_hash).exists():
        words = _(
            "The token refused the transfer to %(address)s; it stays yours. Name another "
            "address, or claim again when this one may receive."
        )
        return "refused", words % {"address": leaf.address}
    if claim is None or claim.outbox.state == "dismissed":
        return READY, _("Ready: claim it, or wait until the service sends it.")
    if claim.outbox.state == "review":
        return "review", _("The chain refused the transaction, and an operator looks at it.")
    return SENT, _("On its way; it counts as paid once the chain can no longer change it.")


def _staged(made: Progress, later: list[Stage]) -> Progress:
    """The payout with its stages from the first earning on."""
    lines = lines_of(made)
    earned = [one.at for one in lines if one.is_earned]
    assert made.entry is not None, "a payout that was made has its entry"
    matured = Line.objects.filter(
        account__kind=Kind.OWNER,
        account__party=made.party,
        account__asset=made.asset,
        entry__kind=Entry.Kind.MATURITY,
        entry__lt=made.entry,
    ).order_by("entry")
    last = matured.select_related("entry").last()
    stages = []
    if earned:
        stages += [
            Stage(ACCRUED, min(earned), _("The first of it was earned.")),
            Stage(
                HELD,
                min(earned),
                _("Held back, so that mistakes can be put right."),
                shown="waiting period",
            ),
        ]
    if last is not None:
        stages.append(Stage(PAYABLE, last.entry.posted_at, _("The last of it became payable.")))
    if made.way == PayoutMethod.Kind.CHAIN:
        how = (
            _("Put into a file; it is for %(to)s.")
            if made.asset.is_on_another_chain
            else _("Put into the tree; it is for %(to)s.")
        )
        stages.append(Stage(SENT, made.made_at, how % {"to": made.to}, shown="prepared"))
        later = [stage for stage in later if stage.state != SENT]
    return Progress(**{**made.__dict__, "stages": [*stages, *later]})
