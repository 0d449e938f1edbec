"""The one queue of the operators: everything that waits for a person, what is due first on top."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Max, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compensation import payouts, policies, stakes
from compensation.admin.bank import booked_in_words
from compensation.models import (
    Asset,
    BankBooking,
    Difference,
    Payment,
    PayoutMethod,
    Transfer,
)
from compensation.templatetags.money import amount
from provenance import casework, kept, looked, signals
from provenance.access import Viewer
from provenance.admin import queue
from provenance.admin.looking import note_list
from provenance.admin.queue import Case, Source
from provenance.admin.site import site
from provenance.admin.verbs import person_of, viewer_of
from provenance.models import CaseKind, Claim, Party, Proposal, Review, User
from provenance.refusals import Refused

PAGE = 50
# Nobody walks further than this page by page: filters do.
LAST_PAGE = 40
MINE, NOBODYS = "mine", "nobody"


def _open_bookings(at: datetime) -> QuerySet[Any]:
    rows = BankBooking.objects.filter(state=BankBooking.State.OPEN)
    return rows.select_related("account__asset")


def _booking(row: BankBooking) -> tuple[str, str, str]:
    url = reverse("admin:compensation_bankbooking_change", args=[row.pk])
    title = row.counterparty or row.remittance or str(row)
    return title[:80], kept.said(row.problem) or _("nobody knows yet what it is"), f"{url}#assign"


def _came_back(at: datetime) -> QuerySet[Any]:
    rows = PayoutMethod.objects.filter(flagged_at__isnull=False, removed_at=None)
    return rows.select_related("party")


def _method(row: PayoutMethod) -> tuple[str, str, str]:
    words = _("%(address)s: %(why)s Its party must confirm it or name another.") % {
        "address": row.address,
        "why": kept.said(row.flag_words),
    }
    return row.party.name, words, reverse("admin:compensation_payoutmethod_change", args=[row.pk])


def _differences(at: datetime) -> QuerySet[Any]:
    return Difference.objects.filter(gone_at=None, explained_at=None).select_related("asset")


def _difference(row: Difference) -> tuple[str, str, str]:
    url = reverse("admin:compensation_difference_change", args=[row.pk])
    return kept.said(row.words), kept.said(row.advice), f"{url}#explain"


def _transfers(at: datetime) -> QuerySet[Any]:
    return Transfer.objects.filter(deposit=None).select_related("asset")


def _transfer(row: Transfer) -> tuple[str, str, str]:
    words = _("no lab has proved that it pays from this address")
    return row.sender, words, reverse("admin:compensation_transfer_change", args=[row.pk])


def _payments(at: datetime) -> QuerySet[Any]:
    waits = Q(state=Payment.State.REVIEW) | Q(state=Payment.State.UNASSIGNED)
    return Payment.objects.filter(waits).select_related("lab", "deposit__asset")


def _payment(row: Payment) -> tuple[str, str, str]:
    words = kept.said(row.note) or str(row.get_state_display())
    return str(row), words, reverse("admin:compensation_payment_change", args=[row.pk])


def _proposals(at: datetime) -> QuerySet[Any]:
    return Proposal.objects.waiting(at).select_related("proposed_by")


def _proposal(row: Proposal) -> tuple[str, str, str]:
    words = _("%(kind)s, put forward by %(person)s") % {
        "kind": row.get_kind_display(),
        "person": row.proposed_by.email,
    }
    url = reverse("admin:provenance_proposal_change", args=[row.pk])
    return kept.said(row.words.splitlines()[0]), words, f"{url}#approve"


def _payable(at: datetime) -> QuerySet[Any]:
    """Assets whose next tree is over the limit, and that nobody has put forward."""
    forward = Proposal.objects.waiting(at).filter(kind=Proposal.Kind.ROOT).values("subject")
    over = payouts.over_limit().exclude(pk__in=[int(one["subject"]) for one in forward])
    rows: QuerySet[Any] = over.annotate(since=Coalesce(Max("epochs__active_at"), Value(at)))
    return rows


def _over(row: Asset) -> tuple[str, str, str]:
    words = _("More than one person may send is payable on the chain: put the tree forward")
    return row.symbol, words, reverse("admin:compensation_payoutepoch_list_verb", args=["build"])


SOURCES: tuple[Source, ...] = (
    *queue.SOURCES,
    Source(CaseKind.PROPOSAL, _proposals, _proposal, "proposed_at", due="expires_at"),
    Source(CaseKind.PAYABLE, _payable, _over, "since", patience=timedelta(days=2)),
    Source(CaseKind.PAYOUT, _came_back, _method, "flagged_at", patience=timedelta(days=5)),
    Source(CaseKind.BOOKING, _open_bookings, _booking, "seen_at", patience=timedelta(days=3)),
    Source(CaseKind.TRANSFER, _transfers, _transfer, "seen_at", patience=timedelta(days=5)),
    Source(CaseKind.PAYMENT, _payments, _payment, "changed_at", patience=timedelta(days=3)),
    Source(CaseKind.DIFFERENCE, _differences, _difference, "since", patience=timedelta(days=7)),
)


def _conflict_stakes(keys: Collection[Any]) -> dict[str, str]:
    return _worded(stakes.of_conflicts(keys))


def _claim_stakes(keys: Collection[Any]) -> dict[str, str]:
    conflicts = dict(Claim.objects.filter(pk__in=keys).values_list("pk", "conflict"))
    held = _conflict_stakes(conflicts.values())
    return {str(pk): held.get(str(conflict), "") for pk, conflict in conflicts.items()}


def _review_stakes(keys: Collection[Any]) -> dict[str, str]:
    usages = dict(Review.objects.filter(pk__in=keys).values_list("pk", "usage"))
    charged = _worded(stakes.of_usages([usage for usage in usages.values() if usage]))
    return {str(pk): charged.get(str(usage), "") for pk, usage in usages.items()}


def _booking_stakes(keys: Collection[Any]) -> dict[str, str]:
    rows = BankBooking.objects.filter(pk__in=keys).select_related("account__asset")
    return {str(row.pk): booked_in_words(row) for row in rows}


def _difference_stakes(keys: Collection[Any]) -> dict[str, str]:
    rows = Difference.objects.filter(pk__in=keys).select_related("asset")
    return {str(row.pk): amount(int(row.amount_units), row.asset) for row in rows}


def _transfer_stakes(keys: Collection[Any]) -> dict[str, str]:
    rows = Transfer.objects.filter(pk__in=keys).select_related("asset")
    return {str(row.pk): amount(row.amount_units, row.asset) for row in rows}


def _payment_stakes(keys: Collection[Any]) -> dict[str, str]:
    rows = Payment.objects.filter(pk__in=keys).select_related("deposit__asset")
    return {
        str(row.pk): amount(row.deposit.amount_units, row.deposit.asset)
        for row in rows
        if row.deposit
    }


def _proposal_stakes(keys: Collection[Any]) -> dict[str, str]:
    return {str(one.pk): one.stake for one in Proposal.objects.filter(pk__in=keys)}


def _payable_stakes(keys: Collection[Any]) -> dict[str, str]:
    rows = payouts.over_limit().filter(pk__in=keys)
    return {str(row.pk): amount(row.payable_units, row) for row in rows}


# What money hangs on the cases of a kind, in words, by the cases' keys.
STAKES: dict[CaseKind, Callable[[Collection[Any]], dict[str, str]]] = {
    CaseKind.PROPOSAL: _proposal_stakes,
    CaseKind.PAYABLE: _payable_stakes,
    CaseKind.CONFLICT: _conflict_stakes,
    CaseKind.APPEAL: _conflict_stakes,
    CaseKind.CLAIM: _claim_stakes,
    CaseKind.REVIEW: _review_stakes,
    CaseKind.TRANSACTION: lambda keys: _worded(stakes.of_transactions([int(k) for k in keys])),
    CaseKind.PAYOUT: lambda keys: _worded(stakes.of_methods(keys)),
    CaseKind.BOOKING: _booking_stakes,
    CaseKind.DIFFERENCE: _difference_stakes,
    CaseKind.TRANSFER: _transfer_stakes,
    CaseKind.PAYMENT: _payment_stakes,
}


def _worded(found: dict[str, stakes.Stake]) -> dict[str, str]:
    return {
        key: ", ".join(amount(units, asset) for asset, units in of_one.items())
        for key, of_one in found.items()
    }


def counts(at: datetime) -> dict[CaseKind, int]:
    """How many cases of each kind wait; kinds without any are left out."""
    found = {source.kind: source.count(at) for source in SOURCES}
    return {kind: count for kind, count in found.items() if count}


def cases(
    *, at: datetime, limit: int, kind: str = "", whose: str = "", person: User | None = None
) -> list[Case]:
    """The cases that are due first, with who looks after them and what money hangs on them.

    `whose`: "mine" for those of `person`, "nobody" for those that nobody has taken.
    """
    found: list[Case] = []
    sooner = policies.brought_forward()
    for source in SOURCES:
        if kind and source.kind != kind:
            continue
        taken = casework.assignees(source.kind) if whose else {}
        mine = [key for key, user in taken.items() if user == person]
        keys = mine if whose == MINE else None
        without = list(taken) if whose == NOBODYS else []
        found += source.cases(at=at, limit=limit, keys=keys, without=without)
        # A policy may have brought forward what would else come after the limit.
        seen = {case.key for case in found if case.kind == source.kind} | set(without)
        late = [key for of, key in sooner if of == source.kind and key not in seen]
        late = [key for key in late if keys is None or key in keys][:limit]
        found += source.cases(at=at, limit=limit, keys=late) if late else []
    found = [_sooner(case, sooner) for case in found]
    found.sort(key=lambda case: (case.due_at, case.since, case.id))
    return _completed(found[:limit])


def _sooner(case: Case, by_policy: dict[tuple[str, str], tuple[datetime, str]]) -> Case:
    """The case with the moment that a policy set, where that is before its own."""
    due_at, name = by_policy.get((case.kind, case.key), (case.due_at, ""))
    if due_at >= case.due_at:
        return case
    said = _("brought forward by the policy “%(name)s”") % {"name": name}
    return replace(case, due_at=due_at, words=f"{case.words}; {said}")


def _completed(found: list[Case]) -> list[Case]:
    """The cases with their assignees and stakes."""
    held = queue.holders(found)
    worth: dict[str, str] = {}
    for kind in {case.kind for case in found} & set(STAKES):
        words = STAKES[kind]([case.key for case in found if case.kind == kind])
        worth |= {f"{kind}:{key}": text for key, text in words.items()}
    return [
        replace(case, assignee=held.get(case.id), stake=worth.get(case.id, "")) for case in found
    ]


def _operator(request: HttpRequest) -> tuple[Viewer, User]:
    """Who works on the queue; raises PermissionDenied for anybody else."""
    viewer, person = viewer_of(request), person_of(request)
    if not viewer.is_operator or person is None:
        raise PermissionDenied(_("The queue is the operators'."))
    return viewer, person


def queue_view(request: HttpRequest) -> HttpResponse:
    """The queue, filtered by kind and by who looks after it."""
    _viewer, person = _operator(request)
    at = timezone.now()
    kind, whose = request.GET.get("kind", ""), request.GET.get("whose", "")
    kind = kind if kind in CaseKind.values else ""
    whose = whose if whose in (MINE, NOBODYS) else ""
    number = request.GET.get("page", "1")
    page = min(max(int(number), 1), LAST_PAGE) if number.isdecimal() and len(number) < 5 else 1
    found = cases(at=at, limit=page * PAGE + 1, kind=kind, whose=whose, person=person)
    shown = found[(page - 1) * PAGE : page * PAGE]
    waiting = counts(at)
    _note_looks(request, shown)
    context = {
        **site.each_context(request),
        "title": _("Queue"),
        "cases": shown,
        "now": at,
        "person": person,
        "colleagues": casework.operators(),
        "kinds": _choices(waiting, kind, whose),
        "owners": _owners(kind, whose),
        "total": sum(waiting.values()),
        "is_filtered": bool(kind or whose),
        "newer": _address(kind, whose, page - 1) if page > 1 else "",
        "older": _address(kind, whose, page + 1) if len(found) > page * PAGE else "",
        "here": _address(kind, whose, page),
    }
    return TemplateResponse(request, "compensation/queue.html", context)


def _choices(waiting: dict[CaseKind, int], kind: str, whose: str) -> list[dict[str, Any]]:
    """The kinds that there are, with their counts, as links."""
    rows: list[dict[str, Any]] = [
        {
            "label": _("Everything"),
            "count": sum(waiting.values()),
            "url": _address("", whose, 1),
            "is_on": not kind,
        }
    ]
    for one in CaseKind:
        if one in waiting or one == kind:
            rows.append(
                {
                    "label": one.label,
                    "count": waiting.get(one, 0),
                    "url": _address(one.value, whose, 1),
                    "is_on": one == kind,
                }
            )
    return rows


def _owners(kind: str, whose: str) -> list[dict[str, Any]]:
    words = (("", _("Anybody's")), (MINE, _("Mine")), (NOBODYS, _("Nobody's yet")))
    return [
        {"label": label, "url": _address(kind, value, 1), "is_on": value == whose}
        for value, label in words
    ]


def _address(kind: str, whose: str, page: int) -> str:
    given = {"kind": kind, "whose": whose, "page": page if page > 1 else ""}
    query = urlencode({name: value for name, value in given.items() if value})
    return reverse("admin:queue") + (f"?{query}" if query else "")


def _note_looks(request: HttpRequest, shown: list[Case]) -> None:
    """The queue names parties: each of them can read that it was looked at."""
    keys: dict[str, list[str]] = defaultdict(list)
    for case in shown:
        keys[case.kind].append(case.key)
    conflicts = [
        *keys[CaseKind.CONFLICT],
        *keys[CaseKind.APPEAL],
        *Claim.objects.filter(pk__in=keys[CaseKind.CLAIM]).values_list("conflict", flat=True),
    ]
    touched = Party.objects.filter(
        Q(datasets__conflicts__in=conflicts)
        | Q(datasets__later_conflicts__in=conflicts)
        | Q(runs__reviews__in=keys[CaseKind.REVIEW])
        | Q(payout_methods__in=keys[CaseKind.PAYOUT])
    )
    note_list(request, looked.QUEUE, touched.distinct())


@require_POST
def assign_view(request: HttpRequest) -> HttpResponse:
    """Take a case, hand it over, or give it back to the queue."""
    viewer, person = _operator(request)
    if not (viewer.may("rights") or viewer.may("finance")):
        raise PermissionDenied(_("Taking cases needs the right 'rights' or 'finance'."))
    kind, _colon, key = request.POST.get("case", "").partition(":")
    name = request.POST.get("to", "")
    to = casework.operators().filter(pk=int(name)).first() if name.isdecimal() else None
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        back = reverse("admin:queue")
    source = next((one for one in SOURCES if one.kind == kind), None)
    at = timezone.now()
    if source is None or not _waits(source, key, at):
        messages.warning(request, _("That case does not wait any more. Nothing changed."))
        return HttpResponseRedirect(back)
    try:
        _assign(source.kind, key, to, person, at)
    except Refused as refusal:
        messages.error(request, f"{refusal.detail} {refusal.next_step}")
    else:
        messages.success(request, _told(to, person))
    return HttpResponseRedirect(back)


def _waits(source: Source, key: str, at: datetime) -> bool:
    try:
        return bool(source.cases(at=at, limit=1, keys=[key]))
    except (ValueError, ValidationError):
        # What came from a form is no key of this kind.
        return False


def _assign(kind: CaseKind, key: str, to: User | None, by: User, at: datetime) -> None:
    if kind == CaseKind.REVIEW:
        signals.assign(review=Review.objects.get(pk=key), to=to)
    else:
        casework.assign(kind=kind, subject=key, to=to, by=by, at=at)


def _told(to: User | None, person: User) -> str:
    if to is None:
        return _("It is back in the queue.")
    if to == person:
        return _("You look after it now.")
    return _("%(person)s looks after it now.") % {"person": to.email}


site.add_page("queue/", queue_view, "queue")
site.add_page("queue/assign/", assign_view, "queue-assign")
