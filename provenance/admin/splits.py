"""Contributors, splits and own shares: who else a dataset belongs to, on the pages of its owner."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Prefetch, QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext

from provenance import contributors, letters, quality
from provenance.access import Viewer
from provenance.admin.base import OWNERS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.members import show_link
from provenance.admin.site import Panel, site
from provenance.admin.verbs import Outcome, Verb, VerbForm, owns, person_of, viewer_of
from provenance.models import (
    Contributor,
    Dataset,
    DatasetVersion,
    Membership,
    Party,
    Split,
    SplitShare,
    User,
)
from provenance.tenures import doer

_WHEN = [
    ("now", _lazy("from now on: what was earned stays as it was divided")),
    ("start", _lazy("from the start: what was earned is divided anew, too")),
]


MOST_SPLITS = 50
MOST_INVITED = 200
# Of one split so many names stand on the page.
MOST_NAMED = 8


@dataclass(frozen=True)
class Past:
    """A split with the one that came after it, and its weights in words."""

    split: Split
    followed_by: Split | None
    weights: str
    made_by: str
    is_in_force: bool


class WhenForm(VerbForm):
    """From when a split divides."""

    when = forms.ChoiceField(
        label=_lazy("It holds"), choices=_WHEN, widget=forms.RadioSelect, initial="now"
    )

    def clean_when(self) -> bool:
        """Whether it holds from the start."""
        return bool(self.cleaned_data["when"] == "start")


class DivideForm(WhenForm):
    """Whole weights, written down."""

    owner_weight = forms.IntegerField(label=_lazy("Your own weight"), min_value=0, initial=1)
    weights = forms.CharField(
        label=_lazy("Contributors"),
        widget=forms.Textarea,
        required=False,
        help_text=_lazy(
            "One a line: name = weight. Whole numbers; twice the weight is twice the part."
        ),
    )
    field_order = ("owner_weight", "weights", "when")

    def clean_weights(self) -> dict[str, int]:
        """Weights by name."""
        found: dict[str, int] = {}
        for number, line in enumerate(self.cleaned_data["weights"].splitlines(), 1):
            if not line.strip():
                continue
            name, _equals, weight = (part.strip() for part in line.rpartition("="))
            if not name or not weight.isdecimal():
                unread = _("Line %(number)s is not: name = weight.")
                raise forms.ValidationError(unread % {"number": number})
            if name in found:
                again = _("Line %(number)s names %(name)s a second time.")
                raise forms.ValidationError(again % {"number": number, "name": name})
            found[name] = int(weight)
        return found


class ByRecordsForm(WhenForm):
    """What of each credited record goes to its contributor."""

    percent = forms.DecimalField(
        label=_lazy("Percent of each credited record"),
        min_value=0,
        max_value=100,
        decimal_places=2,
        help_text=" ".join(quality.WORDS),
    )
    field_order = ("percent", "when")


class InviteForm(VerbForm):
    """Who takes the account over."""

    email = forms.EmailField(label=_lazy("E-mail address"))


class InviteManyForm(VerbForm):
    """Whose account goes to whom."""

    people = forms.CharField(
        label=_lazy("Contributors"),
        widget=forms.Textarea,
        help_text=_lazy(
            "One a line: name = e-mail address, the name as your files write it. Each gets a link "
            "that works once, to an account of its own with what it has earned so far."
        ),
    )

    def clean_people(self) -> dict[str, str]:
        """Addresses by name."""
        found: dict[str, str] = {}
        for number, line in enumerate(self.cleaned_data["people"].splitlines(), 1):
            if not line.strip():
                continue
            name, _equals, email = (part.strip() for part in line.rpartition("="))
            facts = {"number": number, "name": name}
            if not name or name in found:
                words = _("Line %(number)s is not: name = e-mail address, or names one twice.")
                raise forms.ValidationError(words % facts)
            try:
                validate_email(email)
            except forms.ValidationError:
                words = _("Line %(number)s has no e-mail address for %(name)s.")
                raise forms.ValidationError(words % facts) from None
            found[name] = email
        if len(found) > MOST_INVITED:
            words = _("Invite %(most)s at most at once.")
            raise forms.ValidationError(words % {"most": MOST_INVITED})
        return found


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
    return _("Split %(number)s holds.") % {"number": split.number}


def _divide_by_records(request: HttpRequest, version: Any, cleaned: dict[str, Any]) -> str:
    split = contributors.divide_by_records(
        version=version,
        contributors_basis_points=int(cleaned["percent"] * 100),
        from_the_start=cleaned["when"],
        at=timezone.now(),
        by=person_of(request),
    )
    words = _("Split %(number)s holds, by the records of %(version)s.")
    return words % {"number": split.number, "version": version}


def _invite(request: HttpRequest, contributor: Any, cleaned: dict[str, Any]) -> Outcome:
    person = person_of(request)
    assert isinstance(person, User), "the admin site lets people in, not keys"
    with transaction.atomic():
        invitation, token = contributors.invite(
            contributor=contributor, email=cleaned["email"], by=person, at=timezone.now()
        )
        link = letters.send_invitation(invitation, token)
    return show_link(request, invitation, link)


def _invite_many(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> str:
    """Each gets its own link by mail; who is taken over already stays as it is."""
    person = person_of(request)
    assert isinstance(person, User), "the admin site lets people in, not keys"
    at, asked, taken = timezone.now(), 0, []
    with transaction.atomic():
        for label, email in cleaned["people"].items():
            one = contributors.name(owner=viewer_of(request).party, label=label, at=at)
            try:
                invitation, token = contributors.invite(
                    contributor=one, email=email, by=person, at=at
                )
            except contributors.ContributorClaimed:
                taken.append(label)
                continue
            letters.send_invitation(invitation, token)
            asked += 1
    said = ngettext(
        "%(count)s invitation was mailed; it holds for 14 days.",
        "%(count)s invitations were mailed; each holds for 14 days.",
        asked,
    ) % {"count": f"{asked:,}"}
    if taken:
        said += " " + _("Somebody acts already for: %(names)s.") % {"names": ", ".join(taken)}
    return said


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
    list_words = _lazy(
        "Who worked on your data, by the names your files use. Their shares accrue from the first "
        "day; invite a person to take an account over."
    )
    empty_title = _lazy("No contributor yet")
    empty_words = _lazy("Name some where you divide a dataset: on its page, under 'Divide it'.")
    empty_step = (_lazy("To the datasets"), "admin:provenance_dataset_changelist")
    list_verbs = (
        Verb(
            "invite-many",
            _lazy("Invite several by mail"),
            "rights",
            _invite_many,
            InviteManyForm,
            _lazy("Each sees its own shares, statement and payouts, and nobody else's."),
            offered=lambda viewer, subject: viewer.party.is_owner,
        ),
    )
    verbs = (
        Verb(
            "invite",
            _lazy("Hand the account over"),
            "rights",
            _invite,
            InviteForm,
            _lazy("Who accepts becomes its admin, and has what it earned. It can be done once."),
            offered=_is_unclaimed,
            tone="primary",
        ),
    )

    def scope(self, viewer: Viewer) -> QuerySet[Any]:
        rows = super().scope(viewer)
        return rows if viewer.is_operator else rows.filter(owner=viewer.party)

    @column(_lazy("Earns as"))
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
    list_title = _lazy("My shares")
    list_display = ("dataset", "part", "since")
    list_select_related = ("split__dataset__owner",)
    ordering = ("-split__made_at",)
    list_words = _lazy("What you have of datasets that are divided, in every split there was.")
    empty_title = _lazy("No share yet")
    empty_words = _lazy("Where an owner divides a dataset and you have a part, it stands here.")
    page_template = "provenance/share.html"

    def scope(self, viewer: Viewer) -> QuerySet[Any]:
        return _with_sums(super().scope(viewer).filter(party=viewer.party))

    @column(_lazy("Dataset"))
    def dataset(self, share: SplitShare) -> str:
        return _("%(dataset)s, split %(number)s") % {
            "dataset": share.split.dataset,
            "number": share.split.number,
        }

    @column(_lazy("Weight"))
    def part(self, share: Any) -> str:
        named = {"weight": f"{share.weight:,}", "weight_sum": f"{share.weight_sum:,}"}
        return _("%(weight)s of %(weight_sum)s") % named

    @column(_lazy("Holds"))
    def since(self, share: SplitShare) -> str:
        split = share.split
        if split.from_the_start:
            return _("from the start")
        return _("from %(day)s") % {"day": f"{split.applies_at:%Y-%m-%d}"}

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
        "history": _history(dataset, split, labels, viewer_of(request)),
    }
    return Panel(_("Whose it is"), "provenance/split_panel.html", context)


def _history(
    dataset: Dataset, in_force: Split | None, labels: dict[Any, str], viewer: Viewer
) -> list[Past]:
    """Every split there was or will be, newest first, with who had which weight."""
    rows = dataset.splits.select_related("made_by").prefetch_related(
        Prefetch("shares", SplitShare.objects.select_related("party").order_by("-weight", "pk"))
    )
    found: list[Past] = []
    next_one: Split | None = None
    for split in rows.order_by("-number")[:MOST_SPLITS]:
        shares = list(split.shares.all())
        shown = [
            f"{labels.get(share.party_id, share.party.name)}: {share.weight:,}"
            for share in shares[:MOST_NAMED]
        ]
        if len(shares) > MOST_NAMED:
            shown.append(_("and %(count)s more") % {"count": f"{len(shares) - MOST_NAMED:,}"})
        by = doer(split.made_by, dataset, split.made_at, viewer)
        found.append(Past(split, next_one, ", ".join(shown), by, is_in_force=split == in_force))
        next_one = split
    return found


site.register(Contributor, ContributorAdmin)
site.register(SplitShare, ShareAdmin)
site.add_verb(
    Dataset,
    Verb(
        "divide",
        _lazy("Divide it"),
        "rights",
        _divide,
        DivideForm,
        _lazy(
            "What this dataset earns for itself is divided by these weights. The last split holds."
        ),
        offered=owns,
    ),
)
site.add_verb(
    DatasetVersion,
    Verb(
        "divide",
        _lazy("Divide by records"),
        "rights",
        _divide_by_records,
        ByRecordsForm,
        _lazy("By the records that contributors are credited with in this version."),
        offered=_has_credits,
    ),
)
site.add_panel(Dataset, _split_panel)
