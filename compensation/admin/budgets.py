"""Budgets of labs: set, watched and ended on pages; and what a run's cap leaves."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from compensation import budgets, spending
from compensation.admin.deposits import AmountForm
from compensation.models import Asset, Budget
from compensation.templatetags.money import amount
from provenance import projects
from provenance.access import Viewer
from provenance.admin.base import LABS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import Panel, site
from provenance.admin.verbs import Verb, VerbForm, person_of, viewer_of
from provenance.models import Project, Run


class BudgetForm(AmountForm):
    """What the lab means to spend."""

    project = forms.ModelChoiceField(
        queryset=Project.objects.none(),
        required=False,
        empty_label=_lazy("All runs"),
        label=_lazy("For"),
    )
    every = forms.ChoiceField(label=_lazy("How often"), choices=Budget.Every.choices)
    field_order = ("project", "amount", "asset", "every")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = Project.objects.filter(lab=self.viewer.party).order_by("name")
        self.fields["project"] = forms.ModelChoiceField(
            queryset=own, required=False, empty_label=_("All runs"), label=_("For")
        )
        self.order_fields(self.field_order)


class ProjectForm(VerbForm):
    """A name for some of the lab's runs."""

    name = forms.CharField(max_length=100, help_text=_lazy("Runs name it when they start."))


class CapForm(AmountForm):
    """What a run may cost in all."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        named = Asset.objects.filter(code=self.subject.cap_asset)
        self.fields["asset"] = forms.ModelChoiceField(
            queryset=named, label=_("In"), empty_label=None
        )


def _is_lab(viewer: Viewer, subject: Any) -> bool:
    return bool(viewer.party.is_lab)


def _is_own(viewer: Viewer, budget: Any) -> bool:
    return budget.lab_id == viewer.party.pk and budget.ended_at is None


def _is_capped(viewer: Viewer, run: Any) -> bool:
    return run.lab_id == viewer.party.pk and run.cap_units is not None


def _set(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    made = budgets.set_budget(
        lab=viewer_of(request).party,
        project=cleaned["project"],
        asset=cleaned["asset"],
        every=cleaned["every"],
        limit_units=cleaned["amount_units"],
        at=timezone.now(),
        by=person_of(request),
    )
    return _("%(made)s: %(amount)s. When it is spent no new run starts.") % {
        "made": made,
        "amount": amount(made.limit_units, made.asset),
    }


def _make_project(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    lab, name = viewer_of(request).party, cleaned["name"]
    made = projects.make_project(lab=lab, name=name, at=timezone.now())
    return _("Runs may now name the project %(made)s.") % {"made": made}


def _end(request: HttpRequest, budget: Any, cleaned: dict[str, Any]) -> str:
    budgets.end_budget(budget=budget, at=timezone.now())
    return _("The budget has ended; it stops no run any more.")


def _raise_cap(request: HttpRequest, run: Any, cleaned: dict[str, Any]) -> str:
    cap = projects.Cap(cleaned["asset"].code, cleaned["amount_units"])
    projects.raise_cap(run=run, cap=cap, at=timezone.now())
    return _("The run may cost %(amount)s; what waits is charged now.") % {
        "amount": amount(cap.units, cleaned["asset"])
    }


class BudgetAdmin(ReadOnlyFacts):
    """What labs mean to spend."""

    list_title = _lazy("Budgets")
    shown_to = LABS
    page_template = "compensation/budget.html"
    list_display = ("name_word", "limit_word", "spent_word", "label", "set_at")
    list_select_related = ("lab", "project", "asset", "set_by")
    ordering = ("-set_at",)
    list_words = _lazy(
        "You are told at 50, 80 and 100 %. When a budget is spent no new run starts; "
        "runs under way go on to the caps that they accepted."
    )
    empty_title = _lazy("No budget yet")
    empty_words = _lazy("Without one, new runs start as long as there is money.")
    list_verbs = (
        Verb(
            "set",
            _lazy("Set a budget"),
            "finance",
            _set,
            BudgetForm,
            _lazy("It replaces the budget of the same project, asset and period."),
            offered=_is_lab,
            tone="primary",
        ),
        Verb(
            "project",
            _lazy("Make a project"),
            "finance",
            _make_project,
            ProjectForm,
            _lazy("Owners do not see its name."),
            offered=_is_lab,
        ),
    )
    verbs = (Verb("end", _lazy("End this budget"), "finance", _end, offered=_is_own),)

    @column(_lazy("Budget"), header=True)
    def name_word(self, budget: Budget) -> list[str]:
        return [str(budget), str(budget.lab)]

    @column(_lazy("Limit"))
    def limit_word(self, budget: Budget) -> str:
        return amount(budget.limit_units, budget.asset)

    @column(_lazy("Spent"))
    def spent_word(self, budget: Budget) -> str:
        standing = budgets.look(budget, timezone.now())
        return f"{amount(standing.spent_units, budget.asset)} ({standing.percent} %)"

    @column(_lazy("State"), label={"in force": "success", "spent": "danger", "ended": "info"})
    def label(self, budget: Budget) -> str:
        if budget.ended_at:
            return "ended"
        return "spent" if budgets.look(budget, timezone.now()).left_units <= 0 else "in force"

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {
            "standing": budgets.look(subject, timezone.now()),
            "caps": budgets.open_caps(subject),
            "notices": subject.notices.order_by("-noticed_at", "-percent")[:50],
        }


def _cost(request: HttpRequest, run: Any) -> Panel | None:
    """What a run's cap leaves, and whose budget pays, for its lab."""
    root: Run = run.top
    said = (
        [_("It belongs to the project %(project)s.") % {"project": root.project}]
        if root.project
        else []
    )
    asset = Asset.objects.filter(code=root.cap_asset).first()
    if asset is not None:
        charged = amount(spending.charged(root, asset), asset)
        cap = amount(root.cap_units, asset)
        said.append(
            _("%(charged)s of the accepted %(cap)s were charged; what is over that waits.")
            % {"charged": charged, "cap": cap}
        )
    if not said:
        return None
    return Panel(_("Budget"), "provenance/parts/words.html", {"words": " ".join(said)})


site.register(Budget, BudgetAdmin)
site.add_panel(Run, _cost)
site.add_verb(
    Run,
    Verb(
        "cap",
        _lazy("Raise the cap"),
        "finance",
        _raise_cap,
        CapForm,
        _lazy("What was used over the cap is charged up to the new one. A cap only rises."),
        offered=_is_capped,
    ),
)
