"""The first steps of a newcomer, in order: what is done, why each matters, and which is next.

Each app says which steps are its own and how it knows that one is done. The list stands on the
first page, the next step above every other page, until all is done or the person puts it away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from allauth.account.models import EmailAddress
from allauth.mfa.utils import is_mfa_enabled
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from provenance import parties
from provenance.access import Viewer
from provenance.admin.site import site
from provenance.admin.verbs import viewer_of
from provenance.models import (
    ApiKey,
    Contributor,
    Dataset,
    Grant,
    Licence,
    Membership,
    Run,
    SplitShare,
)

# Whoever has taken all steps is not asked about them again for so long.
DONE_FOR_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True)
class Step:
    """One thing to do first: `place` is its order, `verb` the words of its link."""

    place: int
    title: str
    why: str
    verb: str
    url: str
    is_done: bool
    is_optional: bool = False


@dataclass(frozen=True)
class Guide:
    """A newcomer's steps in order."""

    steps: list[Step]

    @property
    def done_count(self) -> int:
        """How many are done."""
        return sum(step.is_done for step in self.steps)

    @property
    def next(self) -> Step | None:
        """The first that must be done and is not; then the first that may be."""
        left = [step for step in self.steps if not step.is_done]
        return min(left, key=lambda step: (step.is_optional, step.place), default=None)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left that must be done."""
        return all(step.is_done or step.is_optional for step in self.steps)


Steps = Callable[[Viewer], Iterable[Step]]
_MAKERS: list[Steps] = []


def add_steps(make: Steps) -> None:
    """Let another app name its steps."""
    _MAKERS.append(make)


def guide_of(viewer: Viewer) -> Guide:
    """All steps of this viewer, each once, in order."""
    found = {step.title: step for make in _MAKERS for step in make(viewer)}
    return Guide(sorted(found.values(), key=lambda step: step.place))


def open_guide(request: HttpRequest) -> Guide | None:
    """The guide of whoever still needs it: not of operators who look, nor where it was put away."""
    viewer = getattr(request, "viewer", None)
    is_looking = getattr(request, "viewing_as", None) is not None
    if not isinstance(viewer, Viewer) or viewer.user is None or is_looking:
        return None
    key = f"guide-over:{viewer.user.pk}:{viewer.party.pk}"
    if cache.get(key):
        return None
    own = Membership.objects.filter(user=viewer.user, party=viewer.party)
    if not own.filter(guide_dismissed_at__isnull=True).exists():
        return None
    guide = guide_of(viewer)
    if guide.is_over:
        cache.set(key, value=True, timeout=DONE_FOR_SECONDS)
        return None
    return guide


def guide_view(request: HttpRequest) -> HttpResponse:
    """The steps on a page of their own, for good; here they are put away and taken up again."""
    viewer = viewer_of(request)
    if request.method == "POST" and viewer.user is not None:
        hides = request.POST.get("do") == "dismiss"
        at = timezone.now() if hides else None
        parties.dismiss_guide(party=viewer.party, user=viewer.user, at=at)
        return HttpResponseRedirect(reverse("admin:index" if hides else "admin:guide"))
    own = Membership.objects.filter(user=viewer.user, party=viewer.party)
    context = {
        **site.each_context(request),
        "title": _("First steps"),
        "guide": guide_of(viewer),
        "is_dismissed": own.filter(guide_dismissed_at__isnull=False).exists(),
    }
    return TemplateResponse(request, "provenance/guide_page.html", context)


def registers(viewer: Viewer) -> bool:
    """Whether the viewer's party registers data of its own: a contributor need not."""
    party = viewer.party
    is_named = Contributor.objects.filter(party=party).exists()
    return party.is_owner and not (is_named and not Dataset.objects.filter(owner=party).exists())


def _everybody(viewer: Viewer) -> Iterable[Step]:
    """Who one is, and that nobody else can be it."""
    yield Step(
        10,
        _("Say who you are"),
        _(
            "What you register, earn and answer belongs to an organisation, not to one person: "
            "colleagues can join it, and you stay free to leave."
        ),
        _("Choose or register one"),
        reverse("choose-party"),
        is_done=True,
    )
    if viewer.user is None:
        return
    proved = EmailAddress.objects.filter(user=viewer.user, verified=True)
    yield Step(
        20,
        _("Prove your e-mail address"),
        _("Deadlines reach you there. A claim that nobody answers is decided without your word."),
        _("Prove it"),
        reverse("account_email"),
        is_done=proved.exists(),
    )
    yield Step(
        30,
        _("Set up a second factor"),
        _second_factor_is_for(viewer),
        _("Set it up"),
        reverse("mfa_index"),
        is_done=is_mfa_enabled(viewer.user),
        is_optional=True,
    )


def _second_factor_is_for(viewer: Viewer) -> str:
    if not viewer.party.is_owner:
        return _("An app on your phone shows a code. With it, a stolen password opens nothing.")
    return _(
        "An app on your phone shows a code. With it, a stolen password moves no money; it is "
        "asked for before anybody changes where you are paid."
    )


def _of_owner(viewer: Viewer) -> Iterable[Step]:
    """Terms for the first dataset."""
    if not (registers(viewer) and viewer.may("rights")):
        return
    dataset = Dataset.objects.filter(owner=viewer.party).order_by("created_at").first()
    offers = reverse("admin:provenance_dataset_changelist")
    if dataset is not None:
        offers = reverse("admin:provenance_dataset_verb", args=[dataset.pk, "offer"])
    yield Step(
        60,
        _("Offer a licence"),
        _(
            "Without one all rights stay reserved and nobody may train on it. You choose purpose "
            "by purpose, and give each grant yourself unless you say otherwise."
        ),
        _("Offer a licence"),
        offers,
        is_done=Licence.objects.filter(dataset__owner=viewer.party).exists(),
    )


def _of_contributor(viewer: Viewer) -> Iterable[Step]:
    """What one has of others' datasets."""
    if Contributor.objects.filter(party=viewer.party).exists():
        yield Step(
            35,
            _("Look at your shares"),
            _(
                "An owner divides what a dataset earns among those who worked on it. Yours adds up "
                "in an account of your own, which nobody else can touch."
            ),
            _("My shares"),
            reverse("admin:provenance_splitshare_changelist"),
            is_done=SplitShare.objects.filter(party=viewer.party).exists(),
        )


def _of_lab(viewer: Viewer) -> Iterable[Step]:
    """A key, a grant, a report."""
    if not viewer.party.is_lab:
        return
    if viewer.may("develop"):
        yield Step(
            110,
            _("Make a key"),
            _("Your training job reports with it. It is shown once, has scopes, and can be taken."),
            _("Make a key"),
            reverse("admin:provenance_apikey_list_verb", args=["new"]),
            is_done=ApiKey.objects.filter(party=viewer.party).exists(),
        )
    yield Step(
        140,
        _("Ask for a grant"),
        _(
            "A grant freezes licence and price on the day it is given. Use without one is "
            "flagged, and you are told before the owner is."
        ),
        _("Open the catalogue"),
        reverse("admin:provenance_licence_changelist"),
        is_done=Grant.objects.filter(lab=viewer.party).exists(),
    )
    yield Step(
        150,
        _("Report a first run"),
        _("Two lines in your training job. Each figure that you are charged comes from them."),
        _("See how"),
        reverse("admin:provenance_run_changelist"),
        is_done=Run.objects.filter(lab=viewer.party).exists(),
    )


def _of_operator(viewer: Viewer) -> Iterable[Step]:
    """A colleague: much needs two people."""
    if not viewer.is_operator:
        return
    yield Step(
        210,
        _("Invite a second operator"),
        _("Decisions, refunds and payouts over their limits need another person's word."),
        _("Invite a person"),
        reverse("admin:provenance_membership_list_verb", args=["invite"]),
        is_done=Membership.objects.filter(party=viewer.party).count() > 1,
    )


for make in (_everybody, _of_owner, _of_contributor, _of_lab, _of_operator):
    add_steps(make)
site.add_page("first-steps/", guide_view, "guide")
