"""That bare words are found, and that moments and states are said as their readers say them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.apps import apps
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import models
from django.test import Client
from django.utils import timezone, translation

from deploy.words import bare
from provenance import states
from provenance.models import Party
from provenance.templatetags import tallymark
from tests import factories

AT = datetime(2031, 5, 3, 14, tzinfo=UTC)


def codes_of_states() -> list[str]:
    fields = [
        field
        for model in apps.get_models()
        if model._meta.app_label in ("provenance", "ingest", "compensation")
        for field in model._meta.get_fields()
        if isinstance(field, models.Field) and field.name == "state"
    ]
    return sorted({str(code) for field in fields for code, _ in field.choices or []})


def test_a_word_that_nobody_marked_is_found() -> None:
    page = '{% translate "Known" %}<p title="Look">Bare {{ name }}</p>'
    assert list(bare.in_template(page)) == ["Look", "Bare"]


def test_names_of_classes_are_no_words() -> None:
    page = "{% block main_class %}narrow{% if wide %} wide{% endif %}{% endblock %}"
    assert list(bare.in_template(page)) == []
    assert list(bare.in_template(page + "after")) == ["after"]


def test_words_are_found_where_calls_take_them_by_place() -> None:
    module = """
Verb("end", _("End"), "rights", end, Form, "It ends.")
Panel("Here", "panel.html", {})
raise forms.ValidationError(f"Not {name}.")
menu = {"title": "Home", "icon": "house"}
"""
    found = {text for _, text in bare.in_python(module)}
    assert found == {"It ends.", "Here", "Not .", "Home"}


def test_commands_speak_english() -> None:
    assert list(bare.in_python('ArgumentParser(description="Start and stay.")')) == []


@pytest.mark.parametrize(
    ("language", "moment", "day"),
    [
        ("en-gb", "3 May 2031, 14:00 UTC", "3 May 2031"),
        ("zh-hans", "2031年5月3日 14:00 UTC", "2031年5月3日"),
    ],
)
def test_moments_are_written_as_the_reader_does(language: str, moment: str, day: str) -> None:
    with translation.override(language):
        assert f">{moment}</time>" in tallymark.moment(AT)
        assert f">{day}</time>" in tallymark.day(AT)


@pytest.mark.parametrize(
    ("left", "english", "chinese"),
    [
        (timedelta(minutes=9), "within an hour, by ", "1 小时内（"),
        (timedelta(hours=1, minutes=9), "within 2 hours, by ", "2 小时内（"),
        (timedelta(days=3, minutes=-9), "within 3 days, by ", "3 天内（"),
        (timedelta(minutes=-9), "due since ", "已于 "),
    ],
)
def test_deadlines_say_how_long_is_left(left: timedelta, english: str, chinese: str) -> None:
    deadline = timezone.now() + left
    with translation.override("en-gb"):
        assert tallymark.until(deadline).startswith(english)
    with translation.override("zh-hans"):
        assert tallymark.until(deadline).startswith(chinese)


def test_thousands_are_marked_in_every_language() -> None:
    with translation.override("zh-hans"):
        assert intcomma(1234567) == "1,234,567"


@pytest.mark.parametrize("code", codes_of_states())
def test_every_state_has_its_word_in_chinese(code: str) -> None:
    with translation.override("en-gb"):
        assert states.word(code) == code.replace("_", " ").capitalize()
    with translation.override("zh-hans"):
        assert not states.word(code).isascii()


def test_a_list_says_states_as_they_are_kept_in_english_and_by_their_word_in_chinese() -> None:
    with translation.override("en-gb"):
        assert [states.on_lists(text) for text in ("in force", "EUR")] == ["in force", "EUR"]
    with translation.override("zh-hans"):
        assert [states.on_lists(text) for text in ("in force", "EUR")] == ["有效", "EUR"]


@pytest.mark.django_db
def test_the_navigation_speaks_the_readers_language(ada: Party) -> None:
    client = Client()
    client.force_login(factories.user("alice@aurora.example", party=ada))
    client.post("/language", {"language": "zh-hans", "next": "/admin/"})
    page = client.get("/admin/").content.decode()
    assert "我的数据" in page
    assert ">My data<" not in page
