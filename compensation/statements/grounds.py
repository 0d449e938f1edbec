"""The grounds of a charge, one function each: what was reported, its rate, entry and payout."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.utils.dateformat import format as dated
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from compensation import billing, commitments, money
from compensation.models import Asset, BankPayout, Charge, Entry, PoolShare
from compensation.statements.shares import leaf_for
from compensation.wording import NOUNS
from provenance import receipts
from provenance.figures import tally
from provenance.ledger import moment
from provenance.models import Event, Party, Rate, RatePlan, Usage, UsageReport
from provenance.plans import Schedule

Facts = dict[str, Any]
# In which of a charge's columns stands what a basis counts.
COUNTED: dict[str, str] = {
    Rate.Basis.PER_1K_RECORDS: "record_count",
    Rate.Basis.PER_1M_TOKENS: "token_count",
    Rate.Basis.PER_EPOCH: "epoch_count",
    Rate.Basis.PER_FETCH: "fetch_count",
}
# A report may have come in thousands of numbered parts; these many are named.
EVENT_LIMIT = 100


def report_of(charge: Charge, usage: Usage, reader: Party) -> Facts:
    """What was reported: the streams, the ledger's events up to this revision, the signatures.

    A stream's name may be that of the lab's machine: only the lab and operators read it.
    """
    is_inside = reader.is_operator or reader.pk == usage.run.lab_id
    events = Event.objects.filter(
        subject_kind="usage", subject_id=usage.pk, kind="dataset.used",
        body__revision__lte=charge.revision,
    ).order_by("-id")[:EVENT_LIMIT]  # fmt: skip
    signature = _signature_of(charge, usage, list(events))
    version = str(usage.version) if usage.version else usage.subject
    counted = counted_of(charge, usage)
    streams = UsageReport.objects.filter(usage=usage).order_by("meter", "stream")
    return {
        "run": usage.run.pseudonym,
        "run_name": usage.run.name_for(reader),
        "lab": usage.run.lab.name,
        "version": version,
        "purpose": usage.purpose,
        "used_at": moment(charge.used_at),
        "records": charge.record_count,
        "tokens": charge.token_count,
        "epochs": charge.epoch_count,
        "fetches": charge.fetch_count,
        "counted": counted,
        "streams": [_stream(one, is_inside=is_inside) for one in streams[:EVENT_LIMIT]],
        "events": [_event(one) for one in reversed(events)],
        "signature": signature,
        "words": (
            _("By %(used_at)s, %(run)s of %(lab)s reported of %(version)s: %(counted)s.")
            % {
                "run": usage.run.name_for(reader),
                "lab": usage.run.lab,
                "counted": counted,
                "version": version,
                "used_at": when(charge.used_at),
            }
        )
        + " "
        + (signature["words"] if signature else _("It is not signed.")),
    }


def counted_of(charge: Charge, usage: Usage) -> str:
    """What was reported by this revision, in words; where they are priced so, its sealed tokens."""
    is_sealed = usage.is_by_sealed_count and charge.token_count > 0
    said = tally(
        records=charge.record_count,
        tokens=0 if is_sealed else charge.token_count,
        epochs=charge.epoch_count,
        fetches=charge.fetch_count,
    )
    if not is_sealed:
        return said
    words = ngettext(
        "%(counted)s; by the sealed count these are %(count)s token",
        "%(counted)s; by the sealed count these are %(count)s tokens",
        charge.token_count,
    )
    return words % {"counted": said, "count": f"{charge.token_count:,}"}


def _signature_of(charge: Charge, usage: Usage, events: list[Event]) -> Facts | None:
    """Who signed what was reported by this revision; None where the ledger commits to none."""
    found = receipts.behind(usage, charge.revision)
    committed = [one for one in events if one.body["revision"] == charge.revision]
    if not committed or "receipts" not in committed[0].body:
        return None
    names = sorted({one.key.address for one in found})
    counted = sum(one.countersignature is not None for one in found)
    return {
        "signers": names,
        "receipts": len(found),
        "countersigned": counted,
        "digest": committed[0].body["receipts"],
        "words": _(
            "It is signed by %(names)s, the lab's own, and %(counted)s of "
            "%(found_count)s receipts are countersigned."
        )
        % {"names": ", ".join(names), "counted": counted, "found_count": len(found)},
    }


def pool_of(charge: Charge) -> Facts | None:
    """The sum that it was shared out of, and the use by which; null where it was priced."""
    shares = PoolShare.objects.select_related("pool__asset", "version__dataset")
    # A correction of reported revenue shares anew: its revision is the charge's.
    share = shares.filter(number=charge.usage_id, pool__revision=charge.revision).first()
    if share is None:
        return None
    pool, asset = share.pool, share.pool.asset
    return {
        "pool": str(pool.pk),
        "kind": pool.kind,
        "period": pool.period,
        "amount_units": pool.amount_units,
        "counted": pool.counted,
        "use": str(int(share.use)),
        "whole_use": str(int(pool.whole_use)),
        "version": str(share.version),
        "words": _(
            "It is the part of %(version)s in a %(kind)s: %(amount)s %(symbol)s for "
            "%(period)s, shared by use; %(use)s of %(whole_use)s %(counted)s were of it."
        )
        % {
            "version": share.version,
            "kind": pool.get_kind_display(),
            "amount": money.to_text(pool.amount_units, asset.scale),
            "symbol": asset.symbol,
            "period": pool.period,
            "use": f"{int(share.use):,}",
            "whole_use": f"{int(pool.whole_use):,}",
            "counted": pool.counted,
        },
    }


def rate_of(charge: Charge) -> Facts | None:
    """By which version of which price, and the sum itself; null where nothing was priced."""
    rate = charge.rate
    if rate is None or charge.account is None:
        return None
    asset = charge.account.asset
    facts: Facts = {
        "rate": rate.pk,
        "licence": str(rate.licence_id),
        "basis": rate.basis,
        "price_units": rate.price_units,
        "step": rate.step,
        "valid_from": moment(rate.valid_from),
        "valid_to": moment(rate.valid_to) if rate.valid_to else None,
        "plan": None,
    }
    if rate.plan is not None and charge.tally is not None:
        return facts | _by_plan(charge, rate.plan, asset)
    return facts | {"words": _linear_words(charge, rate, asset)}


def journal_of(charge: Charge) -> Facts | None:
    """The entry that booked it, and the ledger's events that hold its hash."""
    entry = charge.entry
    if entry is None:
        return None
    sealing = commitments.sealing_of(entry)
    found = (billing.event_of(entry), sealing[0] if sealing else None)
    events = [_event(one) for one in found if one is not None]
    return {
        "entry": entry.pk,
        "period": entry.period_id,
        "posted_at": moment(entry.posted_at),
        "hash": bytes(entry.hash).hex(),
        "charges_digest": bytes(entry.charges_digest).hex(),
        "events": events,
        "words": _("It is booked in entry %(pk)s of the journal.") % {"pk": entry.pk},
    }


def payout_of(charge: Charge, party: Party) -> Facts | None:
    """What paid `party` its part: a leaf of a tree or a payment of the bank; else when it may."""
    entry = charge.entry
    if entry is None:
        return None
    maturity = getattr(entry, "maturity", None)
    if maturity is None:
        return None
    if maturity.matured_at is None:
        until = when(maturity.matures_at)
        return {
            "state": "held",
            "payable_at": moment(maturity.matures_at),
            "words": _("What it earned is held back until %(until)s.") % {"until": until},
        }
    leaf, bank = leaf_for(entry, party), _bank_payout(entry, party, maturity.matured_at)
    if leaf is not None and (bank is None or leaf.epoch.built_at <= bank.run.made_at):
        return {
            "state": "in_tree",
            "payable_at": moment(maturity.matured_at),
            "epoch": leaf.epoch.number,
            "leaf": leaf.pk,
            "address": leaf.address,
            "cumulative": str(int(leaf.cumulative)),
            "words": _("It was paid out by epoch %(number)s, to %(address)s.")
            % {"number": leaf.epoch.number, "address": leaf.address},
        }
    if bank is not None:
        return {
            "state": bank.state,
            "payable_at": moment(maturity.matured_at),
            "payment": bank.reference,
            "words": _("It was paid out by bank, payment %(reference)s.")
            % {"reference": bank.reference},
        }
    return {
        "state": "payable",
        "payable_at": moment(maturity.matured_at),
        "words": _("What it earned is payable and waits for the next payout."),
    }


def _bank_payout(entry: Entry, party: Party, matured_at: Any) -> BankPayout | None:
    """The first order to a bank after the credit became payable."""
    found = BankPayout.objects.filter(
        party=party, asset=entry.asset_id, run__made_at__gte=matured_at
    )
    return found.select_related("run").order_by("run__made_at").first()


def when(at: datetime) -> str:
    """A moment in a sentence: to the minute, with its zone."""
    return dated(at.astimezone(UTC), pgettext("date and time", "j M Y, H:i")) + " UTC"


def amount_said(units: int, asset: Asset) -> str:
    """An amount with its asset."""
    return f"{money.grouped(units, asset.scale)} {asset.symbol}"


def _by_plan(charge: Charge, plan: RatePlan, asset: Asset) -> Facts:
    """The price of what a month's count grew by, under the tiers, quota and cap of a plan."""
    assert charge.tally is not None
    assert charge.tally_quantity is not None
    schedule = Schedule(
        plan.step, tuple(plan.froms), tuple(int(one) for one in plan.bases), tuple(plan.prices)
    )
    after = charge.tally_quantity
    whole = schedule.price(after)
    return {
        "plan": {
            "plan": plan.pk,
            "mode": plan.mode,
            "tiers": plan.tiers,
            "free_quantity": plan.free_quantity,
            "cap_units": plan.cap_units,
            "period": charge.tally.period,
            "quantity_after": after,
            "units_after": whole,
        },
        "words": _(
            "With this use, %(after)s were counted in %(period)s under the plan; they "
            "cost %(whole)s in all, %(before)s of which was charged before, so "
            "that this is charged %(amount)s."
        )
        % {
            "after": f"{after:,}",
            "period": charge.tally.period,
            "whole": amount_said(whole, asset),
            "before": amount_said(whole - charge.amount_units, asset),
            "amount": amount_said(charge.amount_units, asset),
        },
    }


def _linear_words(charge: Charge, rate: Rate, asset: Asset) -> str:
    amount, price = amount_said(charge.amount_units, asset), amount_said(rate.price_units, asset)
    if rate.basis == Rate.Basis.FLAT_PER_RUN:
        words = _("The run costs %(price)s, whatever it uses: it is charged %(amount)s.")
        return words % {"price": price, "amount": amount}
    quantity = getattr(charge, COUNTED[rate.basis])
    return _(
        "%(quantity)s %(name)s at %(price)s %(basis)s: %(whole)s in all, %(before)s of which "
        "was charged before, so that this is charged %(amount)s."
    ) % {
        "quantity": f"{quantity:,}",
        "name": NOUNS[Rate.Basis(rate.basis)],
        "price": price,
        "basis": rate.get_basis_display(),
        "whole": amount_said(charge.total_units, asset),
        "before": amount_said(charge.total_units - charge.amount_units, asset),
        "amount": amount,
    }


def _stream(report: UsageReport, *, is_inside: bool) -> Facts:
    return {
        "meter": report.meter,
        "stream": report.stream if is_inside else None,
        "sequence": report.sequence,
        "has_gap": report.has_gap,
        "records": report.record_count,
        "tokens": report.token_count,
        "epochs": report.epoch_count,
        "received_at": moment(report.received_at),
        "is_signed": report.mark is not None,
    }


def _event(event: Event) -> Facts:
    """An event of the ledger; its proof is at /events/{sequence}/proof once it has its number."""
    return {
        "kind": event.kind,
        "sequence": event.sequence,
        "hash": bytes(event.hash).hex() if event.hash else None,
        "proof": f"/api/v1/events/{event.sequence}/proof" if event.sequence else None,
    }
