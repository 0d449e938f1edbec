"""An owner's earnings: in words first, then by dataset, lab, purpose and month, and as a sheet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation import money, statements
from compensation.models import Account, Asset, Entry
from compensation.statements import Period, earnings
from compensation.statements.earnings import Earned, Group
from compensation.statements.works import Works, works
from compensation.templatetags.money import amount
from provenance import kept
from provenance.admin.site import site
from provenance.admin.verbs import viewer_of
from provenance.documents.sheets import as_csv
from provenance.models import Party

MONTHS = 12
MOST_WORKS = 50
TITLES = {
    "dataset": _lazy("By dataset"),
    "lab": _lazy("By lab"),
    "purpose": _lazy("By purpose"),
    "month": _lazy("By month"),
}


@dataclass(frozen=True)
class Asked:
    """Whose earnings, in what, over which months."""

    party: Party
    asset: Asset
    assets: list[Asset]
    first: str
    last: str


def earnings_view(request: HttpRequest) -> HttpResponse:
    """What came in, from whom, for what; what is held and why; when it is paid."""
    at = timezone.now()
    asked = _asked(request, at)
    context = {**site.each_context(request), "title": _("Earnings")}
    if asked is None:
        return TemplateResponse(request, "compensation/no_earnings.html", context)
    rows = _rows(asked)
    this_month = statements.owner_statement(
        party=asked.party, asset=asked.asset, period=Period.month(asked.last), at=at
    )
    groups = {by: earnings.grouped(rows, by) for by in TITLES}
    context |= {
        "asked": asked,
        "statement": this_month,
        "words": _in_words(asked, rows, groups),
        "tables": [(TITLES[by], found) for by, found in groups.items()],
        "works": _works(asked, MOST_WORKS),
        "total": sum(row.amount_units for row in rows),
        "moved": earnings.moved_by_decisions(
            party=asked.party, asset=asked.asset, first=asked.first, last=asked.last
        ),
    }
    return TemplateResponse(request, "compensation/earnings.html", context)


def works_csv(request: HttpRequest) -> HttpResponse:
    """What each work earned, as far as reports name works."""
    asked = _asked(request, timezone.now())
    rows = _works(asked, None).rows if asked else []
    columns = ("dataset", "record", "sha256", "reads", "earned", "asset")
    sheet = as_csv(
        columns,
        [
            (
                row.dataset,
                row.key,
                row.sha256,
                row.read_count,
                money.to_text(row.amount_units, asked.asset.scale),
                asked.asset.symbol,
            )
            for row in rows
            if asked is not None
        ],
    )
    headers = {"Content-Disposition": 'attachment; filename="earnings-by-work.csv"'}
    return HttpResponse(sheet, content_type="text/csv; charset=utf-8", headers=headers)


@kept.in_english()
def earnings_csv(request: HttpRequest) -> HttpResponse:
    """Every row behind the tables, for a spreadsheet."""
    asked = _asked(request, timezone.now())
    rows = _rows(asked) if asked else []
    columns = ("month", "dataset", "lab", "purpose", "charges", "earned", "asset")
    sheet = as_csv(
        columns,
        [
            (
                row.month,
                row.dataset,
                row.lab,
                row.purpose,
                row.charge_count,
                money.to_text(row.amount_units, asked.asset.scale),
                asked.asset.symbol,
            )
            for row in rows
            if asked is not None
        ],
    )
    headers = {"Content-Disposition": 'attachment; filename="earnings.csv"'}
    return HttpResponse(sheet, content_type="text/csv; charset=utf-8", headers=headers)


def _works(asked: Asked, most: int | None) -> Works:
    return works(
        party=asked.party, asset=asked.asset, first=asked.first, last=asked.last, most=most
    )


def _rows(asked: Asked) -> list[Earned]:
    return earnings.earned(party=asked.party, asset=asked.asset, first=asked.first, last=asked.last)


def _asked(request: HttpRequest, at: datetime) -> Asked | None:
    """The viewer's own earnings of the last months; None where there is no money yet."""
    party = viewer_of(request).party
    if not party.is_owner:
        raise PermissionDenied(_("Earnings are those of an owner: operators find its statements."))
    assets = list(Asset.objects.filter(accounts__party=party).distinct().order_by("symbol"))
    if not assets:
        return None
    chosen = request.GET.get("asset", "")
    asset = next((one for one in assets if str(one.pk) == chosen), None)
    asset = asset or _most_used(party, assets)
    last = Period.holding(at).name
    return Asked(party, asset, assets, _months_before(last, MONTHS - 1), last)


def _most_used(party: Party, assets: list[Asset]) -> Asset:
    """The asset in which use was charged most often; the first where none was."""
    earned = Account.objects.filter(
        party=party, kind=Account.Kind.OWNER_PENDING, lines__entry__kind=Entry.Kind.USAGE
    )
    most = earned.values("asset").annotate(count=Count("lines")).order_by("-count", "asset").first()
    return next((one for one in assets if most and one.pk == most["asset"]), assets[0])


def _months_before(name: str, count: int) -> str:
    year, month = (int(part) for part in name.split("-"))
    years, place = divmod(year * 12 + month - 1 - count, 12)
    return f"{years}-{place + 1:02d}"


def _in_words(asked: Asked, rows: list[Earned], groups: dict[str, list[Group]]) -> list[str]:
    """The year in sentences: how much, from whom most, by what most."""
    total = sum(row.amount_units for row in rows)
    facts: dict[str, Any] = {
        "total": amount(total, asked.asset),
        "months": MONTHS,
        "asset": asked.asset,
    }
    if not total:
        return [
            _("In the last %(months)s months no use of your data was charged in %(asset)s.") % facts
        ]
    said = [_("In the last %(months)s months the use of your data earned you %(total)s.") % facts]
    for by, words in (
        ("lab", _("Most of it, %(units)s, came from %(name)s.")),
        ("dataset", _("What earned most was “%(name)s”, with %(units)s.")),
    ):
        best = groups[by][0]
        said.append(words % {"name": best.name, "units": amount(best.amount_units, asked.asset)})
    return said
