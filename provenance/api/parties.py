"""The viewer's own party: its members, invitations, keys, and who looked at its facts."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.generics import ListAPIView, get_object_or_404
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from provenance import letters, parties
from provenance.api.door import Door, Facts
from provenance.models import AccessLog, ApiKey, Invitation, Membership, Party
from provenance.refusals import Refused

SCOPES = sorted(parties.SCOPES)


class NeedsPerson(Refused):
    """Only a person may do this, not a key that belongs to nobody."""

    code = "needs_person"
    status = 403
    hint = "Sign in and do it in the admin, or use a key that a member made."


class ScopeTooWide(Refused):
    """A key cannot be given rights that its maker does not have."""

    code = "scope_too_wide"
    status = 403
    hint = "Leave out the scopes that you do not have yourself; GET /parties/me lists yours."


class PartyOut(serializers.ModelSerializer[Party]):
    """The viewer's own party."""

    class Meta:
        model = Party
        fields = (
            "id", "name", "namespace", "is_owner", "is_lab", "is_operator", "contact_email",
            "created_at",
        )  # fmt: skip


class MeOut(serializers.Serializer[Any]):
    """Who asks, and what it may do."""

    party = PartyOut()
    role = serializers.CharField()
    email = serializers.EmailField(allow_null=True)
    verbs = serializers.ListField(child=serializers.CharField())


class PartyIn(serializers.Serializer[Any]):
    """A new party, as an operator creates it."""

    name = serializers.CharField(max_length=200)
    is_owner = serializers.BooleanField(default=False)
    is_lab = serializers.BooleanField(default=False)
    contact_email = serializers.EmailField(default="", allow_blank=True)


class MemberOut(serializers.ModelSerializer[Membership]):
    """A member and its role."""

    email = serializers.EmailField(source="user.email")

    class Meta:
        model = Membership
        fields = ("id", "email", "role", "created_at")


class InvitationOut(serializers.ModelSerializer[Invitation]):
    """An invitation; its token is shown once, in the answer to the request that made it."""

    class Meta:
        model = Invitation
        fields = ("id", "email", "role", "created_at", "expires_at", "accepted_at")


class InvitationMade(InvitationOut):
    """An invitation with its token, and the link that was mailed to the invited."""

    token = serializers.CharField(read_only=True)
    link = serializers.CharField(read_only=True)

    class Meta(InvitationOut.Meta):
        fields = (*InvitationOut.Meta.fields, "token", "link")  # type: ignore[assignment]


class InvitationIn(serializers.Serializer[Any]):
    """Whom to invite, as what, and (for an operator) into which party."""

    party = serializers.UUIDField(default=None, allow_null=True)

    email = serializers.EmailField()
    role = serializers.ChoiceField(choices=Membership.Role.choices)


class KeyOut(serializers.ModelSerializer[ApiKey]):
    """A key without its secret."""

    class Meta:
        model = ApiKey
        fields = (
            "id", "name", "prefix", "scopes", "is_test", "created_at", "expires_at", "revoked_at",
            "last_used_at",
        )  # fmt: skip


class KeyMade(KeyOut):
    """A key with its secret, which is never shown again."""

    secret = serializers.CharField(read_only=True)

    class Meta(KeyOut.Meta):
        fields = (*KeyOut.Meta.fields, "secret")  # type: ignore[assignment]


class KeyIn(serializers.Serializer[Any]):
    """A new key: its name, its scopes (reading is always one), and when it ends."""

    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=SCOPES), default=list)
    expires_at = serializers.DateTimeField(default=None, allow_null=True)
    is_test = serializers.BooleanField(
        default=False, help_text="For a lab's tests: what it reports is priced and never charged."
    )


class AccessLogOut(serializers.ModelSerializer[AccessLog]):
    """One look of an operator at the party's facts."""

    class Meta:
        model = AccessLog
        fields = ("id", "what", "reason", "at")


class Me(Door):
    """The party for which the key or the session speaks."""

    @extend_schema(operation_id="me", responses=MeOut)
    def get(self, request: Request) -> Response:
        """The viewer's party, role and verbs."""
        viewer = self.viewer
        email = viewer.user.email if viewer.user else None
        verbs = [verb for verb in ("read", *SCOPES, "members") if viewer.may(verb)]
        facts = {"party": viewer.party, "role": viewer.role, "email": email, "verbs": verbs}
        return Response(MeOut(facts).data)


class Parties(ListModelMixin, Facts, GenericViewSet[Party]):
    """Parties: one's own, and for an operator all of them."""

    serializer_class = PartyOut
    queryset = Party.objects.none()
    ordering = ("created_at", "id")

    def get_queryset(self) -> QuerySet[Party]:
        """The parties that the viewer may see."""
        return Party.objects.visible_to(self.viewer)

    @extend_schema(request=PartyIn, responses={201: PartyOut})
    def create(self, request: Request) -> Response:
        """Create a party (operators only); invite its first admin afterwards."""
        self.require_operator("members")
        party = parties.create_party(**self.read(PartyIn), at=timezone.now())
        return Response(PartyOut(party).data, status=status.HTTP_201_CREATED)


class Members(Facts, ListAPIView[Membership]):
    """The members of the viewer's party."""

    serializer_class = MemberOut
    queryset = Membership.objects.none()

    def get_queryset(self) -> QuerySet[Membership]:
        """Members of this party, for an operator too."""
        return self.viewer.party.memberships.select_related("user")


class Invitations(ListModelMixin, Facts, GenericViewSet[Invitation]):
    """Who was asked to join."""

    serializer_class = InvitationOut
    queryset = Invitation.objects.none()
    ordering = ("-created_at", "id")

    def get_queryset(self) -> QuerySet[Invitation]:
        """This party's invitations."""
        return Invitation.objects.filter(party=self.viewer.party)

    @extend_schema(request=InvitationIn, responses={201: InvitationMade})
    def create(self, request: Request) -> Response:
        """Invite a person: they are mailed the link, which the answer shows once."""
        self.viewer.require("members")
        if self.person is None:
            raise NeedsPerson
        given = self.read(InvitationIn)
        party_id = given.pop("party") or self.viewer.party.pk
        party = get_object_or_404(Party.objects.visible_to(self.viewer), pk=party_id)
        with transaction.atomic():
            invitation, token = parties.invite(
                party=party, invited_by=self.person, at=timezone.now(), **given
            )
            link = letters.send_invitation(invitation, token)
        answer = {**InvitationOut(invitation).data, "token": token, "link": link}
        return Response(answer, status=status.HTTP_201_CREATED)


class Keys(ListModelMixin, Facts, GenericViewSet[ApiKey]):
    """The party's API keys."""

    serializer_class = KeyOut
    queryset = ApiKey.objects.none()
    lookup_value_converter = "uuid"
    ordering = ("-created_at", "id")

    def get_queryset(self) -> QuerySet[ApiKey]:
        """This party's keys."""
        return ApiKey.objects.filter(party=self.viewer.party)

    @extend_schema(request=KeyIn, responses={201: KeyMade})
    def create(self, request: Request) -> Response:
        """Make a key; the answer is the only one that shows its secret."""
        self.viewer.require("members")
        given = self.read(KeyIn)
        if lacking := [scope for scope in given["scopes"] if not self.viewer.may(scope)]:
            raise ScopeTooWide(f"You do not have: {', '.join(lacking)}.")
        key, secret = parties.issue_key(
            party=self.viewer.party, created_by=self.person, at=timezone.now(), **given
        )
        answer = {**KeyOut(key).data, "secret": secret}
        return Response(answer, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=KeyOut)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """End a key at once; a key may always end itself."""
        key = self.get_object()
        if self.viewer.key != key:
            self.viewer.require("members")
        parties.revoke_key(key=key, at=timezone.now())
        key.refresh_from_db()
        return Response(KeyOut(key).data)


class Looks(Facts, ListAPIView[AccessLog]):
    """When an operator looked at the party's facts, and why."""

    serializer_class = AccessLogOut
    queryset = AccessLog.objects.none()
    ordering = ("-at", "-id")

    def get_queryset(self) -> QuerySet[AccessLog]:
        """Looks at this party's facts."""
        return AccessLog.objects.filter(party=self.viewer.party)
