"""What people without an account told us: read and answered by operators."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from provenance import concerns
from provenance.admin.base import OPERATORS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Verb, VerbForm, person_of
from provenance.models import Concern
from provenance.templatetags.tallymark import until


class AnswerForm(VerbForm):
    """What the person who wrote reads by mail."""

    text = forms.CharField(
        label=_lazy("Your answer"),
        widget=forms.Textarea,
        help_text=_lazy("It is mailed: what you looked at, what you found, what they may do now."),
    )


def _answer(request: HttpRequest, concern: Any, cleaned: dict[str, Any]) -> str:
    by = person_of(request)
    assert by is not None, "only people use pages"
    concerns.answer(concern=concern, text=cleaned["text"], by=by, at=timezone.now())
    return _("Answered, by mail to %(email)s.") % {"email": concern.email}


ANSWER = Verb(
    "answer",
    _lazy("Answer by mail"),
    "rights",
    _answer,
    AnswerForm,
    _lazy("The person has no account; the mail is all they see."),
    offered=lambda viewer, concern: viewer.is_operator and concern.answered_at is None,
    tone="primary",
    is_inline=True,
)


class ConcernAdmin(ReadOnlyFacts):
    """Notices from outside, the newest first."""

    shown_to = OPERATORS
    page_template = "provenance/concern.html"
    list_title = _lazy("Notices from outside")
    list_display = ("made_at", "sender", "state", "until_when")
    ordering = ("-made_at",)
    list_words = _lazy("People without an account say that something of theirs is registered.")
    empty_title = _lazy("Nobody has written")
    empty_words = _lazy("The form is linked at the foot of every public page.")
    verbs = (ANSWER,)

    @column(_lazy("From"))
    def sender(self, concern: Concern) -> str:
        return f"{concern.name} <{concern.email}>"

    @column(_lazy("State"), label={"answered": "success", "waits": "warning"})
    def state(self, concern: Concern) -> str:
        return _("answered") if concern.answered_at else "waits"

    @column(_lazy("Until"), ordering="made_at")
    def until_when(self, concern: Concern) -> str:
        return "–" if concern.answered_at else until(concern.due_at)


site.register(Concern, ConcernAdmin)
