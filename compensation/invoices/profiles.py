"""Who parties are to the tax office, and what VAT there is between them and the operator."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

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


def operators_profile() -> TaxProfile | None:
    """Who the operator is to the tax office now, and where labs pay."""
    found = TaxProfile.objects.filter(party__is_operator=True).select_related("party")
    return found.order_by("-id").first()


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
    is_known = side in Side.values and category in Category.values and _is_country(country)
    if not (is_known and is_sound):
        raise BadTaxRule
    rules = TaxRule.objects.filter(side=side, country=country)
    if rules.filter(valid_from__gte=valid_from).exists():
        raise TaxRuleStands(
            _("%(country)s has a rule from then on, or from later.") % {"country": country}
        )
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
    _record(made)
    return made


def _record(rule: TaxRule) -> None:
    names = ("side", "country", "category", "basis_points", "valid_from")
    ledger.record(
        "tax_rule.set",
        at=rule.set_at,
        subject_kind="tax_rule",
        body={name: getattr(rule, name) for name in names},
    )


def terms_for(side: str, party: Party, period: Period) -> Terms:
    """Between whom and how a document of a period is; raises Waits with what is missing.

    Its words are kept with what waits: in English, said in the reader's language on pages.
    """
    operator = operators_profile()
    if operator is None:
        raise Waits(Reason.NO_SELLER, _noop("The operator has yet to enter its own tax data."))
    other = profile_of(party)
    if other is None:
        raise Waits(
            Reason.NO_PROFILE,
            _noop("An admin of %(name)s has yet to enter its legal name, address and tax country.")
            % {"name": party.name},
        )
    rules = TaxRule.objects.filter(
        side=side, country=other.tax_country, valid_from__lt=period.ends_at
    )
    rule = rules.order_by("-valid_from").first()
    if rule is None:
        raise Waits(
            Reason.NO_RULE,
            _noop("The operator has yet to set the VAT for %(label)s in %(tax_country)s.")
            % {"label": Side(side).label.lower(), "tax_country": other.tax_country},
        )
    if rule.category == Category.REVERSE_CHARGE and not other.vat_id:
        raise Waits(
            Reason.NO_VAT_ID,
            _noop(
                "Reverse charge applies in %(tax_country)s: %(name)s has yet to enter its VAT id."
            )
            % {"tax_country": other.tax_country, "name": party.name},
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
        raise BadTaxData(_("The legal name, the street and the city are needed."))
    for name in ("country", "tax_country"):
        if not _is_country(data[name]):
            raise BadTaxData(
                _("%(value)s is no country.") % {"value": repr(data[name])},
                hint=_("Write two letters, as FR."),
            )
    if data["vat_id"] and not vat.fits(data["vat_id"], data["tax_country"]):
        raise BadTaxData(
            _("%(vat_id)s is not how %(tax_country)s writes a VAT id.")
            % {"vat_id": repr(data["vat_id"]), "tax_country": data["tax_country"]},
            hint=_("Write it with its prefix, as DE123456789, and check the tax country."),
        )
    for name, value in data.items():
        longest = getattr(TaxProfile._meta.get_field(name), "max_length", None)
        if longest is not None and len(value) > longest:
            raise BadTaxData(
                _("The %(replace)s is longer than %(longest)s signs.")
                % {"replace": name.replace("_", " "), "longest": longest}
            )


def _is_country(text: str) -> bool:
    return re.fullmatch(r"[A-Z]{2}", text) is not None
