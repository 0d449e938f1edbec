"""Statements: in words first, then each line, which opens to usage, rate, proof and leaf."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import F, Min, OuterRef, Subquery
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation import exports, statements
from compensation.models import Account, Asset, Entry, Line
from compensation.statements import LabStatement, OwnerStatement, Period
from provenance import kept
from provenance.admin.looking import gate
from provenance.admin.site import site
from provenance.admin.verbs import viewer_of
from provenance.api.files import zip_of
from provenance.models import Party
from provenance.refusals import Refused

Statement = OwnerStatement | LabStatement
MONTHS = 24
ROLES = {"owner": _lazy("owner"), "lab": _lazy("lab")}


class StatementForm(forms.Form):
    """Which statement: month, asset, and for whom where there is a choice."""

    month = forms.ChoiceField(label=_lazy("Month"))
    asset = forms.ChoiceField(label=_lazy("In"))
    role = forms.ChoiceField(label=_lazy("As"), choices=list(ROLES.items()))
    party = forms.ChoiceField(label=_lazy("Of"))

    def __init__(
        self, *args: Any, choices: dict[str, list[tuple[str, str]]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        for name, values in choices.items():
            self.fields[name] = forms.ChoiceField(
                label=self.fields[name].label,
                choices=values,
                widget=forms.Select if len(values) > 1 else forms.HiddenInput,
            )


@dataclass(frozen=True)
class Asked:
    """What a request asks a statement of."""

    party: Party
    role: str
    asset: Asset
    period: Period
    form: StatementForm


def statement_view(request: HttpRequest) -> HttpResponse:
    """The page of a month's statement."""
    at = timezone.now()
    context = {**site.each_context(request), "title": _("Statements")}
    asked = _asked(request, at)
    if asked is None:
        return TemplateResponse(request, "compensation/no_statement.html", context)
    stopped = _look(request, asked)
    if stopped is not None:
        return stopped
    made = _make(asked, at)
    context |= {"form": asked.form, "asked": asked, "statement": made, "query": _query(asked)}
    return TemplateResponse(request, f"compensation/statement_of_{asked.role}.html", context)


@kept.in_english()
def statement_csv(request: HttpRequest) -> HttpResponse:
    """The same for a spreadsheet."""
    return _file(request, "csv")


@kept.in_english()
def statement_json(request: HttpRequest) -> HttpResponse:
    """The same for programs."""
    return _file(request, "json")


def statement_pdf(request: HttpRequest) -> HttpResponse:
    """The same on paper, in the reader's language."""
    return _file(request, "pdf")


def statement_export(request: HttpRequest) -> HttpResponseBase:
    """All that it takes to recompute the month offline."""
    asked = _asked(request, timezone.now())
    if asked is None:
        raise Http404(_("There is nothing to export."))
    stopped = _look(request, asked)
    if stopped is not None:
        return stopped
    scope = exports.scope_of(
        party=asked.party, first=asked.period, last=asked.period, at=timezone.now()
    )
    return zip_of(exports.export(scope), scope.file_name)


def explanation_view(request: HttpRequest, object_id: str) -> HttpResponse:
    """Why a charge is what it is, step by step."""
    found = statements.explain(_number(object_id), viewer_of(request))
    if found is None:
        raise Http404(_("There is no such charge."))
    stopped = gate(request, f"explanation of charge {found.charge.pk}", found.parties)
    if stopped is not None:
        return stopped
    used = found.charge.reported
    is_own = used is not None and used.run.lab_id == viewer_of(request).party.pk
    context = {
        **site.each_context(request),
        "title": _("Charge %(pk)s") % {"pk": found.charge.pk},
        "own_run": used.run_id if used and is_own else None,
        "found": found,
        "charge": found.charge,
        "asset": found.charge.account.asset if found.charge.account else None,
    }
    return TemplateResponse(request, "compensation/explanation.html", context)


def shares_view(request: HttpRequest, object_id: str) -> HttpResponse:
    """The charges behind one line: usage, rate, proofs and the leaf that paid it."""
    viewer = viewer_of(request)
    entry = get_object_or_404(Entry.objects.visible_to(viewer), pk=_number(object_id))
    party = viewer.party
    if viewer.is_operator:
        party = get_object_or_404(Party, pk=_uuid(request.GET.get("party", "")))
    stopped = gate(request, f"shares of entry {entry.pk}", [party])
    if stopped is not None:
        return stopped
    chosen, after = request.GET.get("weights", ""), request.GET.get("after", "0")
    rows = statements.shares_of(
        entry,
        party,
        weight_version_id=_number(chosen) if chosen else None,
        after=_number(after),
    )
    is_full = len(rows) == statements.PAGE
    context = {
        **site.each_context(request),
        "title": _("What stands behind entry %(pk)s") % {"pk": entry.pk},
        "entry": entry,
        "party": party,
        "rows": rows,
        # Who only pays has no part to reckon.
        "has_weights": any(row.weight is not None for row in rows),
        "total": sum(row.share_units for row in rows),
        "is_first": after == "0",
        "next": f"?weights={chosen}&party={party.pk}&after={rows[-1].charge.pk}" if is_full else "",
    }
    return TemplateResponse(request, "compensation/shares.html", context)


def _file(request: HttpRequest, ending: str) -> HttpResponse:
    at = timezone.now()
    asked = _asked(request, at)
    if asked is None:
        raise Http404(_("There is no statement to make a file of."))
    stopped = _look(request, asked)
    if stopped is not None:
        return stopped
    made = _make(asked, at)
    name = f"statement-{asked.period.name}-{asked.asset.symbol}.{ending}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    if ending == "json":
        return JsonResponse(statements.as_json(made), headers=headers)
    if ending == "pdf":
        return HttpResponse(
            statements.as_pdf(made), content_type="application/pdf", headers=headers
        )
    return HttpResponse(
        statements.as_csv(made), content_type="text/csv; charset=utf-8", headers=headers
    )


def _make(asked: Asked, at: datetime) -> Statement:
    if asked.role == "lab":
        return statements.lab_statement(
            party=asked.party, asset=asked.asset, period=asked.period, at=at
        )
    return statements.owner_statement(
        party=asked.party, asset=asked.asset, period=asked.period, at=at
    )


def _look(request: HttpRequest, asked: Asked) -> HttpResponse | None:
    return gate(request, f"statement {asked.period.name}", [asked.party])


def _asked(request: HttpRequest, at: datetime) -> Asked | None:
    """What is asked for, defaults filled in; None where the party has no money here at all."""
    viewer = viewer_of(request)
    parties = [viewer.party]
    if viewer.is_operator:
        parties = list(Party.objects.filter(accounts__isnull=False).distinct().order_by("name"))
    by_id = {str(party.pk): party for party in parties}
    party = by_id.get(request.GET.get("party", "")) or next(iter(by_id.values()), None)
    if party is None:
        return None
    roles = [role for role in ("owner", "lab") if getattr(party, f"is_{role}")]
    assets = _assets(party)
    if not roles or not assets:
        return None
    choices = {
        "party": [(key, each.name) for key, each in by_id.items()],
        "role": [(role, str(ROLES[role])) for role in roles],
        "asset": [(str(asset.pk), asset.symbol) for asset in assets],
        "month": [(name, name) for name in _months(party, at)],
    }
    first = {name: values[0][0] for name, values in choices.items()} | {"party": str(party.pk)}
    given = {name: request.GET.get(name) or value for name, value in first.items()}
    # An address may name an asset by its code, too.
    codes = {asset.code: str(asset.pk) for asset in assets}
    given["asset"] = codes.get(given["asset"], given["asset"])
    form = StatementForm(given, choices=choices)
    chosen = form.cleaned_data if form.is_valid() else first
    asset = next(asset for asset in assets if str(asset.pk) == chosen["asset"])
    try:
        period = Period.month(chosen["month"])
    except Refused:
        period = Period.holding(at)
    return Asked(party, chosen["role"], asset, period, form)


def _assets(party: Party) -> list[Asset]:
    """Those that the party has accounts in; what moved last comes first."""
    lines = Line.objects.filter(account=OuterRef("pk")).order_by("-entry").values("entry")[:1]
    accounts = Account.objects.filter(party=party).annotate(last=Subquery(lines))
    found = accounts.select_related("asset").order_by(F("last").desc(nulls_last=True), "asset")
    return list(dict.fromkeys(account.asset for account in found))


def _months(party: Party, at: datetime) -> list[str]:
    """The months since the party's first account moved, newest first.

    An entry that was posted after its month had ended stands in that month all the same.
    """
    own = Entry.objects.filter(lines__account__party=party)
    names = [Period.holding(at).name]
    begin = own.aggregate(first=Min("period"))["first"] or names[0]
    while names[-1] > begin and len(names) < MONTHS:
        year, month = (int(part) for part in names[-1].split("-"))
        names.append(f"{year - (month == 1)}-{(month - 2) % 12 + 1:02d}")
    return names


def _query(asked: Asked) -> str:
    return (
        f"party={asked.party.pk}&role={asked.role}&asset={asked.asset.pk}&month={asked.period.name}"
    )


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Http404(_("That is no number."))
    return int(text)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404(_("That is no party.")) from None
