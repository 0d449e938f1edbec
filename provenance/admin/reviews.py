"""The queue of reviews: what looks wrong in reports of use, what the lab says, how it ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import pgettext

from provenance import signals
from provenance.access import Viewer
from provenance.admin.base import ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import Panel, site
from provenance.admin.verbs import Verb, VerbForm, person_of, viewer_of
from provenance.models import Membership, Party, Review, Run, Usage, User

State = Review.State


def is_inside(viewer: Viewer, review: Review) -> bool:
    """Whether the viewer reads the figures: the lab whose run it is, or an operator."""
    return bool(viewer.is_operator or viewer.party.pk == review.run.lab_id)


class NoteForm(VerbForm):
    """What one says."""

    text = forms.CharField(label=_lazy("What you say"), widget=forms.Textarea)


class AssignForm(VerbForm):
    """Which operator looks at it."""

    to = forms.ModelChoiceField(
        queryset=User.objects.none(),
        label=_lazy("Who looks at it"),
        required=False,
        empty_label=_lazy("nobody"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        members = Membership.objects.filter(party=self.viewer.party).values("user")
        people = User.objects.filter(pk__in=members, is_active=True).order_by("email")
        self.fields["to"] = forms.ModelChoiceField(
            queryset=people,
            label=_("Who looks at it"),
            required=False,
            empty_label=_("nobody"),
            initial=self.viewer.user,
        )


class ClosingForm(VerbForm):
    """How it ended, and why."""

    outcome = forms.ChoiceField(choices=Review.Outcome.choices, widget=forms.RadioSelect)
    reason = forms.CharField(
        label=_lazy("Reason"),
        widget=forms.Textarea,
        help_text=_lazy("The lab reads it, with the outcome."),
    )


def _say(request: HttpRequest, review: Any, cleaned: dict[str, Any]) -> str:
    signals.say(
        review=review,
        party=viewer_of(request).party,
        text=cleaned["text"],
        by=person_of(request),
        at=timezone.now(),
    )
    return _("What you said stands on the page of the review.")


def _assign(request: HttpRequest, review: Any, cleaned: dict[str, Any]) -> str:
    signals.assign(review=review, to=cleaned["to"])
    return (
        _("%(person)s looks at it.") % {"person": cleaned["to"]}
        if cleaned["to"]
        else _("It is back in the queue.")
    )


def _close(request: HttpRequest, review: Any, cleaned: dict[str, Any]) -> str:
    person = person_of(request)
    assert person is not None, "the admin site lets people in, not keys"
    signals.close(
        review=review,
        outcome=cleaned["outcome"],
        reason=cleaned["reason"],
        by=person,
        at=timezone.now(),
    )
    return _("Closed. Nothing was charged or taken back by it.")


def _is_labs(viewer: Viewer, review: Any) -> bool:
    return bool(review.state == State.OPEN and review.run.lab_id == viewer.party.pk)


def _is_ours(viewer: Viewer, review: Any) -> bool:
    return bool(review.state == State.OPEN and viewer.is_operator)


class ReviewAdmin(ReadOnlyFacts):
    """What a person should look at in reports of use."""

    list_title = _lazy("Reviews of reports")
    page_template = "provenance/review.html"
    list_display = ("rule_and_run", "label", "found_word", "who_looks", "raised_at", "found_at")
    list_filter = ("state", "rule", "outcome", "assignee")
    search_fields = ("subject", "run__pseudonym", "run__lab__name")
    list_select_related = (
        "run__lab",
        "version__dataset__owner",
        "other_version__dataset__owner",
        "assignee",
    )
    ordering = ("-state", "raised_at")
    list_words = _lazy(
        "What does not fit in reports of use. A person looks at it and hears the lab; nothing is "
        "charged or taken back because of a review."
    )
    empty_title = _lazy("Nothing to review")
    empty_words = _lazy("Reports are looked at every few minutes; what does not fit appears here.")
    verbs: ClassVar = (
        Verb(
            "answer",
            _lazy("Answer"),
            "develop",
            _say,
            NoteForm,
            _lazy(
                "Say what the figures mean. An operator reads it; the owner of the data does not."
            ),
            offered=_is_labs,
            is_inline=True,
        ),
        Verb(
            "ask",
            _lazy("Ask the lab"),
            "rights",
            _say,
            NoteForm,
            _lazy("The lab reads it on this page."),
            offered=_is_ours,
        ),
        Verb("assign", _lazy("Assign"), "rights", _assign, AssignForm, offered=_is_ours),
        Verb(
            "close",
            _lazy("Close"),
            "rights",
            _close,
            ClosingForm,
            _lazy(
                "What follows, if anything, is decided and done elsewhere. It opens again by "
                "itself only if what it is about grows by more than half."
            ),
            offered=_is_ours,
            is_inline=True,
        ),
    )

    def get_list_filter(self, request: HttpRequest) -> Any:
        """Who looks at it is the operators' own."""
        if viewer_of(request).is_operator:
            return self.list_filter
        return ("state", "rule", "outcome")

    def get_search_fields(self, request: HttpRequest) -> Any:
        """What the lab called it is not for the owner of the data to guess at."""
        return self.search_fields if viewer_of(request).is_operator else ("run__pseudonym",)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """The figures are for those inside; a column would show them to all who see the list."""
        shown = super().get_list_display(request)
        return [
            name
            for name in shown
            if viewer_of(request).is_operator or name not in ("who_looks", "found_word")
        ]

    @column(_lazy("What, in which run"), header=True)
    def rule_and_run(self, review: Review) -> list[str]:
        return [
            review.get_rule_display(),
            _("%(run)s of %(lab)s") % {"run": review.run.pseudonym, "lab": review.run.lab},
        ]

    @column(_lazy("State"), ordering="state", label={"open": "warning", "closed": "success"})
    def label(self, review: Review) -> str:
        return str(review.state)

    @column(_lazy("Found"))
    def found_word(self, review: Review) -> str:
        found = signals.say_evidence(review)
        return _("%(found)s No longer so.") % {"found": found} if review.gone_at else found

    @column(_lazy("Who looks"), ordering="assignee")
    def who_looks(self, review: Review) -> str:
        if review.assignee is None:
            return pgettext("who looks after a case", "nobody yet")
        return review.assignee.email

    def parties_of(self, subject: Any) -> Iterable[Party]:
        owners = [one.dataset.owner for one in (subject.version, subject.other_version) if one]
        return [subject.run.lab, *owners]

    def look(self, request: HttpRequest, subject: Any, reason: str = "") -> HttpResponse | None:
        """A review is its own reason."""
        return super().look(request, subject, reason or f"review {subject.pk}")

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        viewer = viewer_of(request)
        inside = is_inside(viewer, subject)
        versions = [one for one in (subject.version, subject.other_version) if one]
        own = [one for one in versions if one.dataset.owner_id == viewer.party.pk]
        return {
            "title": str(subject),
            "is_inside": inside,
            "words": signals.say_evidence(subject) if inside else signals.for_owner(subject),
            "advice": signals.advice(subject) if _is_labs(viewer, subject) else "",
            "versions": versions if inside else own,
            "notes": subject.notes.select_related("party").order_by("made_at") if inside else [],
        }


def _of_usage(request: HttpRequest, usage: Any) -> Panel | None:
    return _panel(request, usage.reviews)


def _of_run(request: HttpRequest, run: Any) -> Panel | None:
    return _panel(request, run.reviews)


def _panel(request: HttpRequest, rows: Any) -> Panel | None:
    """The reviews that the viewer may see, if there are any."""
    seen: QuerySet[Review] = Review.objects.visible_to(viewer_of(request))
    found = rows.filter(pk__in=seen.values("pk")).select_related("run").order_by("raised_at")
    if not found.exists():
        return None
    return Panel(_("Reviews"), "provenance/reviews_panel.html", {"reviews": found})


site.add_panel(Usage, _of_usage)
site.add_panel(Run, _of_run)
site.register(Review, ReviewAdmin)
