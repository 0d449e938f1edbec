"""What parties are told of their keys, members, deadlines, reviews and webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from provenance.models import (
    ApiKey,
    Event,
    Invitation,
    Notice,
    Party,
    Proposal,
    ReportingKey,
    Review,
    User,
)
from provenance.notices.awaiting import RECALL
from provenance.notices.kinds import LABS, OPERATORS, Kind, Topic, register
from provenance.notices.telling import follows, operators, tell


def _proposals(rows: Sequence[Notice], at: datetime) -> set[UUID]:
    waiting = Proposal.objects.waiting(at).in_bulk({row.about for row in rows})
    return {row.pk for row in rows if UUID(row.about) in waiting}


def _proposer(notice: Notice) -> User:
    return Proposal.objects.select_related("proposed_by").get(pk=notice.about).proposed_by


register(
    Kind(
        RECALL,
        Topic.DEADLINES,
        _("A deadline is near"),
        _("Until %(until_at)s: %(what)s"),
        _(
            "You were told of this before, and something of you is still awaited. After "
            "%(until_at)s it goes on without your word."
        ),
        "admin:provenance_notice_open",
        "read",
        _("Act now"),
    ),
    Kind(
        "key.created",
        Topic.SECURITY,
        _("A new API key speaks for you"),
        _("A new API key speaks for you: %(name)s"),
        _(
            "The key “%(name)s”, which begins with tm_%(prefix)s_, was made by %(by)s. It may: "
            "%(scopes)s. If nobody of you made it, revoke it at once and change your passwords."
        ),
        "admin:provenance_apikey_change",
        "develop",
        _("Look at the key"),
    ),
    Kind(
        "key.revoked",
        Topic.SECURITY,
        _("An API key of yours was revoked"),
        _("An API key was revoked: %(name)s"),
        _("Requests with the key “%(name)s” (tm_%(prefix)s_…) are refused from now on."),
        "admin:provenance_apikey_change",
        "develop",
    ),
    Kind(
        "reporting_key.added",
        Topic.SECURITY,
        _("A new key signs your reports of use"),
        _("A new key signs your reports of use: %(name)s"),
        _(
            "From now on reports that %(address)s signs are yours, and are charged to you. If "
            "nobody of you added it, revoke it at once."
        ),
        "admin:provenance_reportingkey_change",
        "develop",
        _("Look at the key"),
        reaches=LABS,
    ),
    Kind(
        "member.invited",
        Topic.SECURITY,
        _("Somebody was invited to act for you"),
        _("%(email)s was invited to act for you"),
        _(
            "%(by)s invited %(email)s as %(role)s. The invitation can be accepted until "
            "%(until_at)s. If nobody of you meant this, write to the operator."
        ),
        "admin:provenance_invitation_change",
        "members",
        _("See the invitation"),
    ),
    Kind(
        "member.left",
        Topic.SECURITY,
        _("Somebody no longer acts for you"),
        _("%(email)s no longer acts for you"),
        _(
            "%(by)s ended it. Keys of theirs that were revoked: %(keys)s. Other keys, and "
            "passwords that they knew, stay as they are: look through them."
        ),
        "admin:provenance_apikey_changelist",
        "members",
        _("Look at the keys"),
        is_list=True,
    ),
    Kind(
        "review.raised",
        Topic.USAGE,
        _("A person looks at your reports"),
        _("A person looks at your reports of %(run)s: %(rule)s"),
        _(
            "Something in the reports of your run %(run)s does not fit (%(rule)s). Nothing is "
            "charged or taken back because of it. Tell us what the figures mean, if you can."
        ),
        "admin:provenance_review_change",
        "develop",
        _("See what was found, and answer"),
        reaches=LABS,
    ),
    Kind(
        "review.closed",
        Topic.USAGE,
        _("A review of your reports is closed"),
        _("The review of %(run)s is closed: %(outcome)s"),
        _("The reason given: %(reason)s"),
        "admin:provenance_review_change",
        "develop",
        reaches=LABS,
    ),
    Kind(
        "operator.review",
        Topic.USAGE,
        _("A new review of reports"),
        _("A new review of reports: %(rule)s, in %(run)s of %(lab)s"),
        _("Look at what was found and hear the lab. Nobody has taken it yet."),
        "admin:provenance_review_change",
        "rights",
        reaches=OPERATORS,
    ),
    Kind(
        "operator.approve",
        Topic.DEADLINES,
        _("A second person is asked"),
        _("A second person is asked: %(what_is)s"),
        _(
            "%(by)s proposes it, and it is done only if another operator approves it until "
            "%(until_at)s. Look at what it does and at the money at stake."
        ),
        "admin:provenance_proposal_change",
        "read",
        _("Approve or refuse"),
        but=_proposer,
        awaited=_proposals,
        reaches=OPERATORS,
    ),
    Kind(
        "webhook.disabled",
        Topic.SECURITY,
        _("A webhook of yours was switched off"),
        _("Nothing is posted to %(name)s any more"),
        _(
            "Messages to your address %(url)s were refused or not answered for days, so it was "
            "switched off: %(why)s. Nothing is lost: put it right, switch it on again and replay "
            "what it missed."
        ),
        "admin:provenance_webhook_change",
        "develop",
        _("See the attempts"),
    ),
)


@follows("proposal.made")
def _proposed(event: Event) -> None:
    proposal = Proposal.objects.select_related("proposed_by").get(pk=event.subject_id)
    for party in operators():
        tell(
            "operator.approve",
            party=party,
            about=proposal.pk,
            key=event.pk,
            at=event.occurred_at,
            deadline_at=proposal.expires_at,
            what_is=Proposal.Kind(proposal.kind).label,
            by=proposal.proposed_by.email,
            until_at=proposal.expires_at,
        )


@follows("key.issued", "key.revoked")
def _of_key(event: Event) -> None:
    key = ApiKey.objects.select_related("party", "created_by").get(pk=event.body["key"])
    is_new = event.kind == "key.issued"
    tell(
        "key.created" if is_new else "key.revoked",
        party=key.party,
        about=key.pk,
        key=event.pk,
        at=event.occurred_at,
        name=key.name,
        prefix=f"test_{key.prefix}" if key.is_test else key.prefix,
        by=key.created_by.email if key.created_by else "–",
        scopes=", ".join(["read", *key.scopes]),
    )


@follows("reporting_key.registered")
def _of_reporting_key(event: Event) -> None:
    key = ReportingKey.objects.select_related("party").get(pk=event.subject_id)
    tell(
        "reporting_key.added",
        party=key.party,
        about=key.pk,
        key=event.pk,
        at=event.occurred_at,
        name=key.name,
        address=key.address,
    )


@follows("member.invited")
def _invited(event: Event) -> None:
    rows = Invitation.objects.select_related("party", "invited_by")
    invitation = rows.get(pk=event.body["invitation"])
    tell(
        "member.invited",
        party=invitation.party,
        about=invitation.pk,
        key=event.pk,
        at=event.occurred_at,
        email=invitation.email,
        by=invitation.invited_by.email,
        role=invitation.role,
        until_at=invitation.expires_at,
    )


@follows("member.left")
def _left(event: Event) -> None:
    people = User.objects.in_bulk([event.body["user"], event.body["by"]])
    by = people.get(event.body["by"])
    party = Party.objects.get(pk=event.subject_id)
    tell(
        "member.left",
        party=party,
        about=party.pk,
        key=event.pk,
        at=event.occurred_at,
        email=people[event.body["user"]].email,
        by=by.email if by else "–",
        keys=event.body["keys"],
    )


@follows("review.opened", "review.closed")
def _of_review(event: Event) -> None:
    """The lab and the operators; the owner of the data finds it among its reviews."""
    review = Review.objects.select_related("run__lab").get(pk=event.subject_id)
    lab, rule = review.run.lab, Review.Rule(review.rule).label.lower()
    shared: dict[str, Any] = {
        "about": review.pk,
        "key": event.pk,
        "at": event.occurred_at,
        "rule": rule,
    }
    run = review.run.name or review.run.pseudonym
    if event.kind == "review.closed":
        outcome = Review.Outcome(event.body["outcome"]).label.lower()
        tell("review.closed", party=lab, run=run, outcome=outcome, reason=review.reason, **shared)
        return
    tell("review.raised", party=lab, run=run, **shared)
    for party in operators():
        tell("operator.review", party=party, run=review.run.pseudonym, lab=lab, **shared)
