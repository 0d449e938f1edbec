"""Contributors, splits and own shares: who else a dataset belongs to, on the pages of its owner."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.db import transaction
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from provenance import contributors, letters, quality
from provenance.access import Viewer
from provenance.admin.base import OWNERS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import Panel, site
from provenance.admin.verbs import Outcome, Verb, VerbForm, owns, person_of, viewer_of
from provenance.models import (
    Contributor,
    Dataset,
    DatasetVersion,
    Membership,
    Party,
    SplitShare,
    User,
)

_WHEN = [
    ("now", "from now on: what was earned stays as it was divided"),
    ("start", "from the start: what was earned is divided anew, too"),
]


class WhenForm(VerbForm):
    """From when a split divides."""

    when = forms.ChoiceField(
        label="It holds", choices=_WHEN, widget=forms.RadioSelect, initial="now"
    )

    def clean_when(self) -> bool:
        """Whether it holds from the start."""
        return bool(self.cleaned_data["when"] == "start")


class DivideForm(WhenForm):
    """Whole weights, written down."""

    owner_weight = forms.IntegerField(label="Your own weight", min_value=0, initial=1)
    weights = forms.CharField(
        label="Contributors",
        widget=forms.Textarea,
        required=False,
        help_text="One a line: name = weight. Whole numbers; twice the weight is twice the part.",
    )
    field_order = ("owner_weight", "weights", "when")

    def clean_weights(self) -> dict[str, int]:
        """Weights by name."""
        found: dict[str, int] = {}
        for number, line in enumerate(self.cleaned_data["weights"].splitlines(), 1):
            if not line.strip():
                continue
            name, _, weight = (part.strip() for part in line.rpartition("="))
            if not name or not weight.isdecimal():
                raise forms.ValidationError(f"Line {number} is not: name = weight.")
            if name in found:
                raise forms.ValidationError(f"Line {number} names {name} a second time.")
            found[name] = int(weight)
        return found


class ByRecordsForm(WhenForm):
    """What of each credited record goes to its contributor."""

    percent = forms.DecimalField(
        label="Percent of each credited record",
        min_value=0,
        max_value=100,
        decimal_places=2,
        help_text=" ".join(quality.WORDS),
    )
    field_order = ("percent", "when")


class InviteForm(VerbForm):
    """Who takes the account over."""

    email = forms.EmailField(label="E-mail address")


def _divide(request: HttpRequest, dataset: Any, cleaned: dict[str, Any]) -> str:
    at = timezone.now()
    with transaction.atomic():
        weights = {
            contributors.name(owner=dataset.owner, label=label, at=at): weight
            for label, weight in cleaned["weights"].items()
        }
        split = contributors.divide(
            dataset=dataset,
            owner_weight=cleaned["owner_weight"],
            weights=weights,
            from_the_start=cleaned["when"],
            at=at,
            by=person_of(request),
        )
    return f"Split {split.number} holds."


def _divide_by_records(request: HttpRequest, version: Any, cleaned: dict[str, Any]) -> str:
    split = contributors.divide_by_records(
        version=version,
        contributors_basis_points=int(cleaned["percent"] * 100),
        from_the_start=cleaned["when"],
        at=timezone.now(),
        by=person_of(request),
    )
    return f"Split {split.number} holds, by the records of {version}."


def _invite(request: HttpRequest, contributor: Any, cleaned: dict[str, Any]) -> Outcome:
    person = person_of(request)
    assert isinstance(person, User), "the admin site lets people in, not keys"
    with transaction.atomic():
        invitation, token = contributors.invite(
            contributor=contributor, email=cleaned["email"], by=person, at=timezone.now()
        )
        link = letters.send_invitation(invitation, token)
    context = {
        **site.each_context(request),
        "title": "Invitation sent",
        "invitation": invitation,
        "link": link,
    }
    answer = TemplateResponse(request, "provenance/invitation_sent.html", context)
    answer["Cache-Control"] = "no-store"
    return answer


def _is_unclaimed(viewer: Viewer, contributor: Any) -> bool:
    is_claimed = Membership.objects.filter(party=contributor.party_id).exists()
    return owns(viewer, contributor) and not is_claimed


def _has_credits(viewer: Viewer, version: Any) -> bool:
    credited = version.dataset.records.filter(credit__isnull=False)
    return bool(version.dataset.owner_id == viewer.party.pk and credited.exists())


class ContributorAdmin(ReadOnlyFacts):
    """Those whom an owner named."""

    shown_to = OWNERS
    page_template = "provenance/contributor.html"
    list_display = ("label", "account", "named_at")
    search_fields = ("label",)
    list_select_related = ("party", "owner")
    ordering = ("named_at",)
    list_words = (
        "Who worked on your data, by the names your files use. Their shares accrue from the first "
        "day; invite a person to take an account over."
    )
    empty_title = "No contributor yet"
    empty_words = "Name some where you divide a dataset: on its page, under 'Divide it'."
    verbs = (
        Verb(
            "invite",
            "Hand the account over",
            "rights",
            _invite,
            InviteForm,
            "Who accepts becomes its admin, and has what it earned. It can be done once.",
            offered=_is_unclaimed,
            tone="primary",
        ),
    )

    def scope(self, viewer: Viewer) -> QuerySet[Any]:
        rows = super().scope(viewer)
        return rows if viewer.is_operator else rows.filter(owner=viewer.party)

    @column("Earns as")
    def account(self, contributor: Contributor) -> str:
        return contributor.party.name

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        shares = SplitShare.objects.visible_to(viewer_of(request)).filter(party=subject.party)
        return {
            "title": subject.label,
            "is_claimed": Membership.objects.filter(party=subject.party).exists(),
            "shares": _with_sums(shares),
        }


class ShareAdmin(ReadOnlyFacts):
    """The viewer's own shares of others' datasets, and of its own."""

    shown_to = OWNERS
    list_title = "My shares"
    list_display = ("dataset", "part", "since")
    list_select_related = ("split__dataset__owner",)
    ordering = ("-split__made_at",)
    list_words = "What you have of datasets that are divided, in every split there was."
    empty_title = "No share yet"
    empty_words = "Where an owner divides a dataset and you have a part, it stands here."
    page_template = "provenance/share.html"

    def scope(self, viewer: Viewer) -> QuerySet[Any]:
        return _with_sums(super().scope(viewer).filter(party=viewer.party))

    @column("Dataset")
    def dataset(self, share: SplitShare) -> str:
        return f"{share.split.dataset}, split {share.split.number}"

    @column("Weight")
    def part(self, share: Any) -> str:
        return f"{share.weight:,} of {share.weight_sum:,}"

    @column("Holds")
    def since(self, share: SplitShare) -> str:
        split = share.split
        return "from the start" if split.from_the_start else f"from {split.applies_at:%Y-%m-%d}"

    def parties_of(self, subject: Any) -> Iterable[Party]:
        return [subject.party]


def _with_sums(shares: QuerySet[SplitShare]) -> QuerySet[Any]:
    rows = shares.select_related("split__dataset__owner", "party")
    return rows.annotate(weight_sum=Sum("split__shares__weight")).order_by("-split__made_at")


def _split_panel(request: HttpRequest, dataset: Any) -> Panel | None:
    """Who has which weight now, for the owner; names by which its files call them."""
    split = contributors.split_in_force(dataset, timezone.now())
    labels = dict(dataset.owner.contributors.values_list("party", "label"))
    shares = split.shares.select_related("party").order_by("-weight", "pk") if split else []
    rows = [(labels.get(share.party_id, share.party.name), share) for share in shares]
    context = {
        "split": split,
        "rows": rows,
        "whole": sum(share.weight for share in shares),
        "words": quality.WORDS if split and split.rule else (),
        "earlier": dataset.splits.order_by("-number")[1:20] if split else [],
    }
    return Panel("Whose it is", "provenance/split_panel.html", context)


site.register(Contributor, ContributorAdmin)
site.register(SplitShare, ShareAdmin)
site.add_verb(
    Dataset,
    Verb(
        "divide",
        "Divide it",
        "rights",
        _divide,
        DivideForm,
        "What this dataset earns for itself is divided by these weights. The last split holds.",
        offered=owns,
    ),
)
site.add_verb(
    DatasetVersion,
    Verb(
        "divide",
        "Divide by records",
        "rights",
        _divide_by_records,
        ByRecordsForm,
        "By the records that contributors are credited with in this version.",
        offered=_has_credits,
    ),
)
site.add_panel(Dataset, _split_panel)
