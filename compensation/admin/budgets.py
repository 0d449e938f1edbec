"""Budgets of labs: set, watched and ended on pages; and what a run's cap leaves."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone

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
        queryset=Project.objects.none(), required=False, empty_label="All runs", label="For"
    )
    every = forms.ChoiceField(label="How often", choices=Budget.Every.choices)
    field_order = ("project", "amount", "asset", "every")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = Project.objects.filter(lab=self.viewer.party).order_by("name")
        self.fields["project"] = forms.ModelChoiceField(
            queryset=own, required=False, empty_label="All runs", label="For"
        )
        self.order_fields(self.field_order)


class ProjectForm(VerbForm):
    """A name for some of the lab's runs."""

    name = forms.CharField(max_length=100, help_text="Runs name it when they start.")


class CapForm(AmountForm):
    """What a run may cost in all."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        named = Asset.objects.filter(code=self.subject.cap_asset)
        self.fields["asset"] = forms.ModelChoiceField(queryset=named, label="In", empty_label=None)


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
    return f"{made}: {amount(made.limit_units, made.asset)}. When it is spent no new run starts."


def _make_project(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    lab, name = viewer_of(request).party, cleaned["name"]
    made = projects.make_project(lab=lab, name=name, at=timezone.now())
    return f"Runs may now name the project {made}."


def _end(request: HttpRequest, budget: Any, cleaned: dict[str, Any]) -> str:
    budgets.end_budget(budget=budget, at=timezone.now())
    return "The budget has ended; it stops no run any more."


def _raise_cap(request: HttpRequest, run: Any, cleaned: dict[str, Any]) -> str:
    cap = projects.Cap(cleaned["asset"].code, cleaned["amount_units"])
    projects.raise_cap(run=run, cap=cap, at=timezone.now())
    return f"The run may cost {amount(cap.units, cleaned['asset'])}; what waits is charged now."


class BudgetAdmin(ReadOnlyFacts):
    """What labs mean to spend."""

    list_title = "Budgets"
    shown_to = LABS
    page_template = "compensation/budget.html"
    list_display = ("name_word", "limit_word", "spent_word", "label", "set_at")
    list_select_related = ("lab", "project", "asset", "set_by")
    ordering = ("-set_at",)
    list_words = (
        "You are told at 50, 80 and 100 %. When a budget is spent no new run starts; runs under "
        "way go on to the caps that they accepted."
    )
    empty_title = "No budget yet"
    empty_words = "Without one, new runs start as long as there is money."
    list_verbs = (
        Verb(
            "set",
            "Set a budget",
            "finance",
            _set,
            BudgetForm,
            "It replaces the budget of the same project, asset and period.",
            offered=_is_lab,
            tone="primary",
        ),
        Verb(
            "project",
            "Make a project",
            "finance",
            _make_project,
            ProjectForm,
            "Owners do not see its name.",
            offered=_is_lab,
        ),
    )
    verbs = (Verb("end", "End this budget", "finance", _end, offered=_is_own),)

    @column("Budget", header=True)
    def name_word(self, budget: Budget) -> list[str]:
        return [str(budget), str(budget.lab)]

    @column("Limit")
    def limit_word(self, budget: Budget) -> str:
        return amount(budget.limit_units, budget.asset)

    @column("Spent")
    def spent_word(self, budget: Budget) -> str:
        standing = budgets.look(budget, timezone.now())
        return f"{amount(standing.spent_units, budget.asset)} ({standing.percent} %)"

    @column("State", label={"in force": "success", "spent": "danger", "ended": "info"})
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
    said = [f"It belongs to the project {root.project}."] if root.project else []
    asset = Asset.objects.filter(code=root.cap_asset).first()
    if asset is not None:
        charged = amount(spending.charged(root, asset), asset)
        cap = amount(root.cap_units, asset)
        said.append(f"{charged} of the accepted {cap} were charged; what is over that waits.")
    if not said:
        return None
    return Panel("Budget", "provenance/parts/words.html", {"words": " ".join(said)})


site.register(Budget, BudgetAdmin)
site.add_panel(Run, _cost)
site.add_verb(
    Run,
    Verb(
        "cap",
        "Raise the cap",
        "finance",
        _raise_cap,
        CapForm,
        "What was used over the cap is charged up to the new one. A cap only rises.",
        offered=_is_capped,
    ),
)
