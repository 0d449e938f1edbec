"""What owners and labs are told of grants, and of use that no grant covers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from provenance.models import Event, Grant, Notice, Purpose, Sending, Usage
from provenance.notices.kinds import LABS, OWNERS, Kind, Topic, register
from provenance.notices.telling import follows, tell

_GRANT = "admin:provenance_grant_change"
_USAGE = "admin:provenance_usage_change"


def _uncovered(notice: Notice, at: datetime) -> Usage | None:
    """The use that a notice tells of, if its lab has obtained no grant for it until now."""
    rows = Usage.objects.select_related("run__lab", "version__dataset__owner")
    usage = rows.filter(pk=notice.about, is_ungranted=True).first()
    if usage is None or usage.version is None:
        return None
    grant = Grant.objects.covering(
        lab=usage.run.lab, version=usage.version, purpose=usage.purpose, at=at
    )
    return usage if grant is None else None


def _ungranted(rows: Sequence[Notice], at: datetime) -> set[UUID]:
    """Those whose labs can still obtain a grant, and have not."""
    waiting = Usage.objects.awaiting_grant(at).in_bulk({row.about for row in rows})
    return {row.pk for row in rows if UUID(row.about) in waiting}


def _tell_owner(notice: Notice, at: datetime) -> None:
    """The lab's time is over and there is still no grant: now the owner is told."""
    usage = _uncovered(notice, at)
    if usage is None or usage.version is None:
        return
    tell(
        "usage.without_grant",
        party=usage.version.dataset.owner,
        about=usage.pk,
        key=usage.pk,
        at=at,
        lab=usage.run.lab,
        run=usage.run.pseudonym,
        dataset=usage.version,
        purpose=Purpose(usage.purpose).label,
        records=usage.record_count,
    )


register(
    Kind(
        "grant.asked",
        Topic.GRANTS,
        _("A lab asks for a grant"),
        _("%(lab)s asks for a grant on %(dataset)s"),
        _(
            "%(lab)s wants to use %(dataset)s under your licence “%(licence)s”, for: %(purposes)s. "
            "Give the grant, or say no with a reason."
        ),
        _GRANT,
        "rights",
        _("Answer"),
        reaches=OWNERS,
    ),
    Kind(
        "grant.taken",
        Topic.GRANTS,
        _("A lab took a licence of yours"),
        _("%(lab)s took your licence of %(dataset)s"),
        _(
            "You offer “%(licence)s” to any lab without asking. %(lab)s took it, for: "
            "%(purposes)s. Its terms are frozen on the page of the grant."
        ),
        _GRANT,
        "rights",
        sending=Sending.DAILY,
        reaches=OWNERS,
    ),
    Kind(
        "grant.given",
        Topic.GRANTS,
        _("You were given a grant"),
        _("You may use %(dataset)s"),
        _(
            "%(owner)s gave you the licence “%(licence)s”, for: %(purposes)s. Text, price and term "
            "are frozen as they stood at that moment."
        ),
        _GRANT,
        "rights",
        _("Read the terms"),
        reaches=LABS,
    ),
    Kind(
        "grant.refused",
        Topic.GRANTS,
        _("A grant that you asked for was not given"),
        _("%(owner)s did not give a grant on %(dataset)s"),
        _("You asked for “%(licence)s”. The reason given: %(reason)s"),
        _GRANT,
        "rights",
        reaches=LABS,
    ),
    Kind(
        "grant.ended",
        Topic.GRANTS,
        _("A grant of yours ends"),
        _("Your grant on %(dataset)s ends"),
        _(
            "The licence “%(licence)s” of %(owner)s no longer covers new use after %(ends_at)s. "
            "What was used until then stays covered. The reason given: %(reason)s"
        ),
        _GRANT,
        "rights",
        reaches=LABS,
    ),
    Kind(
        "usage.ungranted",
        Topic.USAGE,
        _("No grant covers a use of yours"),
        _("No grant covers your use of %(dataset)s"),
        _(
            "Your run %(run)s reported use of %(dataset)s (%(purpose)s), and you hold no grant for "
            "it. Only you are told of this now. Until %(until_at)s you may obtain a grant: it then "
            "covers this use, too, at the list price of when the run started. Without one its "
            "owner is told. If the report was a mistake, write to the operator."
        ),
        _USAGE,
        "develop",
        _("Ask for a grant"),
        awaited=_ungranted,
        passes=_tell_owner,
        reaches=LABS,
    ),
    Kind(
        "usage.unknown",
        Topic.USAGE,
        _("A report of yours names data that is not registered"),
        _("A report names data that is not registered: %(subject)s"),
        _(
            "Your run %(run)s reported use of “%(subject)s” (%(purpose)s), which is no dataset "
            "that is registered here. If the name is mistyped, report it again under the right one."
        ),
        _USAGE,
        "develop",
        _("See the report"),
        reaches=LABS,
    ),
    Kind(
        "usage.without_grant",
        Topic.USAGE,
        _("Your data was used without a grant"),
        _("%(dataset)s was used without a grant"),
        _(
            "%(lab)s reported use of %(dataset)s in its %(run)s (%(purpose)s). Records: "
            "%(records)s. No grant covers it. The lab was told first and had time to obtain "
            "one. It reported the use itself: you may offer it a licence, or write to the operator."
        ),
        _USAGE,
        "rights",
        _("See the use"),
        reaches=OWNERS,
    ),
)


@follows("grant.requested", "grant.given", "grant.refused", "grant.revoked")
def _of_grant(event: Event) -> None:
    rows = Grant.objects.select_related("lab", "licence", "dataset__owner")
    grant = rows.get(pk=event.subject_id)
    automatically = event.body.get("automatically") or grant.licence.is_automatic
    is_bundled = grant.subscription_id is not None
    if event.kind == "grant.requested":
        if not automatically:
            _tell_of(grant, "grant.asked", event, is_owner=True)
        return
    if event.kind == "grant.given" and automatically and not is_bundled:
        _tell_of(grant, "grant.taken", event, is_owner=True)
    kinds = {"grant.given": "grant.given", "grant.refused": "grant.refused"}
    _tell_of(grant, kinds.get(event.kind, "grant.ended"), event, is_owner=False)


def _tell_of(grant: Grant, kind: str, event: Event, *, is_owner: bool) -> None:
    labels = dict(Purpose.choices)
    tell(
        kind,
        party=grant.dataset.owner if is_owner else grant.lab,
        about=grant.pk,
        key=event.pk,
        at=event.occurred_at,
        lab=grant.lab,
        owner=grant.dataset.owner,
        dataset=grant.dataset,
        licence=grant.licence.name,
        purposes=", ".join(str(labels[purpose]) for purpose in grant.purposes),
        reason=grant.reason or "–",
        **({"ends_at": grant.valid_to} if grant.valid_to else {}),
    )


@follows("dataset.used")
def _used(event: Event) -> None:
    """The first report of a use that is not covered: the lab is told, and nobody else yet.

    Where a dataset passes to another owner, that may be a later report.
    """
    is_first_unknown = event.body["is_unknown"] and event.body["revision"] == 1
    if event.party is None or not (event.body["is_ungranted"] or is_first_unknown):
        return
    usage = Usage.objects.select_related("run", "version__dataset__owner").get(pk=event.subject_id)
    named: dict[str, Any] = {
        "run": usage.run.name or usage.run.pseudonym,
        "purpose": Purpose(usage.purpose).label,
    }
    at = usage.reported_at
    if usage.version is None:
        tell("usage.unknown", party=event.party, about=usage.pk, key=usage.pk, at=at,
             subject=usage.subject, **named)  # fmt: skip
        return
    until = usage.awaits_grant_until
    if until is not None:
        tell("usage.ungranted", party=event.party, about=usage.pk, key=usage.pk, at=at,
             deadline_at=until, dataset=usage.version, **named)  # fmt: skip
