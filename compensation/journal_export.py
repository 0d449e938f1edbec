"""Exports the whole journal as rows that prove themselves: see `tallymark.audit`, which reads them.

All rows come from one snapshot of the database, so that an export made while money moves is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Prefetch
from tallymark.audit import FORMAT
from tallymark.lines import entry_salt

from compensation import audit, commitments
from compensation.models import Account, Hold, HoldPart, JournalHead, Period, WeightVersion
from provenance.models import Event

ROWS: Final = 2_000


@contextmanager
def snapshot() -> Iterator[None]:
    """One state of the database for all that is read within; a caller's transaction serves too."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def rows() -> Iterator[dict[str, Any]]:
    """Every row of an export, in order; memory holds a batch. Call it within `snapshot`."""
    head = JournalHead.objects.get()
    yield {"type": "journal", "format": FORMAT, "number": head.number,
           "hash": bytes(head.hash).hex()}  # fmt: skip
    yield from map(_month, Period.objects.order_by("name"))
    yield from map(
        _account, Account.objects.select_related("asset", "balance").order_by("pk").iterator(ROWS)
    )
    parts = Prefetch("parts", HoldPart.objects.order_by("pk"))
    for hold in Hold.objects.order_by("pk").prefetch_related(parts).iterator(ROWS):
        yield _hold(hold)
    divisions = WeightVersion.objects.filter(total_units__gt=0).order_by("pk")
    for number, total in divisions.values_list("pk", "total_units").iterator(ROWS):
        yield {"type": "division", "id": number, "total": total}
    yield from _entries(bytes(head.salt))
    yield {"type": "end"}


def _entries(salt: bytes) -> Iterator[dict[str, Any]]:
    """Entries with their salts, each event that sealed some after the last of them."""
    events = Event.objects.filter(kind=commitments.SEALED).order_by("body__number", "id")
    following = events.iterator(ROWS)
    sealed = next(following, None)
    for document in audit.documents():
        number = document["number"]
        yield {"type": "entry", "salt": entry_salt(salt, number).hex(), **document}
        while sealed is not None and sealed.body["number"] <= number:
            yield _sealed(sealed)
            sealed = next(following, None)
    # One that seals what is not there is enough to break the proof.
    if sealed is not None:
        yield _sealed(sealed)


def _sealed(event: Event) -> dict[str, Any]:
    """What the ledger says of the entries that an event covers; older ones have no root of them."""
    said = {name: event.body.get(name) for name in ("number", "hash", "entries")}
    return {"type": "sealed", "event": event.sequence, **said}


def _month(period: Period) -> dict[str, Any]:
    """A period; its moments in microseconds since 1970, as headers have them."""
    return {
        "type": "month",
        "name": period.name,
        "starts_at": int(audit.micros(period.starts_at)),
        "ends_at": int(audit.micros(period.ends_at)),
        "closed_at": int(audit.micros(period.closed_at)) if period.closed_at else None,
        "last_number": period.last_number,
    }


def _account(account: Account) -> dict[str, Any]:
    return {
        "type": "account",
        "id": account.pk,
        "kind": account.kind,
        "asset": account.asset.code,
        "party": str(account.party_id) if account.party_id else None,
        "conflict": str(account.conflict_id) if account.conflict_id else None,
        "posted": account.balance.posted,
        "held": account.balance.held,
        "floor": account.balance.floor,
    }


def _hold(hold: Hold) -> dict[str, Any]:
    return {
        "type": "hold",
        "id": hold.pk,
        "account": hold.account_id,
        "amount": hold.amount_units,
        "remaining": hold.remaining_units,
        "state": hold.state,
        "parts": [[part.entry_id, part.amount_units] for part in hold.parts.all()],
    }
