"""What the first page says of the facts: figures in words, and what waits for the person."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from provenance.access import Viewer
from provenance.admin.cards import Card, Todo
from provenance.models import (
    Anchor,
    ChainAccount,
    Concern,
    Conflict,
    Dataset,
    DatasetVersion,
    Event,
    Grant,
    OutboxTransaction,
    Restriction,
    Review,
    Run,
    Usage,
)

OPEN = ("open", "claimed", "answered", "deciding", "appealed")
"""States in which records are in question: a decision that may be appealed stands."""


def cards(viewer: Viewer, at: datetime) -> list[Card]:
    """The figures of this viewer's roles, in the order in which people ask for them."""
    found: list[Card] = []
    if viewer.party.is_owner:
        found += _of_owner(viewer)
    if viewer.party.is_lab:
        found += _of_lab(viewer)
    if viewer.is_operator:
        found += _of_operator()
    return found


def todos(viewer: Viewer, at: datetime) -> list[Todo]:
    """What waits for this viewer, most urgent first."""
    found = [*_restrictions(viewer, at), *_conflicts_waiting(viewer)]
    if viewer.party.is_owner and viewer.may("rights"):
        asked = Grant.objects.filter(
            dataset__owner=viewer.party, state=Grant.State.REQUESTED
        ).select_related("lab", "dataset__owner")
        found += [
            Todo(
                _("%(lab)s asks for a grant on %(dataset)s")
                % {"lab": grant.lab, "dataset": grant.dataset.title},
                reverse("admin:provenance_grant_change", args=[grant.pk]),
            )
            for grant in asked[:10]
        ]
    if viewer.is_operator:
        found += _concerns()
    if viewer.party.is_lab:
        found += _ungranted(viewer)
        found += _reviews(Review.objects.filter(run__lab=viewer.party))
    return sorted(found, key=lambda todo: (todo.deadline_at is None, todo.deadline_at or at))


def _of_owner(viewer: Viewer) -> list[Card]:
    datasets = Dataset.objects.filter(owner=viewer.party)
    sealed = DatasetVersion.objects.filter(dataset__in=datasets, state="sealed")
    offered = datasets.filter(licences__retired_at__isnull=True, licences__isnull=False)
    side = Q(later__owner=viewer.party) | Q(earlier__owner=viewer.party)
    conflicts = Conflict.objects.filter(side, state__in=OPEN).count()
    uses = Usage.objects.visible_to(viewer).filter(version__dataset__owner=viewer.party)
    runs = uses.values("run").distinct()
    return [
        Card(
            _("Datasets"),
            f"{datasets.count():,}",
            ngettext(
                "%(sealed)s sealed version, %(offered)s offered to labs",
                "%(sealed)s sealed versions, %(offered)s offered to labs",
                sealed.count(),
            )
            % {"sealed": f"{sealed.count():,}", "offered": f"{offered.distinct().count():,}"},
            reverse("admin:provenance_dataset_changelist"),
        ),
        Card(
            _("Conflicts"),
            f"{conflicts:,}",
            _("in which records of yours are in question")
            if conflicts
            else _("open: nothing to do"),
            reverse("admin:provenance_conflict_changelist"),
            calls=bool(conflicts),
        ),
        Card(
            _("Uses"),
            f"{runs.count():,}",
            _("of your data by training runs"),
            reverse("admin:provenance_usage_changelist"),
        ),
    ]


def _of_lab(viewer: Viewer) -> list[Card]:
    runs = Run.objects.filter(lab=viewer.party)
    running = runs.filter(state=Run.State.RUNNING).count()
    given = Grant.objects.filter(lab=viewer.party, state=Grant.State.GIVEN).count()
    waiting = Grant.objects.filter(lab=viewer.party, state=Grant.State.REQUESTED).count()
    return [
        Card(
            _("Runs"),
            f"{runs.count():,}",
            _("reported, %(count)s still running") % {"count": f"{running:,}"},
            reverse("admin:provenance_run_changelist"),
        ),
        Card(
            _("Grants"),
            f"{given:,}",
            _("given to you, %(count)s waiting for an owner") % {"count": f"{waiting:,}"},
            reverse("admin:provenance_grant_changelist"),
        ),
    ]


def _of_operator() -> list[Card]:
    last = Event.objects.filter(sequence__isnull=False).order_by("-sequence").first()
    final = Anchor.objects.filter(final_at__isnull=False).order_by("-batch").first()
    head = (last.sequence or 0) if last else 0
    done = final.last_sequence if final else 0
    waiting = OutboxTransaction.objects.exclude(state__in=OutboxTransaction.OVER)
    stuck = waiting.filter(state=OutboxTransaction.State.REVIEW).count()
    alarms = ChainAccount.objects.exclude(alarm="").count()
    return [
        Card(
            _("Ledger"),
            f"{head:,}",
            _("events sealed, %(count)s of them final on the chain") % {"count": f"{done:,}"},
            reverse("admin:provenance_event_changelist"),
        ),
        Card(
            _("Outbox"),
            f"{waiting.count():,}",
            _sending(stuck, alarms),
            reverse("admin:provenance_outboxtransaction_changelist"),
            calls=bool(stuck or alarms),
        ),
        Card(
            _("Conflicts"),
            f"{Conflict.objects.filter(state__in=OPEN).count():,}",
            _("open between owners"),
            reverse("admin:provenance_conflict_changelist"),
        ),
    ]


def _sending(stuck: int, alarms: int) -> str:
    """How many transactions wait for a person, and whether an account is stopped."""
    words = _("transactions on their way, %(stuck)s for review")
    if alarms:
        words = _(
            "transactions on their way, %(stuck)s for review; %(alarms)s accounts are stopped"
        )
    return words % {"stuck": f"{stuck:,}", "alarms": alarms}


def _restrictions(viewer: Viewer, at: datetime) -> list[Todo]:
    """What an operator stopped: a party learns it on its first page."""
    rows = Restriction.objects.in_force(at).filter(party=viewer.party)
    return [
        Todo(
            _("%(what)s is in force: read why, and until when") % {"what": one},
            reverse("admin:provenance_restriction_change", args=[one.pk]),
        )
        for one in rows.select_related("party", "dataset__owner")
    ]


def _conflicts_waiting(viewer: Viewer) -> list[Todo]:
    """Conflicts in which it is this party's turn."""
    if not viewer.may("rights"):
        return []
    waiting = Conflict.objects.filter(awaits=viewer.party)
    return [
        Todo(
            conflict.asked,
            reverse("admin:provenance_conflict_change", args=[conflict.pk]),
            conflict.deadline_at,
        )
        for conflict in waiting.select_related("later", "earlier")[:20]
    ]


def _ungranted(viewer: Viewer) -> list[Todo]:
    count = Usage.objects.filter(run__lab=viewer.party, is_ungranted=True).count()
    if not count:
        return []
    url = reverse("admin:provenance_usage_changelist") + "?is_ungranted__exact=1"
    words = ngettext(
        "%(count)s use has no grant: ask the owners",
        "%(count)s uses have no grant: ask the owners",
        count,
    )
    return [Todo(words % {"count": f"{count:,}"}, url)]


def _concerns() -> list[Todo]:
    """What strangers wrote and nobody has answered, counted, with when the first is due."""
    waiting = Concern.objects.filter(answered_at=None).order_by("made_at")
    first, count = waiting.first(), waiting.count()
    if first is None:
        return []
    words = ngettext(
        "Answer %(count)s notice from outside", "Answer %(count)s notices from outside", count
    )
    url = reverse("admin:provenance_concern_changelist")
    return [Todo(words % {"count": f"{count:,}"}, url, first.due_at)]


def _reviews(rows: QuerySet[Review]) -> list[Todo]:
    """Open reviews, counted."""
    count = rows.filter(state=Review.State.OPEN).count()
    if not count:
        return []
    url = reverse("admin:provenance_review_changelist") + "?state__exact=open"
    words = _("Open reviews of reports: %(count)s; answer, if you can say why")
    return [Todo(words % {"count": f"{count:,}"}, url)]
