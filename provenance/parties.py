"""Who takes part: making parties, letting people in, and giving and taking API keys."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from provenance import ledger
from provenance.access import ROLE_VERBS, Viewer
from provenance.models import AccessLog, ApiKey, Contributor, Invitation, Membership, Party, User
from provenance.refusals import Refused

INVITATION_DAYS = 14
# What a key may be allowed besides reading; the verbs of access.ROLE_VERBS.
SCOPES = frozenset().union(*ROLE_VERBS.values()) - {"read", "members"}
# A key's last use is for people to read: a write for every request would be a waste.
LAST_USED_PRECISION = timedelta(minutes=1)
# How a secret begins, so that people and scanners know it, and which of the two it is.
PREFIX, TEST_PREFIX = "tm_", "tm_test_"


class NameUnusable(Refused):
    """That name leaves nothing to name datasets by."""

    code = "name_unusable"
    status = 400
    hint = "Give a name with at least one letter or digit."


class InvitationSpent(Refused):
    """This invitation is unknown, expired or already accepted."""

    code = "invitation_spent"
    status = 410
    hint = "Ask an admin of the organisation for a new invitation."


class InvitationForAnother(Refused):
    """This invitation was sent to another address."""

    code = "invitation_for_another"
    status = 403
    hint = "Sign in with the address to which the invitation was sent."


class UnknownScope(Refused):
    """A key cannot have that scope."""

    code = "unknown_scope"
    status = 400
    hint = f"Choose from: {', '.join(sorted(SCOPES))}."


class NoLabToTest(Refused):
    """Only a lab has use for a key for tests."""

    code = "no_lab_to_test"
    hint = "Make a key without `is_test`, or ask the operator to make your organisation a lab."


@transaction.atomic
def create_party(
    *,
    name: str,
    is_owner: bool,
    is_lab: bool,
    is_operator: bool = False,
    contact_email: str = "",
    at: datetime,
) -> Party:
    """Register an organisation; its namespace is made from its name, with a number if taken."""
    party = Party.objects.create(
        name=name.strip(),
        namespace=_free_namespace(name),
        is_owner=is_owner,
        is_lab=is_lab,
        is_operator=is_operator,
        contact_email=contact_email,
        salt=secrets.token_bytes(32),
        created_at=at,
    )
    ledger.record(
        "party.registered",
        at=at,
        subject_kind="party",
        subject_id=party.id,
        party=party,
        body={"is_owner": is_owner, "is_lab": is_lab, "is_operator": is_operator},
    )
    return party


class InvitingTakesTwo(Refused):
    """One operator alone lets nobody into another organisation."""

    code = "inviting_takes_two"
    hint = "Invite from the page of the organisation: a second operator approves it there."


def may_invite_alone(*, party: Party, user: User) -> bool:
    """Whether `user` invites into `party` without a second person.

    Its own people do, those of an owner for a contributor whom nobody stands for yet, and anybody
    with the right for a party that has neither people nor work: there is nothing to take.
    """
    of_party = Membership.objects.filter(party=party)
    if of_party.filter(user=user).exists():
        return True
    owners = Contributor.objects.filter(party=party).values("owner")
    if of_party.exists():
        return False
    return not owners.exists() or Membership.objects.filter(user=user, party__in=owners).exists()


@transaction.atomic
def invite(
    *,
    party: Party,
    email: str,
    role: str,
    invited_by: User,
    confirmed_by: User | None = None,
    at: datetime,
) -> tuple[Invitation, str]:
    """Ask a person to join `party`; returns the invitation and the token of its link, once."""
    require_role(role)
    is_confirmed = confirmed_by is not None and confirmed_by != invited_by
    if not is_confirmed and not may_invite_alone(party=party, user=invited_by):
        raise InvitingTakesTwo
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        party=party,
        email=User.objects.normalize_email(email),
        role=role,
        token_hash=_hash(token),
        invited_by=invited_by,
        created_at=at,
        expires_at=at + timedelta(days=INVITATION_DAYS),
    )
    _record_of_party("member.invited", party, at, {"invitation": invitation.id, "role": role})
    return invitation, token


def require_role(role: str) -> None:
    """Raise UnknownRole where members cannot have it."""
    if role not in Membership.Role.values:
        raise UnknownRole(_("There is no role '%(role)s'.") % {"role": role})


class UnknownRole(Refused):
    """Members cannot have that role."""

    code = "unknown_role"
    status = 400
    hint = f"Choose from: {', '.join(Membership.Role.values)}."


@transaction.atomic
def accept_invitation(*, token: str, user: User, at: datetime) -> Membership:
    """Make `user` a member; the invitation must be theirs and fresh. A repeat changes nothing."""
    invitation = (
        Invitation.objects.select_for_update(of=("self",)).filter(token_hash=_hash(token)).first()
    )
    if invitation is None:
        raise InvitationSpent
    if invitation.email.casefold() != user.email.casefold():
        raise InvitationForAnother
    if invitation.accepted_at is not None:
        member = Membership.objects.filter(user=user, party=invitation.party).first()
        if member is None:
            raise InvitationSpent
        return member
    if invitation.expires_at <= at:
        raise InvitationSpent
    invitation.accepted_at = at
    invitation.save(update_fields=["accepted_at"])
    return add_member(party=invitation.party, user=user, role=invitation.role, at=at)


@transaction.atomic
def add_member(*, party: Party, user: User, role: str, at: datetime) -> Membership:
    """Let `user` act for `party` in `role`; changes the role of a member."""
    if role not in Membership.Role.values:
        raise UnknownRole(_("There is no role '%(role)s'.") % {"role": role})
    member, is_new = Membership.objects.get_or_create(
        user=user, party=party, defaults={"role": role, "created_at": at}
    )
    if not is_new and member.role == role:
        return member
    member.role = role
    member.save(update_fields=["role"])
    _record_of_party("member.joined" if is_new else "member.changed", party, at, {"role": role})
    return member


def dismiss_guide(*, party: Party, user: User, at: datetime | None) -> None:
    """Put the list of first steps away for this member; None brings it back. Safe to repeat."""
    Membership.objects.filter(party=party, user=user).update(guide_dismissed_at=at)


@transaction.atomic
def issue_key(
    *,
    party: Party,
    name: str,
    scopes: Sequence[str],
    created_by: User | None,
    at: datetime,
    expires_at: datetime | None = None,
    is_test: bool = False,
) -> tuple[ApiKey, str]:
    """Make a key that speaks for `party`; returns it and its secret, which is shown only here.

    One for tests begins with `tm_test_`, and nothing that is done with it costs.
    """
    if is_test and not party.is_lab:
        raise NoLabToTest
    unknown = set(scopes) - SCOPES - {"read"}
    if unknown:
        raise UnknownScope(
            _("A key cannot have the scope '%(name)s'.") % {"name": sorted(unknown)[0]}
        )
    prefix, rest = secrets.token_hex(4), secrets.token_urlsafe(32)
    secret = f"{TEST_PREFIX if is_test else PREFIX}{prefix}_{rest}"
    key = ApiKey.objects.create(
        party=party,
        name=name,
        prefix=prefix,
        secret_hash=_hash(secret),
        scopes=sorted(set(scopes) - {"read"}),
        created_by=created_by,
        created_at=at,
        expires_at=expires_at,
        is_test=is_test,
    )
    body = {"key": key.id, "scopes": key.scopes, **({"is_test": True} if is_test else {})}
    _record_of_party("key.issued", party, at, body)
    return key, secret


@transaction.atomic
def revoke_key(*, key: ApiKey, at: datetime) -> None:
    """End a key at once; a repeat changes nothing."""
    if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=at):
        key.revoked_at = at
        _record_of_party("key.revoked", key.party, at, {"key": key.id})


def viewer_of_key(secret: str, at: datetime) -> Viewer | None:
    """For whom `secret` speaks at `at`; None if it is unknown, revoked or expired."""
    is_test = secret.startswith(TEST_PREFIX)
    start = TEST_PREFIX if is_test else PREFIX
    prefix, divider, _rest = secret.removeprefix(start).partition("_")
    if not secret.startswith(start) or not divider:
        return None
    keys = ApiKey.objects.select_related("party").filter(prefix=prefix, is_test=is_test)
    key = keys.first()
    if key is None or not hmac.compare_digest(key.secret_hash, _hash(secret)):
        return None
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= at):
        return None
    if key.last_used_at is None or at - key.last_used_at >= LAST_USED_PRECISION:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=at)
        key.last_used_at = at
    return Viewer(party=key.party, role="key", key=key)


def viewer_of_user(user: User, party_id: uuid.UUID | None) -> Viewer | None:
    """`user` on behalf of the party chosen, or of the first joined; None for a stranger."""
    if not user.is_active:
        return None
    memberships = Membership.objects.select_related("party").filter(user=user)
    if party_id is not None:
        memberships = memberships.filter(party=party_id)
    member = memberships.order_by("created_at", "id").first()
    return None if member is None else Viewer(party=member.party, role=member.role, user=user)


def log_view(*, viewer: Viewer, party: Party, what: str, reason: str = "", at: datetime) -> None:
    """Keep for `party` that an operator looked at what is its own; others' looks need no log."""
    if not viewer.is_operator or viewer.party.pk == party.pk:
        return
    AccessLog.objects.create(
        party=party, user=viewer.user, key=viewer.key, what=what[:200], reason=reason[:300], at=at
    )


@transaction.atomic
def restore_party(
    *,
    pk: uuid.UUID,
    name: str,
    namespace: str,
    is_owner: bool,
    is_lab: bool,
    is_operator: bool = False,
    contact_email: str = "",
    salt: bytes = b"",
    at: datetime,
) -> Party:
    """Register an organisation again after its database was lost, under its old id and salt."""
    party = Party.objects.create(
        pk=pk,
        name=name,
        namespace=namespace,
        is_owner=is_owner,
        is_lab=is_lab,
        is_operator=is_operator,
        contact_email=contact_email,
        salt=salt or secrets.token_bytes(32),
        created_at=at,
    )
    ledger.record(
        "party.restored",
        at=at,
        subject_kind="party",
        subject_id=party.id,
        party=party,
        body={"is_owner": is_owner, "is_lab": is_lab, "is_operator": is_operator},
    )
    return party


def choose_language(*, user: User, language: str) -> None:
    """From now on `user` reads pages and mail in `language`, a code of the settings."""
    user.language = language
    user.save(update_fields=["language"])


def _free_namespace(name: str) -> str:
    """The first of `name`, `name-2`, `name-3` ... that no party has."""
    base = slugify(name)[:70].strip("-")
    if not base:
        raise NameUnusable
    taken = set(
        Party.objects.filter(namespace__startswith=base).values_list("namespace", flat=True)
    )
    number, namespace = 1, base
    while namespace in taken:
        number += 1
        namespace = f"{base}-{number}"
    return namespace


def _record_of_party(kind: str, party: Party, at: datetime, body: dict[str, object]) -> None:
    """A fact about `party` itself."""
    ledger.record(kind, at=at, subject_kind="party", subject_id=party.id, party=party, body=body)


def _hash(secret: str) -> str:
    """A token of full entropy needs no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()
