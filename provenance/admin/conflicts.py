"""Conflicts: what is in question, who answers until when, and what each may do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import pgettext

from provenance import looked
from provenance.access import Viewer
from provenance.admin.answering import answer_view
from provenance.admin.base import OWNERS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.conflict_verbs import VERBS, may_claim
from provenance.admin.inbox import LIST_FILTERS, chosen
from provenance.admin.overlaps import pairs_context
from provenance.admin.queue import CLAIMS
from provenance.admin.site import site
from provenance.admin.verbs import viewer_of
from provenance.models import Claim, Conflict, Match, Opening, Party, Submission
from provenance.templatetags.tallymark import moment

_TONES = {
    "open": "warning",
    "claimed": "warning",
    "answered": "warning",
    "deciding": "info",
    "appealed": "info",
    "decided": "success",
    "released": "success",
    "closed": "success",
}


@dataclass(frozen=True)
class Step:
    """One thing that happened, or is awaited, in a conflict."""

    at: datetime | None
    title: str
    text: str = ""
    is_awaited: bool = False


class ConflictAdmin(ReadOnlyFacts):
    """The inbox of conflicts; an operator's queue of cases."""

    shown_to = OWNERS
    page_template = "provenance/conflict.html"
    list_display = ("sides", "label", "whose_turn", "until_when", "opened")
    list_filter = LIST_FILTERS
    list_select_related = ("later__owner", "earlier__owner", "awaits", "overlap")
    ordering = ("deadline_at", "-opened_at")
    list_words = _lazy(
        "Records that two owners registered. Order of registration is a date, never a right: it "
        "decides who answers, and you have time to say what is yours."
    )
    operator_words = _lazy(
        "Records that two owners registered. Order of registration is a date, never a right: it "
        "decides who answers, and both have time to say what is theirs."
    )
    empty_title = _lazy("No conflict")
    empty_words = _lazy(
        "Where your data and another owner's match closely, both of you find it here."
    )
    verbs: ClassVar = VERBS

    @column(_lazy("Between"), header=True)
    def sides(self, conflict: Conflict) -> list[str]:
        later, earlier = conflict.later, conflict.earlier
        words = _("%(later)s and %(earlier)s")
        return [
            words % {"later": later, "earlier": earlier},
            words % {"later": later.owner, "earlier": earlier.owner},
        ]

    @column(_lazy("State"), ordering="state", label=_TONES)
    def label(self, conflict: Conflict) -> str:
        return str(conflict.state)

    @column(_lazy("Whose turn"))
    def whose_turn(self, conflict: Conflict) -> str:
        decides = conflict.state in (Conflict.State.DECIDING, Conflict.State.APPEALED)
        if conflict.may_still_claim:
            return _("%(party)s; an operator") % {"party": conflict.may_still_claim}
        if decides or conflict.has_claim_waiting:
            return _("an operator")
        if conflict.awaits_id is not None:
            return str(conflict.awaits)
        if conflict.state in (Conflict.State.OPEN, Conflict.State.DECIDED):
            return _awaited(conflict)
        return _("nobody")

    @column(_lazy("Until"), ordering="deadline_at")
    def until_when(self, conflict: Conflict) -> str:
        # What runs for the sides is not until when an operator judges a claim.
        is_operators = conflict.has_claim_waiting and not conflict.may_still_claim
        return moment(None if is_operators else conflict.deadline_at)

    @column(_lazy("Opened"), ordering="opened_at")
    def opened(self, conflict: Conflict) -> str:
        return moment(conflict.opened_at)

    def scope(self, viewer: Viewer) -> Any:
        rows = Conflict.objects.visible_to(viewer).with_claims_waiting()
        return rows.select_related(*self.list_select_related)

    def parties_of(self, subject: Any) -> Iterable[Party]:
        return [subject.later.owner, subject.earlier.owner]

    def more_urls(self, named: Any) -> list[URLPattern]:
        return [named("answer/", answer_view, "answer")]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The inbox; an owner answers all that it shows in one action."""
        viewer = viewer_of(request)
        if not viewer.party.is_owner or not viewer.may("rights"):
            return super().changelist_view(request, extra_context)
        picked = urlencode(chosen(viewer, request.GET.dict()))
        links = [
            ({"label": _("Answer these at once")}, f"{self.url('answer')}?{picked}"),
            (
                {"label": _("Answers given so far")},
                reverse("admin:provenance_bulkanswer_changelist"),
            ),
        ]
        return super().changelist_view(request, {"list_links": links, **(extra_context or {})})

    def look(self, request: HttpRequest, subject: Any, reason: str = "") -> HttpResponse | None:
        """A case is its own reason."""
        return super().look(request, subject, reason or f"{looked.CASE}{subject.pk}")

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        viewer = viewer_of(request)
        statements = subject.statements.select_related("party").order_by("made_at")
        if not viewer.is_operator:
            statements = statements.filter(party=viewer.party)
        openings = Opening.objects.filter(conflict=subject, opened_at__isnull=True)
        return {
            "overlap": subject.overlap,
            "side": _side_of(viewer, subject),
            "may_claim": may_claim(viewer, subject),
            "steps": steps(subject),
            "sums": _sums(subject),
            "statements": statements,
            "openings": openings.filter(record__dataset__owner=viewer.party).select_related(
                "record"
            ),
            **pairs_context(request, _matches(subject), viewer),
        }


def _matches(conflict: Conflict) -> Any:
    """Every pair found between the two datasets that a person may look at here."""
    return Match.objects.filter(
        overlap__later__dataset=conflict.later, overlap__earlier__dataset=conflict.earlier
    )


def _side_of(viewer: Viewer, conflict: Conflict) -> str:
    if conflict.later.owner_id == viewer.party.pk:
        return "later"
    return "earlier" if conflict.earlier.owner_id == viewer.party.pk else "operator"


def _sums(conflict: Conflict) -> list[dict[str, Any]]:
    """Contested records by side: in question, held, released, resolved."""
    rows = []
    for name, dataset in (("later", conflict.later), ("earlier", conflict.earlier)):
        held = Q(held_since__isnull=False, released_at__isnull=True)
        counts = conflict.contested.filter(record__dataset=dataset).aggregate(
            total=Count("pk"),
            held=Count("pk", filter=held & Q(resolution__isnull=True)),
            resolved=Count("pk", filter=Q(resolution__isnull=False)),
            released=Count("pk", filter=Q(released_at__isnull=False, resolution__isnull=True)),
        )
        rows.append({"side": name, "dataset": dataset, **counts})
    return rows


def steps(conflict: Conflict) -> list[Step]:
    """What happened so far in order, and what is awaited until when."""
    done = [Step(conflict.opened_at, _("Both sides were told of the overlap"))]
    for claim in conflict.claims.select_related("claimant"):
        claimant = {"party": claim.claimant}
        done.append(Step(claim.made_at, _("%(party)s claimed") % claimant, _claimed(claim)))
        if claim.admitted_at:
            done.append(Step(claim.admitted_at, _("An operator admitted the claim")))
        if claim.rejected_at:
            done.append(Step(claim.rejected_at, _("An operator did not admit the claim")))
        if claim.withdrawn_at:
            done.append(Step(claim.withdrawn_at, _("%(party)s took its claim back") % claimant))
    for said in conflict.submissions.select_related("party"):
        done.append(Step(said.made_at, _said(said), said.text))
    for resolution in conflict.resolutions.all():
        how = _("Decided: %(outcome)s")
        if resolution.is_on_appeal:
            how = _("Decided on appeal: %(outcome)s")
        title = how % {"outcome": resolution.get_outcome_display()}
        done.append(Step(resolution.decided_at, title, resolution.reasons))
    done.sort(key=lambda step: step.at or conflict.opened_at)
    if conflict.closed_at:
        done.append(Step(conflict.closed_at, pgettext("state", "Closed")))
    elif conflict.has_claim_waiting:
        if conflict.may_still_claim:
            claims = _("%(who)s may claim") % {"who": conflict.may_still_claim}
            done.append(Step(conflict.deadline_at, claims, is_awaited=True))
        first = conflict.claims.waiting().earliest("made_at")
        done.append(Step(CLAIMS.due_at(first), _awaited(conflict), is_awaited=True))
    elif conflict.deadline_at:
        done.append(Step(conflict.deadline_at, _awaited(conflict), is_awaited=True))
    return done


def _claimed(claim: Claim) -> str:
    """What a claimant wrote, with its evidence."""
    if not claim.evidence:
        return claim.statement
    evidence = _("Evidence: %(evidence)s") % {"evidence": claim.evidence}
    return f"{claim.statement}\n{evidence}"


def _said(said: Submission) -> str:
    words = {
        Submission.Kind.ANSWER: _("%(party)s answered"),
        Submission.Kind.REPLY: _("%(party)s replied"),
        Submission.Kind.APPEAL: _("%(party)s appealed"),
        Submission.Kind.CONCESSION: _("%(party)s settled some records by its own word"),
    }
    if said.agrees and said.kind == Submission.Kind.ANSWER:
        return _("%(party)s answered, and accepts the claim") % {"party": said.party}
    return words[Submission.Kind(said.kind)] % {"party": said.party}


def _awaited(conflict: Conflict) -> str:
    if conflict.has_claim_waiting:
        return _("an operator admits the claim, or not")
    either_may_claim = _("either side may claim")
    words = {
        Conflict.State.OPEN: _("%(who)s may claim") if conflict.awaits else either_may_claim,
        Conflict.State.CLAIMED: _("%(who)s answers"),
        Conflict.State.ANSWERED: _("%(who)s may reply"),
        Conflict.State.DECIDING: _("an operator decides"),
        Conflict.State.DECIDED: _("either side may appeal"),
        Conflict.State.APPEALED: _("another operator decides the appeal"),
    }
    who = conflict.awaits.name if conflict.awaits else _("an operator")
    return words.get(Conflict.State(conflict.state), _("nothing is awaited")) % {"who": who}


site.register(Conflict, ConflictAdmin)
