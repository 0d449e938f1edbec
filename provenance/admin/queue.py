"""The cases that the facts bring to operators: conflicts, claims, appeals, reviews, transactions.

Each kind is a source: the rows that wait, since when, until when, and where one acts on them. The
page stands in the outer app, which knows what money is at stake.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from provenance import casework, kept
from provenance.models import (
    CaseKind,
    Claim,
    Conflict,
    OutboxTransaction,
    Proposal,
    Review,
    User,
)


@dataclass(frozen=True)
class Case:
    """One line of the queue: what waits, since when, until when, with whom, and where to act."""

    kind: CaseKind
    key: str
    title: str
    words: str
    url: str
    since: datetime
    due_at: datetime
    assignee: User | None = None
    # Amounts with their assets, in words; empty where no money hangs on it.
    stake: str = ""

    @property
    def id(self) -> str:
        """What names it on a page."""
        return f"{self.kind}:{self.key}"


@dataclass(frozen=True)
class Source:
    """A kind of case: its rows, the column since when they wait, and how one is shown.

    `due` names the column of its deadline; where there is none, `patience` from `since` on is what
    operators give themselves.
    """

    kind: CaseKind
    rows: Callable[[datetime], QuerySet[Any]]
    show: Callable[[Any], tuple[str, str, str]]
    since: str
    due: str = ""
    patience: timedelta = timedelta(0)

    def count(self, at: datetime) -> int:
        """How many wait."""
        return self.rows(at).count()

    def cases(
        self,
        *,
        at: datetime,
        limit: int,
        keys: Collection[str] | None = None,
        without: Collection[str] = (),
    ) -> list[Case]:
        """The `limit` that are due first, of those that `keys` names and `without` leaves."""
        rows = self.rows(at)
        if keys is not None:
            rows = rows.filter(pk__in=list(keys))
        rows = rows.exclude(pk__in=list(without)).order_by(self.due or self.since, "pk")
        return [self._case(row) for row in rows[:limit]]

    def _case(self, row: Any) -> Case:
        title, words, url = self.show(row)
        due_at = self.due_at(row)
        since = getattr(row, self.since) if self.since else due_at - self.patience
        return Case(
            kind=self.kind,
            key=str(row.pk),
            title=title,
            words=words,
            url=url,
            since=since,
            due_at=due_at,
        )

    def due_at(self, row: Any) -> datetime:
        """Until when operators have time for it."""
        due: datetime | None = getattr(row, self.due) if self.due else None
        if due is not None:
            return due
        assert self.since, "a case has a deadline, or a moment since when it waits"
        since: datetime = getattr(row, self.since)
        return since + self.patience


def holders(found: Collection[Case]) -> dict[str, User]:
    """Who looks after these cases, by the cases' ids."""
    known: dict[str, User] = {}
    for kind in {case.kind for case in found}:
        keys = [case.key for case in found if case.kind == kind]
        for key, user in casework.assignees(kind, keys).items():
            known[f"{kind}:{key}"] = user
    return known


def _conflicts(state: str) -> Callable[[datetime], QuerySet[Any]]:
    def rows(at: datetime) -> QuerySet[Any]:
        # What one operator has put forward waits for the second, in a line of its own.
        judged = (Proposal.Kind.DECISION, Proposal.Kind.APPEAL)
        forward = Proposal.objects.waiting(at).filter(kind__in=judged)
        found = Conflict.objects.filter(state=state).exclude(
            pk__in=list(forward.values_list("subject", flat=True))
        )
        return found.select_related("later__owner", "earlier__owner")

    return rows


def _conflict(row: Conflict) -> tuple[str, str, str]:
    words = _("%(later)s and %(earlier)s") % {
        "later": row.later.owner.name,
        "earlier": row.earlier.owner.name,
    }
    url = reverse("admin:provenance_conflict_change", args=[row.pk])
    verb = "decide-appeal" if row.state == Conflict.State.APPEALED else "decide"
    title = f"{row.later.title} / {row.earlier.title}"
    return title, words, f"{url}#{verb}"


def _claims(at: datetime) -> QuerySet[Any]:
    rows = Claim.objects.waiting().filter(
        round=F("conflict__round"),
        conflict__state__in=("open", "claimed", "answered", "deciding", "released"),
    )
    return rows.select_related("claimant", "conflict__later", "conflict__earlier")


def _claim(row: Claim) -> tuple[str, str, str]:
    title = f"{row.conflict.later.title} / {row.conflict.earlier.title}"
    words = _("%(party)s claims; its evidence waits to be judged") % {"party": row.claimant.name}
    url = reverse("admin:provenance_conflict_change", args=[row.conflict_id])
    return title, words, f"{url}#admit"


def _reviews(at: datetime) -> QuerySet[Any]:
    return Review.objects.filter(state=Review.State.OPEN).select_related("run__lab")


def _review(row: Review) -> tuple[str, str, str]:
    words = _("run %(run)s of %(lab)s") % {"run": row.run.pseudonym, "lab": row.run.lab.name}
    url = reverse("admin:provenance_review_change", args=[row.pk])
    return str(row.get_rule_display()), words, f"{url}#close"


def _reverted(at: datetime) -> QuerySet[Any]:
    return OutboxTransaction.objects.filter(state=OutboxTransaction.State.REVIEW)


def _transaction(row: OutboxTransaction) -> tuple[str, str, str]:
    words = _("the chain refused it; nothing is sent again by itself")
    url = reverse("admin:provenance_outboxtransaction_change", args=[row.pk])
    return kept.said(row.purpose), words, url


STEP = timedelta(days=14)
CLAIMS = Source(CaseKind.CLAIM, _claims, _claim, "made_at", patience=timedelta(days=7))
SOURCES: tuple[Source, ...] = (
    Source(
        CaseKind.CONFLICT, _conflicts("deciding"), _conflict, "", due="deadline_at", patience=STEP
    ),
    Source(
        CaseKind.APPEAL, _conflicts("appealed"), _conflict, "", due="deadline_at", patience=STEP
    ),
    CLAIMS,
    Source(CaseKind.REVIEW, _reviews, _review, "raised_at", patience=STEP),
    Source(CaseKind.TRANSACTION, _reverted, _transaction, "created_at", patience=timedelta(days=1)),
)
