"""The inbox: what was told is read on a page and by the API, and mailed as one chooses."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from provenance import inbox, notices, ownership, reminders
from provenance.models import Conflict, Letter, Notice, Party, Sending, User
from tests import doors, factories
from tests.cast import NOON
from tests.provenance.conftest import DAY, claimed, opened

pytestmark = pytest.mark.django_db

HOSTILE = 'Sale\r\nBcc: all@example.org <script>alert(1)</script> %(lab)s \u202egnp.exe "'


def test_hostile_words_stay_one_harmless_line(ada: Party):
    notices.tell(
        "grant.asked", party=ada, about="9b2f4a34-0000-4000-8000-000000000000", key="x", at=NOON,
        lab=HOSTILE, dataset=HOSTILE * 9, licence="x", purposes="x",
    )  # fmt: skip
    said = notices.say(Notice.objects.get(party=ada))
    assert "\n" not in said.title
    assert "\r" not in said.title
    assert "\u202e" not in said.title
    assert "%(lab)s" in said.title
    assert len(said.title) < 500


@pytest.fixture
def dora(ada: Party) -> User:
    return factories.user("dora@aurora.example", party=ada)


def page(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def test_a_notice_leads_to_its_matter_or_to_itself_where_that_is_not_the_readers(
    dora: User, ada: Party, ben: Party
):
    for owner in (ada, ben):
        version = factories.version(factories.dataset(owner), ["one"])
        notices.tell(
            "registration.done", party=ada, about=version.pk, key=owner.name, at=NOON,
            dataset=str(version), records=1,
        )  # fmt: skip
    told = Notice.objects.filter(kind="registration.done")
    others = told.get(about=version.pk)
    own = told.exclude(pk=others.pk).get()
    client = page(dora)
    opened = reverse("admin:provenance_notice_open", args=[own.pk])
    assert client.get(opened)["Location"] == notices.say(own).path
    answer = client.get(reverse("admin:provenance_notice_open", args=[others.pk]), follow=True)
    assert answer.redirect_chain[-1][0] == reverse(
        "admin:provenance_notice_change", args=[others.pk]
    )
    assert "no longer yours" in answer.content.decode()


def test_the_inbox_shows_what_is_new_and_opening_a_line_reads_it(
    conflict: Conflict, ada: Party, dora: User
):
    factories.user("ed@aurora.example", party=ada)
    asked = _asked(ada, "second", HOSTILE)
    client = page(dora)
    shown = client.get(reverse("admin:provenance_notice_changelist")).content.decode()
    assert "<script>alert(1)" not in shown
    assert "tm-count" in shown
    assert f"/{asked.pk}/open/" in shown
    answer = client.get(reverse("admin:provenance_notice_open", args=[asked.pk]))
    assert answer["Location"] == reverse("admin:provenance_notice_change", args=[asked.pk])
    assert inbox.unread_count(user=dora, party=ada) == 0
    other = User.objects.get(email="ed@aurora.example")
    assert inbox.unread_count(user=other, party=ada) == 1
    client.post(reverse("admin:provenance_notice_list_verb", args=["read-all"]))
    page(other).post(reverse("admin:provenance_notice_list_verb", args=["read-all"]))
    assert inbox.unread_count(user=other, party=ada) == 0


def _asked(party: Party, key: str, lab: str = "Cobalt Labs") -> Notice:
    return notices.tell(
        "grant.asked", party=party, about="9b2f4a34-0000-4000-8000-000000000000", key=key, at=NOON,
        lab=lab, dataset="essays", licence="Training", purposes="training",
    )  # fmt: skip


def test_the_list_is_narrowed_to_a_topic_a_kind_and_what_is_unread(ada: Party, dora: User):
    first, second = _asked(ada, "1", "First Labs"), _asked(ada, "2", "Second Labs")
    notices.tell("payout.sent", party=ada, key="p", at=NOON, amount="7 EUR")
    inbox.mark_read(user=dora, party=ada, notice=second.pk, at=NOON)
    client, address = page(dora), reverse("admin:provenance_notice_changelist")
    for query, expected in (
        ("?topic=grants", (True, True, False)),
        ("?kind=payout.sent", (False, False, True)),
        ("?unread=1", (True, False, True)),
    ):
        shown = client.get(address + query).content.decode()
        assert ("First Labs" in shown, "Second Labs" in shown, "7 EUR" in shown) == expected
    assert first.pk


def test_an_operator_reads_its_own_notices_and_no_partys(
    conflict: Conflict, operator: Party, olga: User, ada: Party
):
    mine = Notice.objects.get(party=ada)
    client = page(olga)
    assert "Birch" not in client.get(reverse("admin:provenance_notice_changelist")).content.decode()
    for name in ("change", "open"):
        address = reverse(f"admin:provenance_notice_{name}", args=[mine.pk])
        assert client.get(address).status_code == 404
    assert doors.of(operator, by=olga).get("notices?kind=conflict.opened")["results"] == []


def test_the_api_lists_notices_and_a_person_marks_them_read(
    dora: User, conflict: Conflict, ada: Party, ben: Party
):
    door = doors.of(ada, by=dora)
    rows = {row["kind"]: row for row in door.get("notices?is_unread=true")["results"]}
    assert set(rows) == {"key.created", "conflict.opened"}
    found = rows["conflict.opened"]
    assert found["url"].endswith(f"/{conflict.pk}/")
    assert door.post(f"notices/{found['id']}/read") == {"read": 1}
    assert door.post(f"notices/{found['id']}/read") == {"read": 0}
    assert door.get(f"notices/{found['id']}")["is_unread"] is False
    doors.of(ben).get(f"notices/{found['id']}", 404)
    doors.of(ben).post(f"notices/{found['id']}/read", status=404)
    assert door.post("notices/read-all") == {"read": 1}
    doors.of(ada).post("notices/read-all", status=403)
    kinds = {row["code"]: row for row in door.get("notice-kinds")}
    assert kinds["key.created"]["may_be_off"] is False
    assert kinds["budget.warning"]["topic"] == "money"


def test_security_and_deadlines_cannot_be_switched_off(ada: Party, dora: User):
    door = doors.of(ada, by=dora)
    for kind in ("key.created", "deadline.near", "payout_address.changed"):
        answer = door.post("notice-preferences", {"choices": {kind: "off"}}, 400)
        assert answer["code"] == "notice_cannot_be_off"
    assert door.post("notice-preferences", {"choices": {"no.kind": "off"}}, 400)["code"]
    assert door.post("notice-preferences", {"zone": "Mars/Olympus"}, 400)["code"]
    set_to = door.post(
        "notice-preferences", {"choices": {"grant.asked": "off"}, "zone": "Asia/Shanghai"}
    )
    assert set_to == {"zone": "Asia/Shanghai", "hour": 8, "choices": {"grant.asked": "off"}}
    assert door.post("notice-preferences", {"hour": 6})["zone"] == "Asia/Shanghai"
    doors.of(ada).get("notice-preferences", 403)


def test_a_person_chooses_on_the_page_and_it_holds_from_then_on(ada: Party, dora: User):
    client, address = page(dora), reverse("admin:provenance_notice_preferences")
    shown = client.get(address).content.decode()
    assert "at once, always" in shown
    assert 'name="preferences' not in shown
    fields = {"zone": "Europe/Paris", "hour": "7"}
    for kind in notices.kinds():
        if kind.may_be_off:
            fields[kind.code] = str(kind.sending)
    assert client.post(address, {**fields, "grant.asked": "never"}).status_code == 422
    assert client.post(address, {**fields, "grant.asked": Sending.DAILY}).status_code == 302
    _asked(ada, "1")
    letter = Letter.objects.get(user=dora)
    # Seven o'clock in Paris, in winter, of the next day.
    assert letter.send_at == NOON.replace(hour=6) + DAY


def test_who_has_nothing_to_do_with_money_is_mailed_nothing_of_it_and_still_reads_it(ada: Party):
    reader = factories.user("reader@aurora.example", party=ada, role="viewer")
    finance = factories.user("fin@aurora.example", party=ada, role="finance")
    notices.tell("payout.sent", party=ada, key="p", at=NOON, amount="7 EUR")
    sending = dict(Letter.objects.values_list("user", "sending"))
    assert sending == {reader.pk: Sending.OFF, finance.pk: Sending.NOW}
    assert inbox.unread_count(user=reader, party=ada) == 1


def test_a_deadline_stands_with_a_notice_only_while_its_party_is_awaited(
    conflict: Conflict, ada: Party, dora: User, ben: Party
):
    reminders.remind(at=NOON + 11 * DAY)
    addresses = [
        reverse("admin:index"),
        reverse("admin:provenance_notice_changelist"),
        *(
            reverse("admin:provenance_notice_change", args=[one.pk])
            for one in Notice.objects.filter(party=ada)
        ),
    ]
    client = page(dora)
    for address in addresses[:2]:
        shown = client.get(address).content.decode()
        assert shown.count("due since 15 Mar 2026") >= 2
        assert ">over<" not in shown
    claimed(conflict, ada, NOON + 12 * DAY)
    Letter.objects.update(read_at=None)
    for address in addresses:
        shown = client.get(address).content.decode()
        assert "due since" not in shown
        assert "over" in shown


def test_many_deadlines_are_looked_up_together(ada: Party, adas, bens, django_assert_num_queries):
    opened(bens, adas)
    rows = list(Notice.objects.filter(party=ada).select_related("party"))
    with django_assert_num_queries(1):
        assert notices.awaited(rows * 3, NOON) == {rows[0].pk}


def test_what_passed_on_leads_to_its_transfer_and_not_back_to_its_own_page(
    dora: User, ada: Party, ben: Party
):
    version = factories.version(factories.dataset(ada), ["one"])
    notices.tell(
        "registration.done", party=ada, about=version.pk, key="k", at=NOON,
        dataset=str(version), records=1,
    )  # fmt: skip
    told = Notice.objects.get(kind="registration.done")
    client, address = page(dora), reverse("admin:provenance_notice_change", args=[told.pk])
    opens = reverse("admin:provenance_notice_open", args=[told.pk])
    assert opens in client.get(address).content.decode()
    transfer = ownership.propose_transfer(
        dataset=version.dataset, receiver=ben, reason="Sold.", by=dora, at=NOON
    )
    ownership.accept_transfer(transfer=transfer, party=ben, by=None, at=NOON + DAY)
    shown = client.get(address).content.decode()
    assert opens not in shown
    assert reverse("admin:provenance_ownershiptransfer_change", args=[transfer.pk]) in shown
    assert reverse("admin:provenance_notice_changelist") in shown


def test_everybody_chooses_among_the_kinds_that_can_reach_them_by_plain_names(
    ada: Party, dora: User, lab: Party, olga: User
):
    readers = {"owner": dora, "lab": factories.user("lea@cobalt.example", party=lab), "olga": olga}
    for address in (
        reverse("admin:provenance_notice_preferences"),
        reverse("admin:provenance_webhook_list_verb", args=["new"]),
    ):
        shown = {who: page(one).get(address).content.decode() for who, one in readers.items()}
        kinds = {
            who: {one.code for one in notices.kinds() if one.code in text}
            for who, text in shown.items()
        }
        assert {"key.created", "deadline.near"} <= kinds["owner"] & kinds["lab"] & kinds["olga"]
        assert "payout.sent" in kinds["owner"] - kinds["lab"] - kinds["olga"]
        assert "budget.warning" in kinds["lab"] - kinds["owner"] - kinds["olga"]
        assert "operator.decide" in kinds["olga"] - kinds["owner"] - kinds["lab"]
        assert "A deadline is near" in shown["lab"]
        assert "…" not in shown["lab"].split("<form")[-1]
