"""The pages for anybody: what is published and no more, the service's state, outside notices."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils.translation import override

from deploy import checks
from provenance import licensing, publishing
from provenance.models import Concern, Dataset, Event, Party, User
from provenance.templatetags.tallymark import until
from tests import factories
from tests.factories import NOON

pytestmark = pytest.mark.django_db

PAGE = "/datasets/aurora-archive/almanac"
NOTICE = {
    "what": "My novel, The Marsh, 2019",
    "place": "birch-books/reader",
    "why": "I wrote it.",
    "name": "Nora",
    "email": "nora@example.org",
    "good_faith": "on",
}


@pytest.fixture
def almanac(ada: Party) -> Dataset:
    made = factories.dataset(ada, "almanac")
    made.description = "</script><b>Tides</b>"
    made.save(update_fields=["description"])
    factories.version(made, ["a secret text", "another"])
    return made


def test_nothing_of_a_dataset_is_public_until_its_owner_says_so(almanac: Dataset) -> None:
    assert Client().get(PAGE).status_code == 404
    publishing.publish(dataset=almanac, at=NOON)
    page = Client().get(PAGE).content.decode()
    assert "Registered by Aurora Archive" in page
    assert "All rights are reserved" in page
    assert "secret" not in page
    assert "<b>Tides" not in page
    publishing.take_down(dataset=almanac, at=NOON)
    assert Client().get(PAGE).status_code == 404
    kinds = Event.objects.filter(subject_id=almanac.pk).values_list("kind", flat=True)
    assert {"dataset.published", "dataset.taken_down"} <= set(kinds)


def test_a_dataset_without_a_sealed_version_is_not_published(ada: Party) -> None:
    empty = factories.dataset(ada, "empty")
    with pytest.raises(publishing.NothingSealed):
        publishing.publish(dataset=empty, at=NOON)


def test_the_page_carries_a_croissant_card_that_no_title_can_break_out_of(almanac: Dataset) -> None:
    licensing.offer_licence(
        dataset=almanac, name="Open", text="", spdx="CC-BY-4.0", purposes=["pretrain"], at=NOON
    )
    publishing.publish(dataset=almanac, at=NOON)
    page = Client().get(PAGE).content.decode()
    (card,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    read = json.loads(card)
    assert read["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert read["description"] == "</script><b>Tides</b>"
    assert read["license"] == ["CC-BY-4.0"]
    assert (read["name"], read["version"]) == ("aurora-archive/almanac", "1")
    assert read["recordSet"] == []


def test_only_the_owner_publishes(almanac: Dataset, ada: Party, ben: Party) -> None:
    address = f"/admin/provenance/dataset/{almanac.pk}/publish/"
    for party, email, status in ((ben, "ben@x.example", 404), (ada, "ada@x.example", 302)):
        client = Client()
        client.force_login(factories.user(email, party=party))
        assert client.post(address).status_code == status
        almanac.refresh_from_db()
        assert (almanac.published_at is not None) == (status == 302)


def test_status_says_in_plain_words_what_does_not_answer(monkeypatch: Any) -> None:
    def answers(well: bool) -> list[checks.Finding]:
        state = checks.State.WELL if well else checks.State.BROKEN
        return [checks.Finding(one, state, "secret detail") for one in checks.CHECKS[:2]]

    for well, words in ((True, "Everything works"), (False, "Not everything works")):
        cache.clear()
        monkeypatch.setattr(checks, "findings", lambda well=well, **_: answers(well))
        page = Client().get("/status").content.decode()
        assert words in page
        assert "secret detail" not in page


def test_status_tells_each_reader_in_its_language(monkeypatch: Any) -> None:
    cache.clear()
    found = [checks.Finding(one, checks.State.WELL, "") for one in checks.CHECKS[:2]]
    monkeypatch.setattr(checks, "findings", lambda **_: found)
    english = Client().get("/status").content.decode()
    chinese = Client().get("/status", headers={"accept-language": "zh-CN"}).content.decode()
    for language, page in (("en", english), ("zh-hans", chinese)):
        with override(language):
            assert str(checks.CHECKS[0].title) in page


def test_a_stranger_who_finds_nothing_is_led_to_the_front_door() -> None:
    page = Client().get("/no/such/page").content.decode()
    assert "/accounts/login/" in page
    assert "/parties/choose/" not in page


def test_a_stranger_tells_is_confirmed_and_answered_by_mail(
    olga: User, mailoutbox: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        sent = Client().post("/notice", NOTICE)
    assert "Your notice is here" in sent.content.decode()
    concern = Concern.objects.get()
    assert f'datetime="{concern.due_at.isoformat()}"' in sent.content.decode()
    assert "answers by mail within 14 days" in Client().get("/notice").content.decode()
    assert "within 14 days" in mailoutbox[0].body
    assert mailoutbox[0].to == ["nora@example.org"]
    assert "The Marsh" in mailoutbox[0].body
    operator = Client()
    operator.force_login(olga)
    page = f"/admin/provenance/concern/{concern.pk}/"
    assert "The Marsh" in operator.get(page).content.decode()
    for address in ("/admin/", "/admin/provenance/concern/", page):
        assert until(concern.due_at) in operator.get(address).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        operator.post(f"{page}answer/", {"answer-text": "We looked: it is not among the records."})
    assert "not among the records" in mailoutbox[1].body
    concern.refresh_from_db()
    assert concern.answered_by == olga
    for address in ("/admin/", "/admin/provenance/concern/", page):
        assert until(concern.due_at) not in operator.get(address).content.decode()


def test_a_notice_lacks_nothing_and_comes_five_times_a_day_at_most() -> None:
    lacking = Client().post("/notice", {**NOTICE, "good_faith": ""})
    assert lacking.status_code == 422
    assert not Concern.objects.exists()
    answers = [Client().post("/notice", NOTICE).status_code for _ in range(6)]
    assert answers == [200] * 5 + [429]
    assert Concern.objects.count() == 5


def test_one_address_of_the_network_sends_ten_an_hour_at_most() -> None:
    for number in range(11):
        last = Client().post("/notice", {**NOTICE, "email": f"n{number}@example.org"})
    assert last.status_code == 429
    assert Concern.objects.count() == 10


def test_nobody_but_operators_reads_what_strangers_wrote(ada: Party) -> None:
    Client().post("/notice", NOTICE)
    client = Client()
    client.force_login(factories.user("ada@x.example", party=ada))
    assert client.get("/admin/provenance/concern/").status_code == 403
    page = f"/admin/provenance/concern/{Concern.objects.get().pk}/"
    assert client.get(page).status_code == 404
    assert client.post(f"{page}answer/").status_code == 404


def test_crawlers_and_finders_of_weaknesses_are_told_where_to_go() -> None:
    text = Client().get("/.well-known/security.txt").content.decode()
    assert re.search(r"^Contact: http", text, re.MULTILINE)
    assert re.search(r"^Expires: \d{4}-", text, re.MULTILINE)
    assert "Disallow: /admin/" in Client().get("/robots.txt").content.decode()
