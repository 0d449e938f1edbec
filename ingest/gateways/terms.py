"""On what terms a lab may use datasets for a purpose: granted, on offer, or reserved.

Terms are plain values: they stand in answers and signed reports, and a later change is found by
comparing them. Prices are whole units as text (a price may be greater than JSON readers can hold);
beside them stands the price in words, with the asset's scale and symbol.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import gettext_noop as _noop

from provenance import amounts
from provenance.amounts import Writer
from provenance.ledger import moment
from provenance.models import Dataset, DatasetVersion, Grant, Licence, Party, Rate

Terms = dict[str, Any]


class Standing(StrEnum):
    """What the party may do with a dataset, the most open first."""

    OWN = "own"
    GRANTED = "granted"
    OPEN = "open"
    ON_REQUEST = "on_request"
    RESERVED = "reserved"
    WITHDRAWN = "withdrawn"


WORDS = {
    Standing.OWN: _lazy("It is your own."),
    Standing.GRANTED: _lazy("It may be used under your grant, until %(valid_to)s."),
    Standing.OPEN: _lazy(
        "It may be used once you take the licence '%(name)s': grants are automatic."
    ),
    Standing.ON_REQUEST: _lazy("It is offered under '%(name)s': ask its owner for a grant."),
    Standing.RESERVED: _lazy("All rights are reserved for this purpose: ask its owner."),
    Standing.WITHDRAWN: _lazy("Its owner has withdrawn it: it is no longer compared with."),
}

# As reports said before, which are still read.
FORMER = (_noop("It may be used under your grant %(grant)s, until %(valid_to)s."),)


def terms_of(
    *, party: Party, purpose: str, datasets: Collection[UUID], at: datetime
) -> dict[UUID, Terms]:
    """The terms of each dataset for `party` and `purpose` at `at`; four queries at most."""
    if not datasets:
        return {}
    grants = _grants(party, purpose, datasets, at)
    licences = _licences(purpose, datasets, at)
    withdrawn = _withdrawn(datasets)
    owned = set(Dataset.objects.filter(pk__in=datasets, owner=party).values_list("pk", flat=True))
    found = {}
    for pk in datasets:
        if pk in withdrawn:
            found[pk] = _terms(Standing.WITHDRAWN)
        elif pk in owned:
            found[pk] = _terms(Standing.OWN)
        elif pk in grants:
            found[pk] = _granted(grants[pk])
        elif pk in licences:
            found[pk] = _offered(licences[pk])
        else:
            found[pk] = _terms(Standing.RESERVED)
    return found


def words(terms: Terms) -> str:
    """The terms in a sentence."""
    # Kept as the ledger writes moments: 2026-03-01T12:00:00.000000Z.
    until = str(terms.get("valid_to") or "")[:16].replace("T", " ")
    valid_to = f"{until} UTC" if until else _("it is ended")
    return str(WORDS[Standing(terms["standing"])]) % {
        "valid_to": valid_to,
        "name": terms.get("licence_name"),
    }


def writer_of(many: Iterable[Terms]) -> Writer:
    """What writes the prices of these terms."""
    return amounts.writer({one["rate"]["asset"] for one in many if one.get("rate")})


def price_words(terms: Terms, write: Writer) -> str:
    """What use costs, in the asset's own scale; `write` comes of `writer_of`."""
    rate = terms.get("rate")
    if terms["standing"] in (Standing.OWN, Standing.RESERVED, Standing.WITHDRAWN):
        return "–"
    if rate is None:
        return _("free")
    return _("%(amount)s %(basis)s") % {
        "amount": write(int(rate["price_units"]), rate["asset"]),
        "basis": Rate.Basis(rate["basis"]).label,
    }


def _terms(standing: Standing, **more: Any) -> Terms:
    return {"standing": standing.value, **more}


def _granted(grant: Grant) -> Terms:
    """A grant froze its licence and its price."""
    return _terms(
        Standing.GRANTED,
        grant=str(grant.pk),
        licence=str(grant.licence_id),
        licence_name=str(grant.terms.get("name", "")),
        spdx=str(grant.terms.get("spdx", "")),
        valid_to=moment(grant.valid_to) if grant.valid_to else None,
        rate=_rate(grant.rate),
    )


def _offered(licence: Licence) -> Terms:
    rates = list(licence.rates.all())
    return _terms(
        Standing.OPEN if licence.is_automatic else Standing.ON_REQUEST,
        licence=str(licence.pk),
        licence_name=licence.name,
        spdx=licence.spdx,
        term_days=licence.term_days,
        rate=_rate(rates[0] if rates else None),
    )


def _rate(rate: Rate | None) -> dict[str, str] | None:
    if rate is None:
        return None
    return {
        "basis": rate.basis,
        "counter": rate.counter,
        "price_units": str(rate.price_units),
        "asset": rate.asset,
    }


def _grants(
    party: Party, purpose: str, datasets: Collection[UUID], at: datetime
) -> dict[UUID, Grant]:
    """The grant that would cover a use, as `Grant.objects.covering` chooses it."""
    rows = (
        Grant.objects.filter(
            Q(valid_to=None) | Q(valid_to__gt=at),
            lab=party,
            dataset__in=datasets,
            purposes__contains=[purpose],
            state=Grant.State.GIVEN,
            valid_from__lte=at,
        )
        .select_related("rate")
        .order_by("decided_at", "id")
    )
    return _first(rows)


def _licences(purpose: str, datasets: Collection[UUID], at: datetime) -> dict[UUID, Licence]:
    """Of the licences on offer, the automatic ones first, then the oldest."""
    in_force = Rate.objects.filter(
        Q(valid_to=None) | Q(valid_to__gt=at), valid_from__lte=at
    ).order_by("-valid_from", "-id")
    rows = (
        Licence.objects.filter(
            dataset__in=datasets, purposes__contains=[purpose], is_offered=True, retired_at=None
        )
        .prefetch_related(Prefetch("rates", in_force))
        .order_by("-is_automatic", "created_at", "id")
    )
    return _first(rows)


def _first(rows: Iterable[Any]) -> dict[UUID, Any]:
    """The first row of each dataset."""
    found: dict[UUID, Any] = {}
    for row in rows:
        found.setdefault(row.dataset_id, row)
    return found


def _withdrawn(datasets: Collection[UUID]) -> set[UUID]:
    """Those of which no version is sealed any more."""
    standing = DatasetVersion.objects.filter(
        dataset__in=datasets, state=DatasetVersion.State.SEALED
    )
    return set(datasets) - set(standing.values_list("dataset", flat=True))
