"""The page that answers many conflicts at once, and the page that says what came of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Max, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from provenance import conflicts
from provenance.access import Viewer
from provenance.admin.base import OWNERS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.evidence import KIND_NAMES
from provenance.admin.inbox import NARROWINGS, chosen, narrowed
from provenance.admin.site import site
from provenance.admin.verbs import VerbForm, person_of, viewer_of
from provenance.models import BulkAnswer, Conflict, ContestedRecord, MatchKind
from provenance.refusals import Refused

Choice = BulkAnswer.Choice
# So long the page itself answers; what is left goes on in the background.
AT_ONCE_SECONDS = 0.8
CASES_PER_PAGE = 50
EXPLAINED = {
    Choice.KEEP: _(
        "What is held of the other side for your sake is released. Nothing of yours changes hands."
    ),
    Choice.GIVE: _(
        "These records of yours count as the other side's, and what they earned follows, from "
        "their first use on. You cannot take it back."
    ),
    Choice.CLAIM: _(
        "Each other side has 14 days to answer. A claim is on all that a conflict holds. If you "
        "registered later, or the time to claim is over, an operator looks at your evidence first."
    ),
    Choice.DISPUTE: _("Each claimant has 14 days to reply; then an operator decides."),
    Choice.REPLY: _("An operator decides next."),
    Choice.WITHDRAW: _("What your claims hold is released. You cannot claim these records again."),
}
"""What each answer does, before one gives it."""


class AnswerAllForm(VerbForm):
    """The one answer, its words, and which of one's own records it is about."""

    choice = forms.ChoiceField(label=_("Your answer"), widget=forms.RadioSelect)
    key_starts = forms.CharField(
        label=_("Only records of mine whose key begins with"),
        required=False,
        max_length=200,
        help_text=_("To keep or to give up only some of them. Empty means all."),
    )
    text = forms.CharField(
        label=_("What you say"),
        widget=forms.Textarea,
        required=False,
        help_text=_(
            "The other sides read it. Claims, denials and replies need words; other answers may go "
            "without."
        ),
    )
    evidence = forms.CharField(
        label=_("Evidence, if you claim"), widget=forms.Textarea, required=False
    )
    is_sure = forms.BooleanField(required=False)
    up_to = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shown = [(one.choice, one.label) for one in self.subject if one.conflict_count]
        choices = forms.ChoiceField(label=_("Your answer"), choices=shown, widget=forms.RadioSelect)
        self.fields["choice"] = choices
        given = next(one for one in self.subject if one.choice == Choice.GIVE)
        if given.conflict_count:
            self.fields["is_sure"].label = given.sure_words
        else:
            del self.fields["is_sure"]

    def clean(self) -> dict[str, Any]:
        """What is given up for good is given up by two steps."""
        said: dict[str, Any] = super().clean() or {}
        if said.get("choice") == Choice.GIVE and not said.get("is_sure"):
            self.add_error("is_sure", _("Confirm it here: you cannot take it back."))
        return said


class Reach:
    """How far one answer would go: in conflicts and in pairs of the kind that was chosen."""

    def __init__(self, rows: QuerySet[Conflict], viewer: Any, choice: Choice, kind: str) -> None:
        reached = conflicts.answerable(rows, viewer.party, choice)
        pairs = conflicts.open_pairs(reached)
        self.choice = choice
        self.explains = EXPLAINED[choice]
        self.conflict_count = reached.count()
        self.pair_count = (pairs.filter(kind=kind) if kind else pairs).count()

    @property
    def label(self) -> str:
        """The answer with its reach, as one chooses it."""
        words = _("%(answer)s (records: %(records)s; conflicts: %(conflicts)s)")
        return words % {
            "answer": self.choice.label,
            "conflicts": f"{self.conflict_count:,}",
            "records": f"{self.pair_count:,}",
        }

    @property
    def sure_words(self) -> str:
        """What one confirms who gives records up."""
        words = _(
            "If you give records up: yes, they are the other side's for good (records: "
            "%(records)s; conflicts: %(conflicts)s)"
        )
        return words % {
            "conflicts": f"{self.conflict_count:,}",
            "records": f"{self.pair_count:,}",
        }


def answer_view(request: HttpRequest) -> HttpResponse:
    """Narrow the inbox, choose one answer, give it to all that is left."""
    viewer = viewer_of(request)
    if not viewer.party.is_owner or not viewer.may("rights"):
        raise PermissionDenied("Only an owner's members with the right 'rights' answer conflicts.")
    picked = chosen(viewer, request.GET.dict())
    rows = narrowed(Conflict.objects.visible_to(viewer), viewer, picked)
    reaches = [Reach(rows, viewer, choice, picked.get("kind", "")) for choice in Choice]
    seen = ContestedRecord.objects.filter(conflict__in=rows.values("pk"))
    form = AnswerAllForm(
        request.POST or None,
        viewer=viewer,
        subject=reaches,
        initial={"up_to": seen.aggregate(last=Max("pk"))["last"]},
    )
    if request.method == "POST" and form.is_valid():
        try:
            given = _give(request, rows, picked, form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, f"{refusal.detail} {refusal.next_step}".strip())
        else:
            return HttpResponseRedirect(
                reverse("admin:provenance_bulkanswer_change", args=[given.pk])
            )
    context = {
        **site.each_context(request),
        "title": _("Answer many conflicts at once"),
        "above": [(_("Conflicts"), reverse("admin:provenance_conflict_changelist"))],
        "narrowings": [
            (one, options, picked.get(one.name, ""))
            for one in NARROWINGS
            if (options := one.options(viewer))
        ],
        "reaches": [one for one in reaches if one.conflict_count],
        "conflict_count": _reached(rows, viewer).count(),
        "list_url": f"{reverse('admin:provenance_conflict_changelist')}?{urlencode(picked)}",
        "form": form,
        "viewer": viewer,
    }
    status = 422 if request.method == "POST" else 200
    return TemplateResponse(request, "provenance/answer_all.html", context, status=status)


def _reached(rows: QuerySet[Conflict], viewer: Viewer) -> QuerySet[Conflict]:
    """Those in which any answer is possible now."""
    reached = Q()
    for choice in Choice:
        reached |= Q(pk__in=conflicts.answerable(rows, viewer.party, choice).values("pk"))
    return rows.filter(reached)


def _give(
    request: HttpRequest, rows: QuerySet[Conflict], picked: dict[str, str], said: dict[str, Any]
) -> BulkAnswer:
    """Give the answer, and carry out what a moment allows."""
    kinds = [picked["kind"]] if "kind" in picked else []
    given = conflicts.answer_all(
        conflicts=rows,
        party=viewer_of(request).party,
        choice=said["choice"],
        text=said["text"],
        evidence=said["evidence"],
        filter={"kind": kinds, "key_starts": said["key_starts"], "up_to": said["up_to"]},
        by=person_of(request),
        at=timezone.now(),
    )
    conflicts.advance(given.pk, clock=timezone.now, seconds=AT_ONCE_SECONDS)
    return given


class BulkAnswerAdmin(ReadOnlyFacts):
    """Answers that were given to many conflicts at once."""

    list_title = _("Answers to many conflicts")
    shown_to = OWNERS
    page_template = "provenance/bulk_answer.html"
    list_display = ("choice_words", "party", "made_at", "finished_at")
    list_select_related = ("party",)
    ordering = ("-made_at",)
    list_words = _("What you answered to many conflicts in one action, and what came of it.")
    empty_title = _("No answer was given to many conflicts yet")
    empty_words = _("On the list of conflicts, narrow it and choose “Answer these at once”.")
    empty_step = (_("To the conflicts"), "admin:provenance_conflict_changelist")

    @column(_("Answer"), header=True)
    def choice_words(self, given: BulkAnswer) -> list[str]:
        return [given.get_choice_display(), given.text[:80]]

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        cases = subject.cases.select_related(
            "conflict__later__owner", "conflict__earlier__owner", "conflict__awaits"
        )
        if request.GET.get("only") == "refused":
            cases = cases.exclude(refusal="")
        page = Paginator(cases.order_by("pk"), CASES_PER_PAGE).get_page(request.GET.get("page"))
        kinds = [str(KIND_NAMES[MatchKind(kind)]) for kind in subject.filter.get("kind", [])]
        return {
            "cases": page,
            "explains": EXPLAINED[subject.choice],
            "kinds": pgettext("list", ", ").join(kinds),
            **standing(subject),
        }

    def more_urls(self, named: Any) -> list[URLPattern]:
        return [named("<str:object_id>/progress/", self.progress, "progress")]

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Where the answer stands: the fragment that the page fetches while it waits."""
        subject = self.found(request, object_id)
        context = {"object": subject, **standing(subject)}
        return TemplateResponse(request, "provenance/bulk_answer_progress.html", context)


def standing(given: BulkAnswer) -> dict[str, Any]:
    """How far an answer is: conflicts in all, done and refused, and pairs answered."""
    counts = given.cases.aggregate(
        total=Count("pk"),
        done=Count("pk", filter=Q(done_at__isnull=False)),
        refused=Count("pk", filter=~Q(refusal="")),
        pairs=Sum("pair_count"),
    )
    counts["width"] = round(100 * counts["done"] / counts["total"]) if counts["total"] else 100
    return {"counts": counts, "is_working": given.finished_at is None}


site.register(BulkAnswer, BulkAnswerAdmin)
