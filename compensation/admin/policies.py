"""Policies of the operators: written, tried on what was, put in force and ended."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation import policies
from compensation.admin.bank import OperatorPages
from compensation.admin.policy_lines import (
    act_line,
    effect_of,
    line,
    literal,
    named_by,
    note_looks,
    sheet_of,
)
from compensation.models import Policy
from provenance import casework
from provenance.access import Viewer
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb, VerbForm, person_of
from provenance.models import User

Target = Policy.Target
# So many lines stand on the page; the sheet has them all.
SHOWN = 50


class PolicyForm(VerbForm):
    """A policy, or its next version."""

    name = forms.CharField(label=_lazy("Name"), max_length=80)
    target = forms.ChoiceField(
        label=_lazy("What it looks at"), choices=Target.choices, widget=forms.RadioSelect
    )
    condition = forms.CharField(
        label=_lazy("Condition"),
        widget=forms.Textarea,
    )
    assign_to = forms.ModelChoiceField(
        queryset=User.objects.none(),
        label=_lazy("Of cases: who looks after them"),
        required=False,
        empty_label=_lazy("nobody"),
        help_text=_lazy("Only cases that nobody has, and never those of the person's own party."),
    )
    due_hours = forms.IntegerField(
        label=_lazy("Of cases: due within so many hours"),
        required=False,
        min_value=1,
        help_text=_lazy("Counted from when it acts. A case is never due later than without it."),
    )
    words = forms.CharField(
        label=_lazy("Of reports of use: what the lab reads in the review"),
        required=False,
        max_length=500,
        widget=forms.Textarea,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["condition"].help_text = _(
            "In CEL, such as: %(example)s. Its facts are, of cases, %(case)s; of reports, %(use)s."
        ) % {
            "example": 'case.kind == "review" && case.stake >= 1000',
            **{
                target: ", ".join(f"{target}.{name}" for name in facts)
                for target, facts in policies.FACTS.items()
            },
        }
        chosen: Any = self.fields["assign_to"]
        chosen.queryset = casework.operators()
        if isinstance(self.subject, Policy):
            for name in ("target", "condition", "assign_to", "due_hours", "words"):
                self.initial[name] = getattr(self.subject, name)
            del self.fields["name"]


class ReasonForm(VerbForm):
    """Why."""

    reason = forms.CharField(
        label=_lazy("Reason"), widget=forms.Textarea, help_text=_lazy("It stays on record.")
    )


def _person(request: HttpRequest) -> User:
    person = person_of(request)
    assert person is not None, "the admin site lets people in, not keys"
    return person


def _write(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    named = {"name": subject.name} if isinstance(subject, Policy) else {}
    made = policies.write(by=_person(request), at=timezone.now(), **{**cleaned, **named})
    messages.success(
        request, _("It is written, and does nothing yet. Below is what it would have done.")
    )
    return HttpResponseRedirect(reverse("admin:compensation_policy_change", args=[made.pk]))


def _begin(request: HttpRequest, rule: Any, cleaned: dict[str, Any]) -> str:
    at = timezone.now()
    tried = policies.dry_run(rule, at=at)
    policies.begin(
        rule=rule,
        reason=cleaned["reason"],
        by=_person(request),
        at=at,
        tried={"tried_on": tried.looked_at, "would_act_on": len(tried.would)},
    )
    return _("It is in force from now on.")


def _end(request: HttpRequest, rule: Any, cleaned: dict[str, Any]) -> str:
    policies.end(rule=rule, reason=cleaned["reason"], by=_person(request), at=timezone.now())
    return _("It has ended. What it did stays done.")


def state_of(rule: Policy) -> str:
    """Whether it acts."""
    if rule.begun_at is None:
        return "draft"
    return "in force" if rule.ended_at is None else "ended"


def _is_draft(viewer: Viewer, rule: Any) -> bool:
    return viewer.is_operator and state_of(rule) == "draft"


def _is_in_force(viewer: Viewer, rule: Any) -> bool:
    return viewer.is_operator and state_of(rule) == "in force"


class PolicyAdmin(OperatorPages):
    """What operators let the service do by itself."""

    list_title = _lazy("Policies")
    page_template = "compensation/policy.html"
    list_display = ("__str__", "label", "target", "effect", "begun_at", "ended_at")
    list_filter = ("target",)
    list_select_related = ("assign_to", "written_by", "begun_by", "ended_by")
    ordering = ("name", "-version")
    list_words = _lazy(
        "Rules that act on new matters by themselves: they hand out cases, bring them forward in "
        "the queue, and raise reviews of reports. None moves money or decides anything."
    )
    empty_title = _lazy("No policy yet")
    empty_words = _lazy("Write one and see what it would have done in the last 90 days.")
    list_verbs = (
        Verb(
            "write",
            _lazy("Write a policy"),
            "rights",
            _write,
            PolicyForm,
            _lazy("Nothing happens by it until it is put in force."),
            offered=lambda viewer, _none: viewer.is_operator,
        ),
    )
    verbs = (
        Verb(
            "begin",
            _lazy("Put it in force"),
            "rights",
            _begin,
            ReasonForm,
            _lazy("It acts on every case that waits now or comes later, and on new reports."),
            offered=_is_draft,
            is_inline=True,
        ),
        Verb(
            "end",
            _lazy("End it"),
            "rights",
            _end,
            ReasonForm,
            _lazy("What it did stays done."),
            offered=_is_in_force,
            tone="danger",
        ),
        Verb(
            "revise",
            _lazy("Write its next version"),
            "rights",
            _write,
            PolicyForm,
            _lazy("This version stays as it is; the next one takes its place once in force."),
            offered=lambda viewer, _rule: viewer.is_operator,
        ),
    )

    @column(_lazy("State"), label={"draft": "warning", "in force": "success", "ended": "info"})
    def label(self, rule: Policy) -> str:
        return state_of(rule)

    @column(_lazy("What it does"))
    def effect(self, rule: Policy) -> str:
        return effect_of(rule)

    def more_urls(self, named: Any) -> list[URLPattern]:
        return [named("<str:object_id>/sheet/", self.sheet_view, "sheet")]

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        tried, acts = None, []
        if subject.begun_at is None:
            tried = policies.dry_run(subject, at=timezone.now())
            note_looks(request, named_by(tried))
        else:
            rows = subject.acts.select_related("assigned_to", "review").order_by("-acted_at")
            acts = list(rows[:SHOWN])
            note_looks(request, (one for act in acts for one in act.facts["parties"]))
        return {
            "state": state_of(subject),
            "effect": effect_of(subject),
            "facts": [
                (f"{subject.target}.{name}", fact.words, literal(fact.example))
                for name, fact in policies.FACTS[subject.target].items()
            ],
            "tried": tried,
            "would": [line(one.matter, one.at) for one in tried.would[:SHOWN]] if tried else [],
            "acts": [act_line(one) for one in acts],
            "act_count": subject.acts.count(),
            "sheet_url": self.url("sheet", subject.pk),
        }

    def sheet_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What a draft would have done, or what a policy did, as a sheet."""
        rule = self.found(request, object_id)
        name = f"{slugify(rule.name) or 'policy'}-{rule.version}"
        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
        content_type = "text/csv; charset=utf-8"
        return HttpResponse(sheet_of(request, rule), content_type=content_type, headers=headers)


site.register(Policy, PolicyAdmin)
