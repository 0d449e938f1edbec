"""The proof of a payment: usage event, charge, journal entry, payout leaf, and the chain's log.

`tallymark verify` checks the file without trusting us; its format stands in
client/tallymark/proofs.py.
"""

from __future__ import annotations

from typing import Any

from compensation import audit, billing, charge_tree, commitments, journal, payouts
from compensation.models import Account, Charge, ChargeGroup, Entry, Payout, PayoutLeaf, Weight
from compensation.statements.grounds import COUNTED
from compensation.statements.shares import leaf_for
from provenance import anchor, evm, receipts
from provenance.models import Event, Party, Usage, UsageReceipt
from provenance.plans import STEPS
from provenance.refusals import Refused

FORMAT = "tallymark-proof/1"


class NotPaidOutYet(Refused):
    """This charge has not reached a payout yet."""

    code = "not_paid_out_yet"
    hint = "Your statement says what it waits for; the charge's event can be proved already."


class NotSealedInLedger(Refused):
    """The ledger does not cover this journal entry yet."""

    code = "journal_not_sealed_yet"
    hint = "The journal is sealed into the ledger within seconds: ask again."


class EarnsNothing(Refused):
    """This charge earned this party nothing."""

    code = "earns_nothing"
    hint = "Choose a charge from a line of your own statement."


class RecoveredFromChain(Refused):
    """The books behind this payment were lost, and rebuilt from the chain."""

    code = "recovered_from_chain"
    hint = "The chain itself proves the payment: look at its transaction."


def payment_proof(party: Party, charge: Charge) -> dict[str, Any]:
    """The proof file that `charge` was paid to `party`, as far as it has come.

    Without a payment yet the file says so (`paid` is null). Raises EarnsNothing, NotPaidOutYet,
    NotSealedInLedger, anchor.NotSealedYet or anchor.NotAnchoredYet.
    """
    entry = charge.entry
    if entry is None:
        raise EarnsNothing
    account = journal.account(Account.Kind.OWNER_PENDING, entry.asset, party=party)
    if not entry.lines.filter(account=account).exists():
        raise EarnsNothing
    first = leaf_for(entry, party)
    if first is None:
        raise NotPaidOutYet
    paid = _paid(first)
    return _document(account, entry, charge, paid.leaf if paid else first, paid)


def payout_proof(payout: Payout) -> dict[str, Any]:
    """The proof file of a payment, from the last entry that it paid out.

    Where that entry divided money anew after a conflict, no one charge stands behind it and
    `charge` is null. Raises RecoveredFromChain, NotSealedInLedger, anchor.NotSealedYet or
    anchor.NotAnchoredYet.
    """
    account = journal.account(Account.Kind.OWNER_PENDING, payout.asset, party=payout.party)
    entry = (
        Entry.objects.filter(
            lines__account=account,
            lines__amount_units__gt=0,
            maturity__matured_at__lte=payout.leaf.epoch.built_at,
        )
        .order_by("-maturity__matured_at", "-pk")
        .first()
    )
    if entry is None:
        raise RecoveredFromChain
    charges = Charge.objects.filter(
        entry=entry, weight_version__weights__account=account, amount_units__gt=0
    )
    return _document(account, entry, charges.order_by("pk").last(), payout.leaf, payout)


def _document(
    account: Account, entry: Entry, charge: Charge | None, leaf: PayoutLeaf, paid: Payout | None
) -> dict[str, Any]:
    """The file: every event that its other parts need, then the parts."""
    sealing = commitments.sealing_of(entry)
    if sealing is None:
        raise NotSealedInLedger
    sealed, first = sealing
    assert account.party is not None, "an owner's account has a party"
    signed = _receipts(charge) if charge else []
    events = [*(_grounds(charge, signed) if charge else []), sealed, _named(account.party, account)]
    return {
        "format": FORMAT,
        "kind": "payment",
        "events": [anchor.proof_for(event) for event in events],
        "entry": _entry(entry, account, sealed, first)
        if "entries" in sealed.body
        else _whole_entry(entry, int(sealed.body["number"])),
        "charge": _charge(charge) if charge else None,
        "division": _division(charge, account) if charge else None,
        "receipts": [receipts.document(one) for one in signed],
        "payout": _payout(leaf, paid),
    }


def _paid(first: PayoutLeaf) -> Payout | None:
    """The payment that brought the payee to this leaf or beyond it."""
    return (
        Payout.objects.filter(
            party=first.party,
            contract=first.epoch.contract,
            token_cumulative__gte=first.cumulative,
        )
        .select_related("leaf__epoch__contract", "leaf__epoch__activation")
        .order_by("token_cumulative")
        .first()
    )


def _receipts(charge: Charge) -> list[UsageReceipt]:
    """The signed reports that the charge's counters add up from; none where they are not signed."""
    reported = _reported(charge)
    usage = Usage.objects.filter(pk=charge.usage_id).first()
    if usage is None or reported is None or "receipts" not in reported.body:
        return []
    return receipts.behind(usage, charge.revision)


def _reported(charge: Charge) -> Event | None:
    """The ledger's event of the usage's revision that was charged."""
    events = Event.objects.filter(
        subject_kind="usage", subject_id=charge.usage_id, kind="dataset.used"
    )
    return events.filter(body__revision=charge.revision).order_by("id").last()


def _grounds(charge: Charge, signed: list[UsageReceipt]) -> list[Event]:
    """The report of the usage and who signed it, its price, and the ledger's word on the charge."""
    assert charge.entry is not None, "what is proved was booked"
    keys = Event.objects.filter(
        kind="reporting_key.registered",
        subject_kind="reporting_key",
        subject_id__in={one.key_id for one in signed},
    )
    found = [
        _reported(charge),
        *keys.order_by("id"),
        _priced(charge),
        billing.event_of(charge.entry),
        billing.weights_event_of(charge.entry),
    ]
    return [one for one in found if one is not None]


def _priced(charge: Charge) -> Event | None:
    """The event of the rate, where that alone makes what the usage costs so far."""
    rate = charge.rate
    if rate is None or rate.plan_id is not None:
        return None
    counter = COUNTED.get(rate.basis)
    quantity = getattr(charge, counter) if counter else 1
    if quantity * rate.price_units // STEPS[rate.basis] != charge.total_units:
        return None
    events = Event.objects.filter(
        subject_kind="licence", subject_id=rate.licence_id, kind="rate.set", body__rate=rate.pk
    )
    return events.first()


def _division(charge: Charge, account: Account) -> dict[str, Any] | None:
    """The payee's weight in the division, and the way to what the ledger commits to."""
    assert charge.entry is not None, "what is proved was booked"
    weights = Weight.objects.filter(weight_version=charge.weight_version_id, account=account)
    weight = weights.first()
    if weight is None or billing.weights_event_of(charge.entry) is None:
        return None
    leaf, path = commitments.proof_of(charge.entry, weight)
    return {
        "account": account.pk,
        "weight": str(leaf[2]),
        "weight_sum": str(leaf[3]),
        "salt": _hex(leaf[4]),
        "merkle_proof": [_hex(one) for one in path],
    }


def _named(party: Party, account: Account) -> Event:
    return Event.objects.filter(
        kind="payee.named", subject_id=party.pk, body__account=account.pk
    ).earliest("id")


def _entry(entry: Entry, account: Account, sealed: Event, first: int) -> dict[str, Any]:
    """The payee's line and nobody else's; not even the digests that a guess could be tried on."""
    own = commitments.own_line(entry, account.pk, first, int(sealed.body["number"]))
    return {
        "number": entry.pk,
        "hash": _hex(entry.hash),
        "lines_root": _hex(own.lines_root),
        "entries": own.entry_count,
        "path": _levels(own.entry_path),
        "line": {
            "account": account.pk,
            "units": own.units,
            "salt": _hex(own.salt),
            "lines": own.line_count,
            "path": _levels(own.line_path),
        },
    }


def _whole_entry(entry: Entry, sealed_number: int) -> dict[str, Any]:
    """An entry from before lines were committed to one by one: only all of them fit its hash."""
    document = audit.document_of(entry)
    later = Entry.objects.filter(pk__gt=entry.pk, pk__lte=sealed_number).order_by("pk")
    return {
        "number": entry.pk,
        "previous_hash": _hex(entry.previous_hash),
        "header": document["header"],
        "lines": document["lines"],
        "charges_digest": _hex(entry.charges_digest),
        "hash": _hex(entry.hash),
        "later": [_digests(one) for one in later.select_related("asset")],
    }


def _digests(entry: Entry) -> dict[str, str]:
    """An entry of others, as no more than its digests."""
    lines = [(line.account_id, line.amount_units) for line in entry.lines.all()]
    return {
        "header": _hex(audit.header_digest(entry)),
        "lines": _hex(audit.lines_digest(lines)),
        "charges": _hex(entry.charges_digest),
    }


def _charge(charge: Charge) -> dict[str, Any]:
    rows = Charge.objects.filter(entry=charge.entry, weight_version=charge.weight_version)
    found = ChargeGroup.objects.filter(entry=charge.entry).order_by("weight_version")
    groups = list(found)
    place = [group.weight_version_id for group in groups].index(charge.weight_version_id or 0)
    digests = [bytes(group.digest) for group in groups]
    return {
        "usage": str(charge.usage_id),
        "revision": charge.revision,
        "rate": charge.rate_id or 0,
        "records": charge.record_count,
        "tokens": charge.token_count,
        "epochs": charge.epoch_count,
        "fetches": charge.fetch_count,
        "amount": charge.amount_units,
        "total": charge.total_units,
        "running": charge.running_units,
        "tallied": charge.tally_quantity or 0,
        "account": charge.account_id,
        "weight_version": charge.weight_version_id,
        "group": _hex(b"".join(audit.charge_row(one).packed() for one in rows.order_by("pk"))),
        "groups": len(groups),
        "path": _levels(charge_tree.path(digests, place)),
    }


def _payout(leaf: PayoutLeaf, paid: Payout | None) -> dict[str, Any]:
    epoch, contract = leaf.epoch, leaf.epoch.contract
    return {
        "chain": evm.caip2(contract.chain_id),
        "contract": contract.caip10,
        "token": contract.token_address,
        "epoch": epoch.number,
        "root": _hex(epoch.root),
        "total": str(int(epoch.total)),
        "payee": _hex(leaf.payee_id),
        "account": leaf.address,
        "cumulative": str(int(leaf.cumulative)),
        "merkle_proof": [_hex(one) for one in payouts.proof_of(leaf)],
        "activated_tx_hash": (epoch.activation.tx_hash if epoch.activation else "") or None,
        "paid": {
            "tx_hash": paid.tx_hash,
            "amount": str(int(paid.token_amount)),
            "cumulative": str(int(paid.token_cumulative)),
        }
        if paid
        else None,
    }


def _hex(value: bytes | memoryview) -> str:
    return "0x" + bytes(value).hex()


def _levels(path: list[list[bytes]]) -> list[list[str]]:
    return [[_hex(one) for one in level] for level in path]
