"""Reads back what the operator's payout tool did: each line settles its payout, once."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from compensation import journal, payees
from compensation.models import Account, Entry, ExportedPayout, PayoutExport
from provenance import ledger
from provenance.models import User
from provenance.refusals import Refused

Kind = Account.Kind
State = ExportedPayout.State

_MOVES = {State.PAID: Entry.Kind.SETTLEMENT, State.RETURNED: Entry.Kind.RETURN}
LARGEST_BYTES = 8 * 2**20


class BadResults(Refused):
    """These results cannot be read, or do not fit the export; nothing was changed."""

    code = "bad_results"
    status = 400
    hint = (
        "Send CSV or JSON with reference, state (paid or returned), base_units, and tx_hash or "
        "words of each line."
    )


@dataclass(frozen=True)
class Result:
    """What the tool says of one line."""

    reference: str
    state: ExportedPayout.State
    base_units: int
    tx_hash: str
    words: str


def parse(data: bytes) -> list[Result]:
    """The results in a CSV or JSON file; raises BadResults with the line."""
    if len(data) > LARGEST_BYTES:
        raise BadResults(
            _("The file is larger than %(LARGEST_BYTES)s MiB.")
            % {"LARGEST_BYTES": LARGEST_BYTES >> 20}
        )
    try:
        text = data.decode("utf-8-sig")
        if text.lstrip().startswith(("{", "[")):
            found = json.loads(text)
            rows = found["results"] if isinstance(found, dict) else found
        else:
            rows = list(csv.DictReader(io.StringIO(text, newline="")))
        return [_result(number, row) for number, row in enumerate(rows, start=1)]
    except (ValueError, KeyError, TypeError, RecursionError, csv.Error) as error:
        raise BadResults(_("The file cannot be read: %(error)s") % {"error": error}) from error


@transaction.atomic
def take(
    *, export: PayoutExport, results: Sequence[Result], at: datetime, by: User | None = None
) -> int:
    """Settle what the results say, all or nothing; how many were new. Safe to repeat.

    Raises BadResults where a line is not the export's, has another amount, or contradicts what was
    read before.
    """
    journal.lock()
    rows = export.payouts.select_for_update(of=("self",)).select_related("party", "method")
    known = {one.reference: one for one in rows}
    new = 0
    for result in results:
        payout = known.get(result.reference)
        if payout is None:
            raise BadResults(
                _("%(reference)s is no line of %(export)s.")
                % {"reference": result.reference, "export": export}
            )
        if result.base_units != int(payout.token_amount):
            raise BadResults(
                _("%(reference)s is for %(token_amount)s base units, not %(base_units)s.")
                % {
                    "reference": result.reference,
                    "token_amount": int(payout.token_amount),
                    "base_units": result.base_units,
                }
            )
        new += _settle(export, payout, result, at, by)
    return new


def _settle(
    export: PayoutExport, payout: ExportedPayout, result: Result, at: datetime, by: User | None
) -> bool:
    if payout.state != State.SENT:
        if (payout.state, payout.tx_hash) == (result.state, result.tx_hash):
            return False
        raise BadResults(
            (
                _("%(reference)s was %(state)s already")
                % {"reference": payout.reference, "state": payout.state}
            )
            + (_(" in %(tx_hash)s.") % {"tx_hash": payout.tx_hash} if payout.tx_hash else "."),
            hint=_("Look at both transactions; if it was paid twice, ask the payee, and adjust."),
        )
    asset, party = export.asset, payout.party
    target = (
        journal.account(Kind.EXTERNAL, asset)
        if result.state == State.PAID
        else journal.account(Kind.OWNER, asset, party=party)
    )
    flight = journal.account(Kind.PAYOUTS_IN_FLIGHT, asset, party=party)
    payout.outcome = journal.post(
        kind=_MOVES[result.state],
        lines=[(flight, -payout.amount_units), (target, payout.amount_units)],
        effective_at=at,
        posted_at=at,
        idempotency_key=f"export:{payout.reference}",
        facts={"payout": payout.reference, "state": str(result.state), "tx_hash": result.tx_hash},
    )
    payout.state, payout.settled_at = result.state, at
    payout.tx_hash, payout.words = result.tx_hash, result.words
    payout.save(update_fields=["state", "tx_hash", "words", "outcome", "settled_at"])
    _record(payout, at, by)
    if result.state == State.RETURNED:
        payees.flag_method(method=payout.method, words=result.words or "No reason given.", at=at)
    return True


def _record(payout: ExportedPayout, at: datetime, by: User | None) -> None:
    entry = payout.outcome
    assert entry is not None, "a settled payout has its entry"
    ledger.record(
        f"payout.{'settled' if payout.state == State.PAID else 'returned'}",
        at=at,
        subject_kind="party",
        subject_id=payout.party_id,
        party=payout.party,
        body={
            "reference": payout.reference,
            "asset": payout.export.asset.code,
            "amount_units": str(payout.amount_units),
            "tx_hash": payout.tx_hash,
            "entry": entry.pk,
            "entry_hash": bytes(entry.hash),
            "by": by.pk if by else None,
        },
    )


def _result(number: int, row: Any) -> Result:
    """One line; raises BadResults."""
    try:
        found = Result(
            reference=str(row["reference"]).strip(),
            state=State(str(row["state"]).strip().lower()),
            base_units=int(str(row["base_units"])),
            tx_hash=str(row.get("tx_hash") or "").strip()[:200],
            words=str(row.get("words") or "").strip()[:300],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadResults(
            _("Line %(number)s cannot be read: %(error)s.") % {"number": number, "error": error}
        ) from error
    if found.state == State.SENT:
        raise BadResults(
            _("Line %(number)s: leave out what is not decided yet.") % {"number": number}
        )
    if found.state == State.PAID and not found.tx_hash:
        raise BadResults(_("Line %(number)s: what was paid has its tx_hash.") % {"number": number})
    return found
