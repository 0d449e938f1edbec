"""What the sides and the operators may do in a conflict, each when its turn has come."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _gettext
from django.utils.translation import gettext_lazy as _

from provenance import conflicts
from provenance.access import Viewer
from provenance.admin.answering import EXPLAINED, Choice
from provenance.admin.conflict_forms import (
    AnswerForm,
    ClaimChoiceForm,
    ClaimForm,
    ConcedeForm,
    OpenForm,
    RejectForm,
    TextForm,
    waiting_claims,
)
from provenance.admin.verbs import Verb, person_of, viewer_of
from provenance.models import Claim, Conflict, Record, Resolution, User

State = Conflict.State
OPEN_STATES = (State.OPEN, State.CLAIMED, State.ANSWERED, State.DECIDING)


def _operator(request: HttpRequest) -> User:
    person = person_of(request)
    assert person is not None, "the admin site lets people in, not keys"
    return person


def _is_side(viewer: Viewer, conflict: Conflict) -> bool:
    return viewer.party.pk in (conflict.later.owner_id, conflict.earlier.owner_id)


def may_claim(viewer: Viewer, conflict: Any) -> bool:
    """Whether the viewer's side may say now that the records are its own."""
    is_time = conflict.state in (*OPEN_STATES, State.RELEASED)
    claims = conflict.claims.filter(claimant=viewer.party, round=conflict.round)
    return is_time and _is_side(viewer, conflict) and not claims.exists()


def _may_keep(viewer: Viewer, conflict: Any) -> bool:
    this = Conflict.objects.filter(pk=conflict.pk)
    return conflicts.answerable(this, viewer.party, Choice.KEEP).exists()


def _may_give(viewer: Viewer, conflict: Any) -> bool:
    own = conflict.contested.filter(record__dataset__owner=viewer.party, resolution=None)
    return conflict.state in OPEN_STATES and own.exists()


def _own_claim(viewer: Viewer, conflict: Any) -> QuerySet[Claim]:
    """The viewer's claim of this round, while it can be taken back."""
    rows = conflict.claims.filter(claimant=viewer.party, round=conflict.round)
    return rows.filter(rejected_at=None, withdrawn_at=None)  # type: ignore[no-any-return]


def _may_withdraw(viewer: Viewer, conflict: Any) -> bool:
    is_time = conflict.state in (*OPEN_STATES, State.RELEASED)
    return is_time and _own_claim(viewer, conflict).exists()


def _is_awaited(state: str) -> Any:
    def check(viewer: Viewer, conflict: Any) -> bool:
        return bool(conflict.state == state and conflict.awaits_id == viewer.party.pk)

    return check


def _may_appeal(viewer: Viewer, conflict: Any) -> bool:
    in_time = conflict.deadline_at is None or conflict.deadline_at > timezone.now()
    said = conflict.submissions.filter(kind="appeal", round=conflict.round)
    is_first = conflict.state == State.DECIDED and not said.exists()
    return is_first and in_time and _is_side(viewer, conflict)


def _must_open(viewer: Viewer, conflict: Any) -> bool:
    return bool(
        conflict.openings.filter(
            opened_at__isnull=True, record__dataset__owner=viewer.party
        ).exists()
    )


def _claim(request: HttpRequest, conflict: Any, cleaned: dict[str, Any]) -> str:
    conflicts.claim(
        conflict=conflict,
        claimant=viewer_of(request).party,
        statement=cleaned["statement"],
        evidence=cleaned["evidence"],
        by=person_of(request),
        at=timezone.now(),
    )
    return _gettext(
        "Your claim is in the ledger, and the other side was told. See below what comes next."
    )


def _keep(request: HttpRequest, conflict: Any, cleaned: dict[str, Any]) -> str:
    _concede(request, conflict, Resolution.Outcome.COMMON, cleaned["text"])
    return _gettext(
        "What was held of the other side for your sake is released, and the other side was told."
    )


def _give(request: HttpRequest, conflict: Any, cleaned: dict[str, Any]) -> str:
    outcome = conflicts.given_up(conflict, viewer_of(request).party)
    _concede(request, conflict, outcome, cleaned["text"])
    return _gettext("Your records count as the other side's now, and the other side was told.")


def _concede(request: HttpRequest, conflict: Any, outcome: str, text: str) -> None:
    conflicts.concede(
        conflict=conflict,
        party=viewer_of(request).party,
        outcome=outcome,
        text=text,
        by=person_of(request),
        at=timezone.now(),
    )


def _answer(request: HttpRequest, conflict: Any, cleaned: dict[str, Any]) -> str:
    conflicts.answer(
        conflict=conflict,
        party=viewer_of(request).party,
        text=cleaned["text"],
        agrees=cleaned["agrees"],
        by=person_of(request),
        at=timezone.now(),
    )
    return _gettext("Your answer is in the ledger, and the other side was told.")


def _withdraw(request: HttpRequest, conflict: Any, cleaned: dict[str, Any]) -> str:
    claim = _own_claim(viewer_of(request), conflict).get()
    conflicts.withdraw_claim(claim=claim, at=timezone.now())
    return _gettext("Your claim is withdrawn; what it held is released; the other side was told.")


def _reply(request: HttpRequest, conflict: Any, cleaned: dict[str, Any]) -> str:
    conflicts.reply(
        conflict=conflict,
        party=viewer_of(request).party,
        text=cleaned["text"],
        by=person_of(request),
        at=timezone.now(),
    )
    return _gettext("Your reply is in the ledger. An operator decides next.")


def _appeal(request: HttpRequest, conflict: Any, cleaned: dict[str, Any]) -> str:
    conflicts.appeal(
        conflict=conflict,
        party=viewer_of(request).party,
        text=cleaned["text"],
        by=person_of(request),
        at=timezone.now(),
    )
    return _gettext("Your appeal is in. An operator who did not decide before looks at it.")


def _open(request: HttpRequest, conflict: Any, cleaned: dict[str, Any]) -> str:
    record = Record.objects.get(pk=cleaned["record"], dataset__owner=viewer_of(request).party)
    conflicts.open_record(conflict=conflict, record=record, text=cleaned["text"], at=timezone.now())
    return _gettext("The text hashes to the registered record: it is opened.")


def _admit(request: HttpRequest, conflict: Any, cleaned: dict[str, Any]) -> str:
    claim = waiting_claims(conflict).get(pk=cleaned["claim"])
    conflicts.admit_claim(claim=claim, by=_operator(request), at=timezone.now())
    return _gettext(
        "The claim is admitted; the records are held from now, and both sides were told why."
    )


def _reject(request: HttpRequest, conflict: Any, cleaned: dict[str, Any]) -> str:
    claim = waiting_claims(conflict).get(pk=cleaned["claim"])
    conflicts.reject_claim(
        claim=claim, reason=cleaned["reason"], by=_operator(request), at=timezone.now()
    )
    return _gettext(
        "The claim is not admitted; nothing is held because of it, and its side was told why."
    )


VERBS: tuple[Verb, ...] = (
    Verb(
        "answer",
        _("Answer the claim"),
        "rights",
        _answer,
        AnswerForm,
        _("Say what is true of these records. If you accept the claim, it is settled at once."),
        offered=_is_awaited(State.CLAIMED),
        is_inline=True,
    ),
    Verb(
        "reply",
        _("Reply to the answer"),
        "rights",
        _reply,
        TextForm,
        _("If you say nothing, what is held is released."),
        offered=_is_awaited(State.ANSWERED),
        is_inline=True,
    ),
    Verb(
        "open",
        _("Open a contested record"),
        "rights",
        _open,
        OpenForm,
        _(
            "You registered fingerprints only. Show the text of the records that were drawn, "
            "before anything can be released to you."
        ),
        offered=_must_open,
        is_inline=True,
    ),
    Verb(
        "claim",
        _("Claim these records"),
        "rights",
        _claim,
        ClaimForm,
        _(
            "Say that the contested records are yours. Where no operator looks at the claim first, "
            "the other side has 14 days to answer."
        ),
        offered=may_claim,
        is_inline=True,
    ),
    Verb(
        "keep",
        Choice.KEEP.label,
        "rights",
        _keep,
        ConcedeForm,
        EXPLAINED[Choice.KEEP],
        offered=_may_keep,
    ),
    Verb(
        "give",
        Choice.GIVE.label,
        "rights",
        _give,
        ConcedeForm,
        EXPLAINED[Choice.GIVE],
        offered=_may_give,
        tone="danger",
    ),
    Verb(
        "withdraw",
        _("Withdraw my claim"),
        "rights",
        _withdraw,
        explains=_(
            "What your claim holds is released at once, and the other side is told. You cannot "
            "claim these records again."
        ),
        offered=_may_withdraw,
        tone="danger",
    ),
    Verb(
        "appeal",
        _("Appeal the decision"),
        "rights",
        _appeal,
        TextForm,
        _("Once, to an operator who did not decide before."),
        offered=_may_appeal,
    ),
    Verb(
        "admit",
        _("Admit the claim"),
        "rights",
        _admit,
        ClaimChoiceForm,
        _("Its evidence is worth an answer. From now on the earlier owner's share is held."),
        offered=lambda viewer, conflict: viewer.is_operator and waiting_claims(conflict).exists(),
        is_inline=True,
    ),
    Verb(
        "reject",
        _("Do not admit it"),
        "rights",
        _reject,
        RejectForm,
        _("Its evidence is not enough to hold anything; the reason goes to the claimant."),
        offered=lambda viewer, conflict: viewer.is_operator and waiting_claims(conflict).exists(),
    ),
)
