"""Who parties are to the tax office, and what VAT there is between them and the operator."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from compensation.invoices import vat
from compensation.models import InvoiceWaiting, Period, Side, TaxProfile, TaxRule
from provenance import ledger
from provenance.models import Party, User
from provenance.refusals import Refused

Category = TaxRule.Category
Reason = InvoiceWaiting.Reason
# Directive 2006/112/EC, article 226 (11a), asks for these words.
REVERSE_CHARGE = "Reverse charge"


class BadTaxData(Refused):
    """These cannot be a party's tax data."""

    code = "bad_tax_data"
    status = 400
    hint = "Give the legal name and address, countries as two letters, and the VAT id as issued."


class BadTaxRule(Refused):
    """That is no rule for VAT."""

    code = "bad_tax_rule"
    status = 400
    hint = "Give a rate above 0 and up to 100 %, or a category without one and its legal wording."


class TaxRuleStands(Refused):
    """A rule from this moment on is set, or invoices were issued by the one before."""

    code = "tax_rule_stands"
    hint = "Set the new rule from a later moment on."


class Waits(Exception):
    """A document cannot be issued yet; `words` say what it takes."""

    def __init__(self, reason: InvoiceWaiting.Reason, words: str) -> None:
        self.reason, self.words = reason, words
        super().__init__(words)


@dataclass(frozen=True)
class Terms:
    """Between whom a document is, and by what rule it is taxed."""

    operator: TaxProfile
    other: TaxProfile
    rule: TaxRule


@transaction.atomic
def set_profile(*, party: Party, by: User | None, at: datetime, **given: str) -> TaxProfile:
    """Say who a party is to the tax office, from now on; raises BadTaxData.

    Documents that were issued keep what they said. The ledger learns only that it changed.
    """
    data = {name: value.strip() for name, value in given.items()}
    data["country"], data["tax_country"] = data["country"].upper(), data["tax_country"].upper()
    data["vat_id"] = vat.plain_id(data.get("vat_id", ""))
    _require_sound(data)
    last = profile_of(party)
    if last is not None and all(getattr(last, name) == value for name, value in data.items()):
        return last
    made = TaxProfile.objects.create(party=party, set_by=by, set_at=at, **data)
    ledger.record(
        "tax_data.set",
        at=at,
        subject_kind="party",
        subject_id=party.pk,
        party=party,
        body={"tax_country": made.tax_country},
    )
    return made


def profile_of(party: Party) -> TaxProfile | None:
    """Who a party is to the tax office now."""
    return TaxProfile.objects.filter(party=party).order_by("-id").first()


@transaction.atomic
def set_rule(
    *,
    side: str,
    country: str,
    category: str,
    basis_points: int = 0,
    wording: str = "",
    valid_from: datetime,
    by: User | None,
    at: datetime,
) -> TaxRule:
    """Say what VAT there is with parties of a country; raises BadTaxRule or TaxRuleStands."""
    country, wording = country.strip().upper(), wording.strip()
    if category == Category.REVERSE_CHARGE and not wording:
        wording = REVERSE_CHARGE
    has_rate = category == Category.STANDARD
    is_sound = 0 < basis_points <= 10_000 if has_rate else not basis_points and bool(wording)
    if (
        side not in Side.values
        or category not in Category.values
        or not _is_country(country)
        or not is_sound
    ):
        raise BadTaxRule
    rules = TaxRule.objects.filter(side=side, country=country)
    if rules.filter(valid_from__gte=valid_from).exists():
        raise TaxRuleStands(f"{country} has a rule from then on, or from later.")
    made = TaxRule.objects.create(
        side=side,
        country=country,
        category=category,
        basis_points=basis_points,
        wording=wording,
        valid_from=valid_from,
        set_by=by,
        set_at=at,
    )
    ledger.record(
        "tax_rule.set",
        at=at,
        subject_kind="tax_rule",
        body={
            "side": side,
            "country": country,
            "category": category,
            "basis_points": basis_points,
            "valid_from": valid_from,
        },
    )
    return made


def terms_for(side: str, party: Party, period: Period) -> Terms:
    """Between whom and how a document of a period is; raises Waits with what is missing."""
    operator = (
        TaxProfile.objects.filter(party__is_operator=True).select_related("party").order_by("-id")
    ).first()
    if operator is None:
        raise Waits(Reason.NO_SELLER, "The operator has yet to enter its own tax data.")
    other = profile_of(party)
    if other is None:
        raise Waits(
            Reason.NO_PROFILE,
            f"An admin of {party.name} has yet to enter its legal name, address and tax country.",
        )
    rules = TaxRule.objects.filter(
        side=side, country=other.tax_country, valid_from__lt=period.ends_at
    )
    rule = rules.order_by("-valid_from").first()
    if rule is None:
        raise Waits(
            Reason.NO_RULE,
            f"The operator has yet to set the VAT for {Side(side).label.lower()} in "
            f"{other.tax_country}.",
        )
    if rule.category == Category.REVERSE_CHARGE and not other.vat_id:
        raise Waits(
            Reason.NO_VAT_ID,
            f"Reverse charge applies in {other.tax_country}: {party.name} has yet to enter its "
            "VAT id.",
        )
    return Terms(operator, other, rule)


def frozen(profile: TaxProfile) -> dict[str, Any]:
    """Who a party was, as a document keeps it."""
    names = (
        "legal_name", "street", "postal_code", "city", "country", "tax_country", "vat_id",
        "registration", "payment_details",
    )  # fmt: skip
    return {"party": str(profile.party_id), **{name: getattr(profile, name) for name in names}}


def _require_sound(data: dict[str, str]) -> None:
    if not all(data.get(name) for name in ("legal_name", "street", "city")):
        raise BadTaxData("The legal name, the street and the city are needed.")
    for name in ("country", "tax_country"):
        if not _is_country(data[name]):
            raise BadTaxData(f"{data[name]!r} is no country.", hint="Write two letters, as FR.")
    if data["vat_id"] and not vat.fits(data["vat_id"], data["tax_country"]):
        raise BadTaxData(
            f"{data['vat_id']!r} is not how {data['tax_country']} writes a VAT id.",
            hint="Write it with its prefix, as DE123456789, and check the tax country.",
        )
    for name, value in data.items():
        longest = getattr(TaxProfile._meta.get_field(name), "max_length", None)
        if longest is not None and len(value) > longest:
            raise BadTaxData(f"The {name.replace('_', ' ')} is longer than {longest} signs.")


def _is_country(text: str) -> bool:
    return re.fullmatch(r"[A-Z]{2}", text) is not None
