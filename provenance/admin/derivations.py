"""Derivations: what a dataset was made from and owes for it, on both owners' pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from provenance import derivation
from provenance.access import Viewer
from provenance.admin.base import OWNERS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import Panel, site
from provenance.admin.verbs import Outcome, Verb, VerbForm, owns, person_of, viewer_of
from provenance.models import Dataset, DatasetVersion, Derivation, Licence, Party
from provenance.models.splits import Policy

State = Derivation.State
_TONES = {
    "declared": "warning", "accepted": "success", "refused": "danger", "withdrawn": "info",
    "ended": "info",
}  # fmt: skip


EXAMPLE = "aurora-archive/essays@1 12.5% relative"
LINE = re.compile(
    r"(?P<name>\S+)\s+(?P<percent>\d{1,3}(\.\d{1,2})?)\s*%?(\s+(?P<policy>relative|absolute))?"
)


class PartForm(VerbForm):
    """What is owed."""

    percent = forms.DecimalField(
        label=_lazy("Percent"), min_value=0, max_value=100, decimal_places=2
    )
    policy = forms.ChoiceField(
        label=_lazy("Of what"), choices=Policy.choices, widget=forms.RadioSelect
    )


class DeclareForm(PartForm):
    """What a dataset was made from."""

    parent = forms.CharField(
        label=_lazy("Made from"),
        max_length=300,
        help_text=_lazy("A sealed version: namespace/name@number."),
    )
    from_the_start = forms.BooleanField(
        label=_lazy("What was earned before is divided by it, too"), required=False, initial=True
    )
    field_order = ("parent", "percent", "policy", "from_the_start")

    def clean_parent(self) -> DatasetVersion:
        """The version of that name."""
        return sealed_version(self.viewer, self.cleaned_data["parent"].strip())


@dataclass(frozen=True)
class Part:
    """A version that a new dataset was made from, and what it owes it."""

    source: DatasetVersion
    policy: str
    basis_points: int


def sealed_version(viewer: Viewer, words: str) -> DatasetVersion:
    """The version called namespace/name@number; raises ValidationError where none is sealed."""
    name, _at, number = words.partition("@")
    namespace, _slash, local = name.partition("/")
    found = (
        DatasetVersion.objects.select_related("dataset__owner")
        .filter(
            dataset__in=Dataset.objects.listed_for(viewer),
            dataset__owner__namespace=namespace,
            dataset__name=local,
            number=int(number) if number.isdecimal() else 0,
            state=DatasetVersion.State.SEALED,
        )
        .first()
    )
    if found is None:
        unknown = _("There is no sealed version of that name: %(name)s.")
        raise forms.ValidationError(unknown % {"name": words})
    return found


def parts_of(viewer: Viewer, text: str) -> list[Part]:
    """What a dataset was made from, a line each: namespace/name@number, percent, and of what.

    Raises ValidationError, naming the line, where one cannot be read.
    """
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        read = LINE.fullmatch(line)
        if read is None or float(read["percent"]) > 100:
            unlike = _("“%(line)s” does not read like “%(example)s”.")
            raise forms.ValidationError(unlike % {"line": line, "example": EXAMPLE})
        points = int(Decimal(read["percent"]) * 100)
        policy = read["policy"] or Policy.RELATIVE
        found.append(Part(sealed_version(viewer, read["name"]), policy, points))
    return found


class ReasonForm(VerbForm):
    """Why, for the other owner to read."""

    reason = forms.CharField(widget=forms.Textarea, help_text=_lazy("The other owner reads it."))


def _declare(request: HttpRequest, dataset: Any, cleaned: dict[str, Any]) -> Outcome:
    made = derivation.declare(
        child=dataset,
        source=cleaned["parent"],
        policy=cleaned["policy"],
        basis_points=int(cleaned["percent"] * 100),
        from_the_start=cleaned["from_the_start"],
        at=timezone.now(),
        by=person_of(request),
    )
    return HttpResponseRedirect(reverse("admin:provenance_derivation_change", args=[made.pk]))


def _doing(act: Callable[..., None], words: str) -> Callable[..., Outcome]:
    """A verb's use case for one of the two sides; with a reason where its form has one."""

    def do(request: HttpRequest, made: Any, cleaned: dict[str, Any]) -> str:
        party = viewer_of(request).party
        act(derivation=made, party=party, at=timezone.now(), **cleaned)
        return words

    return do


def _is_parents(viewer: Viewer, made: Any, state: str) -> bool:
    return bool(made.parent.owner_id == viewer.party.pk and made.state == state)


def _offer(request: HttpRequest, licence: Any, cleaned: dict[str, Any]) -> str:
    derivation.offer_terms(
        licence=licence,
        policy=cleaned["policy"],
        basis_points=int(cleaned["percent"] * 100),
        at=timezone.now(),
    )
    return _("Who declares as much from now on is accepted at once.")


def _end_terms(request: HttpRequest, licence: Any, cleaned: dict[str, Any]) -> str:
    derivation.end_terms(licence=licence, at=timezone.now())
    return _("You are asked again for each derivative. What was accepted stays.")


def _is_offered(viewer: Viewer, licence: Any) -> bool:
    return licence.dataset.owner_id == viewer.party.pk and licence.retired_at is None


def _has_terms(viewer: Viewer, licence: Any) -> bool:
    in_force = licence.derivative_terms.filter(valid_to=None)
    return _is_offered(viewer, licence) and in_force.exists()


class DerivationAdmin(ReadOnlyFacts):
    """Derivations of the viewer's datasets, and from them."""

    shown_to = OWNERS
    list_title = _lazy("Made from others")
    page_template = "provenance/derivation.html"
    list_display = ("child_and_parent", "part", "label", "declared_at")
    list_filter = ("state",)
    list_select_related = ("child__owner", "parent__owner", "source__dataset__owner")
    ordering = ("-declared_at",)
    list_words = _lazy("Which datasets were made from which, and what they owe for it.")
    empty_title = _lazy("Nothing is declared")
    empty_words = _lazy("Declare what a dataset was made from on its page.")
    empty_step = (_lazy("To the datasets"), "admin:provenance_dataset_changelist")
    verbs = (
        Verb(
            "accept",
            _lazy("Accept"),
            "rights",
            _doing(derivation.accept, "Accepted: your part is divided off from what it earns."),
            explains=_lazy("Matches between the two datasets are no conflict any more."),
            offered=lambda viewer, made: _is_parents(viewer, made, State.DECLARED),
            tone="primary",
        ),
        Verb(
            "refuse",
            _lazy("Refuse"),
            "rights",
            _doing(derivation.refuse, "Refused. The other owner reads your reason."),
            ReasonForm,
            offered=lambda viewer, made: _is_parents(viewer, made, State.DECLARED),
        ),
        Verb(
            "end",
            _lazy("Ask for no more"),
            "rights",
            _doing(derivation.end, "Ended. What was credited stays."),
            ReasonForm,
            _lazy("From now on nothing is owed for it."),
            offered=lambda viewer, made: _is_parents(viewer, made, State.ACCEPTED),
            tone="danger",
        ),
        Verb(
            "withdraw",
            _lazy("Take it back"),
            "rights",
            _doing(derivation.withdraw, "Taken back."),
            offered=lambda viewer, made: (
                made.child.owner_id == viewer.party.pk and made.state == State.DECLARED
            ),
        ),
    )

    @column(_lazy("Dataset, made from"), header=True)
    def child_and_parent(self, made: Derivation) -> list[str]:
        return [str(made.child), _("from %(dataset)s") % {"dataset": made.source}]

    @column(_lazy("Owes"))
    def part(self, made: Derivation) -> str:
        return f"{made.basis_points / 100:g} % {made.get_policy_display()}"

    @column(_lazy("State"), ordering="state", label=_TONES)
    def label(self, made: Derivation) -> str:
        return str(made.state)

    def parties_of(self, subject: Any) -> Iterable[Party]:
        return [subject.child.owner, subject.parent.owner]

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {
            "title": _("%(child)s from %(parent)s")
            % {"child": subject.child, "parent": subject.source},
            "percent": f"{subject.basis_points / 100:g}",
            "is_childs": subject.child.owner_id == viewer_of(request).party.pk,
        }


def _debts_panel(request: HttpRequest, dataset: Any) -> Panel | None:
    found = derivation.of_dataset(dataset.pk)
    context = {
        "owes": [each for each in found if each.child_id == dataset.pk],
        "earns": [each for each in found if each.parent_id == dataset.pk],
        "stack": f"{derivation.owed(dataset) / 100:g}",
    }
    return Panel(_("What it was made from"), "provenance/debts_panel.html", context)


def _terms_panel(request: HttpRequest, licence: Any) -> Panel | None:
    terms = licence.derivative_terms.filter(valid_to=None).first()
    words = _("Nothing is asked in advance: the owner accepts or refuses each one.")
    if terms:
        words = _("Whoever declares %(terms)s is accepted at once.") % {"terms": terms}
    return Panel(_("Datasets made from it"), "provenance/parts/words.html", {"words": words})


site.register(Derivation, DerivationAdmin)
site.add_verb(
    Dataset,
    Verb(
        "made-from",
        _lazy("Say what it was made from"),
        "rights",
        _declare,
        DeclareForm,
        _lazy(
            "The other owner accepts, or its licence's terms do; what you owe is then divided off."
        ),
        offered=owns,
    ),
)
site.add_verb(
    Licence,
    Verb(
        "derivatives",
        _lazy("Set terms for derivatives"),
        "rights",
        _offer,
        PartForm,
        _lazy("What you ask of datasets that are made from this one."),
        offered=_is_offered,
    ),
)
site.add_verb(
    Licence,
    Verb(
        "end-derivatives",
        _lazy("Be asked for each derivative"),
        "rights",
        _end_terms,
        offered=_has_terms,
    ),
)
site.add_panel(Dataset, _debts_panel)
site.add_panel(Licence, _terms_panel)
