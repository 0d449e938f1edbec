"""Letters to people are in a language that they read."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.core import mail
from django.utils import translation

from provenance import letters, parties
from provenance.models import Party, User
from tests import factories
from tests.cast import NOON


def invited(ada: Party, django_capture_on_commit_callbacks, language: str = "en-gb") -> str:
    """The letter to somebody, from a person who reads `language`; its subject."""
    by = factories.user("ada@aurora.example", party=ada)
    with translation.override(language), django_capture_on_commit_callbacks(execute=True):
        invitation, token = parties.invite(
            party=ada, email="New@aurora.example", role="viewer", invited_by=by, at=NOON
        )
        link = letters.send_invitation(invitation, token)
    (letter,) = mail.outbox
    assert letter.body.count(link) == letter.subject.count("Aurora Archive")
    return letter.subject


@pytest.fixture
def subjects(ada: Party) -> list[str]:
    made = []
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            made.append(translation.gettext("Tallymark: join %(party)s") % {"party": ada.name})
    return made


def test_somebody_new_is_invited_in_both_languages_the_inviters_first(
    ada: Party, subjects, django_capture_on_commit_callbacks
) -> None:
    found = invited(ada, django_capture_on_commit_callbacks, language="zh-hans")
    assert found == " / ".join(reversed(subjects))


def test_who_reads_chinese_here_is_invited_in_chinese_by_whoever(
    ada: Party, subjects, django_capture_on_commit_callbacks
) -> None:
    person = factories.user("new@aurora.example")
    User.objects.filter(pk=person.pk).update(language="zh-hans")
    assert invited(ada, django_capture_on_commit_callbacks) == subjects[1]
