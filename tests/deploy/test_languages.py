"""In which language people read: chosen on any page, kept, and used for what is mailed to them."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from provenance.models import Party, User
from tests import factories

pytestmark = pytest.mark.django_db
SIGN_IN = "/accounts/login/"


@pytest.fixture
def alice(ada: Party) -> User:
    return factories.user("alice@aurora.example", party=ada)


def choose(client: Client, language: str, then: str = SIGN_IN) -> None:
    answer = client.post("/language", {"language": language, "next": then})
    assert (answer.status_code, answer.headers["Location"]) == (302, then)


def test_a_page_is_in_the_language_that_the_browser_asks_for() -> None:
    chinese = Client().get(SIGN_IN, headers={"Accept-Language": "zh-CN,zh;q=0.9"})
    assert '<html lang="zh-hans">' in chinese.content.decode()
    french = Client().get(SIGN_IN, headers={"Accept-Language": "fr"})
    assert '<html lang="en-gb">' in french.content.decode()


def test_what_a_stranger_chooses_is_kept_and_wins_over_the_browser() -> None:
    client = Client(headers={"Accept-Language": "en"})
    choose(client, "zh-hans")
    assert '<html lang="zh-hans">' in client.get(SIGN_IN).content.decode()


def test_a_language_that_we_do_not_speak_changes_nothing() -> None:
    client = Client()
    client.post("/language", {"language": "tlh", "next": SIGN_IN})
    assert '<html lang="en-gb">' in client.get(SIGN_IN).content.decode()


def test_a_choice_does_not_lead_to_another_host() -> None:
    answer = Client().post("/language", {"language": "zh-hans", "next": "https://evil.example/"})
    assert answer.headers["Location"] == "/"


def test_a_persons_choice_is_kept_with_the_account_in_any_browser(alice: User) -> None:
    client = Client()
    client.force_login(alice)
    choose(client, "zh-hans", "/admin/")
    alice.refresh_from_db()
    assert alice.language == "zh-hans"
    other = Client(headers={"Accept-Language": "en"})
    other.force_login(alice)
    assert '<html lang="zh-hans"' in other.get("/admin/").content.decode()


def test_who_chose_before_signing_in_for_the_first_time_has_chosen(alice: User) -> None:
    alice.set_password("a long enough word")
    alice.save()
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    client = Client()
    choose(client, "zh-hans")
    signed = client.post(SIGN_IN, {"login": alice.email, "password": "a long enough word"})
    assert signed.status_code == 302
    alice.refresh_from_db()
    assert alice.language == "zh-hans"


def test_programs_are_answered_in_english_whatever_they_would_accept() -> None:
    asked = Client().get("/api/v1/datasets", headers={"Accept-Language": "zh-CN"})
    assert asked.status_code == 401
    assert asked.content.isascii()
    assert "Content-Language" not in asked.headers


def test_scripts_are_given_their_words_in_the_language_of_the_page() -> None:
    answer = Client().get("/words.js?language=zh-hans")
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert "gettext" in answer.content.decode()


def test_each_language_is_offered_by_its_own_name() -> None:
    page = Client().get(SIGN_IN, headers={"Accept-Language": "zh-CN"}).content.decode()
    assert 'lang="en-gb">English</button>' in page
    assert "简体中文</button>" in page
