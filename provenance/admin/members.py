"""Members and invitations of a party, and the log of operators' looks at what is its own."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import pgettext

from provenance import leaving, letters, looked, parties
from provenance.access import Viewer
from provenance.admin.base import ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb, VerbForm, person_of, viewer_of
from provenance.models import AccessLog, Invitation, Membership, Party, User

_ROLES = [
    ("admin", _lazy("admin: everything, members too")),
    ("rights", _lazy("rights: register, license, claim and answer")),
    ("finance", _lazy("finance: statements, deposits and payouts")),
    ("developer", _lazy("developer: keys, runs, uploads and licences")),
    ("viewer", _lazy("viewer: reads")),
]


# Of a party that is a lab alone.
_LAB_ROLES = dict(_ROLES) | {
    "rights": _lazy("rights: ask for grants and subscribe to bundles"),
    "developer": _lazy("developer: keys, runs, models and grants"),
}


class RoleForm(VerbForm):
    """Another role for a member."""

    role = forms.ChoiceField(choices=_ROLES, widget=forms.RadioSelect)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        party = self.subject if isinstance(self.subject, Party) else self.viewer.party
        if party.is_lab and not party.is_owner:
            role: Any = self.fields["role"]
            role.choices = _LAB_ROLES.items()


class InviteForm(RoleForm):
    """Whom to invite, as what."""

    field_order = ("email", "role")
    email = forms.EmailField(label=_lazy("E-mail address"))
    role = forms.ChoiceField(choices=_ROLES, widget=forms.RadioSelect, initial="viewer")


def invite_to(request: HttpRequest, party: Party, email: str, role: str) -> TemplateResponse:
    """Invite by mail, and show the link once to the person who invites."""
    person = person_of(request)
    assert isinstance(person, User), "the admin site lets people in, not keys"
    with transaction.atomic():
        invitation, token = parties.invite(
            party=party, email=email, role=role, invited_by=person, at=timezone.now()
        )
        link = letters.send_invitation(invitation, token)
    return show_link(request, invitation, link)


def show_link(request: HttpRequest, invitation: Invitation, link: str) -> TemplateResponse:
    """Once, to who invites: the mail may not arrive."""
    context = {
        **site.each_context(request),
        "title": _("Invitation sent"),
        "invitation": invitation,
        "link": link,
    }
    answer = TemplateResponse(request, "provenance/invitation_sent.html", context)
    answer["Cache-Control"] = "no-store"
    return answer


def _invite(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    return invite_to(request, viewer_of(request).party, cleaned["email"], cleaned["role"])


def _change_role(request: HttpRequest, member: Any, cleaned: dict[str, Any]) -> str:
    parties.add_member(
        party=member.party, user=member.user, role=cleaned["role"], at=timezone.now()
    )
    named = {"email": member.user.email, "role": _(cleaned["role"])}
    return _("%(email)s is now %(role)s.") % named


class LeaveForm(VerbForm):
    """Whether the keys that the person made end with it."""

    revokes_keys = forms.BooleanField(required=False, initial=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        keys = leaving.keys_made_by(self.subject)
        if not keys:
            del self.fields["revokes_keys"]
            return
        names = pgettext("list", ", ").join(key.name for key in keys)
        self.fields["revokes_keys"].label = _(
            "Revoke the API keys made by this person: %(keys)s"
        ) % {"keys": names}
        self.fields["revokes_keys"].help_text = _(
            "A key belongs to the organisation and goes on speaking for it; but whoever made it "
            "has seen its secret."
        )


def _remove(request: HttpRequest, member: Any, cleaned: dict[str, Any]) -> Outcome:
    _end(request, member, cleaned)
    words = _("%(email)s no longer acts for %(party)s.")
    messages.success(request, words % {"email": member.user.email, "party": member.party})
    return HttpResponseRedirect(reverse("admin:provenance_membership_changelist"))


def _leave(request: HttpRequest, member: Any, cleaned: dict[str, Any]) -> Outcome:
    _end(request, member, cleaned)
    messages.success(request, _("You no longer act for %(party)s.") % {"party": member.party})
    return HttpResponseRedirect(reverse("choose-party"))


def _end(request: HttpRequest, member: Membership, cleaned: dict[str, Any]) -> None:
    leaving.leave(
        member=member,
        by=person_of(request),
        revokes_keys=cleaned.get("revokes_keys", False),
        at=timezone.now(),
    )


INVITE = Verb(
    "invite",
    _lazy("Invite a person"),
    "members",
    _invite,
    InviteForm,
    _lazy("They get a link by mail; it works once, for that address, for 14 days."),
    tone="primary",
)


class MembershipAdmin(ReadOnlyFacts):
    """Who acts for the party."""

    list_title = _lazy("Members")
    page_template = "provenance/member.html"
    list_display = ("email", "role", "party", "created_at")
    list_select_related = ("user", "party")
    ordering = ("party__name", "created_at")
    list_words = _lazy("People who act for your organisation, and what each may do.")
    operator_words = _lazy("People who act for each organisation, and what they may do.")
    list_verbs = (INVITE,)
    verbs = (
        Verb(
            "role",
            _lazy("Change the role"),
            "members",
            _change_role,
            RoleForm,
            offered=lambda viewer, member: (
                member.party_id == viewer.party.pk and member.user != viewer.user
            ),
        ),
        Verb(
            "remove",
            _lazy("Remove from the organisation"),
            "members",
            _remove,
            LeaveForm,
            _lazy(
                "This person can no longer act for your organisation, from this moment on. What "
                "was done stays, under that name; to let the person in again, invite them."
            ),
            offered=lambda viewer, member: (
                member.party_id == viewer.party.pk and member.user != viewer.user
            ),
            tone="danger",
        ),
        Verb(
            "leave",
            _lazy("Leave the organisation"),
            "read",
            _leave,
            LeaveForm,
            _lazy(
                "You can no longer act for this organisation, from this moment on; only an admin "
                "of it can invite you again."
            ),
            offered=lambda viewer, member: (
                member.party_id == viewer.party.pk and member.user == viewer.user
            ),
            tone="danger",
        ),
    )

    def scope(self, viewer: Viewer) -> Any:
        rows = Membership.objects.select_related("user", "party")
        return rows if viewer.is_operator else rows.filter(party=viewer.party)

    @column(_lazy("Person"), ordering="user__email")
    def email(self, member: Membership) -> str:
        return member.user.email


class InvitationAdmin(ReadOnlyFacts):
    """Invitations and what became of them."""

    page_template = "provenance/invitation.html"
    list_display = ("email", "role", "party", "label", "created_at", "expires_at")
    list_select_related = ("party", "invited_by")
    ordering = ("-created_at",)
    list_words = _lazy(
        "Links that were sent. A link works once, for its address, until it expires."
    )
    empty_title = _lazy("Nobody was invited yet")
    empty_words = _lazy("Colleagues act for the same organisation, each with a role of their own.")
    list_verbs = (INVITE,)

    @column(
        _lazy("State"),
        label={"accepted": "success", "waiting": "warning", "expired": "danger"},
    )
    def label(self, invitation: Invitation) -> str:
        if invitation.accepted_at:
            return "accepted"
        return "expired" if invitation.expires_at <= timezone.now() else "waiting"

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {"state": self.label(subject)}


class AccessLogAdmin(ReadOnlyFacts):
    """Which operator looked at what is the party's, when and why."""

    list_title = _lazy("Access log")
    page_template = "provenance/access.html"
    list_display = ("looked_at", "who", "why", "party", "at")
    list_select_related = ("party", "user", "key")
    ordering = ("-at",)
    search_fields = ("what", "reason")
    list_words = _lazy("Every look of an operator at your data, with its reason.")
    operator_words = _lazy(
        "Every look of an operator at a party's data, with its reason; the party reads the same."
    )
    empty_title = _lazy("No operator has looked at your data")
    empty_words = _lazy("Should one do so, it stands here within the same second, with the reason.")

    @column(_lazy("What"), ordering="what")
    def looked_at(self, row: AccessLog) -> str:
        return looked.in_words(row.what)

    @column(_lazy("Reason"), ordering="reason")
    def why(self, row: AccessLog) -> str:
        return looked.reason_in_words(row.reason)

    @column(_lazy("Who"))
    def who(self, row: AccessLog) -> str:
        return row.user.email if row.user else _("key %(key)s") % {"key": row.key}

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        said = {"looked": looked.in_words(subject.what), "why": self.why(subject)}
        return said | {"title": said["looked"]}

    def parties_of(self, subject: Any) -> list[Party]:
        """The log of looks is not itself the party's data: reading it is not logged again."""
        return []


site.register(Membership, MembershipAdmin)
site.register(Invitation, InvitationAdmin)
site.register(AccessLog, AccessLogAdmin)
