"""Webhooks against a real receiver: signed, retried, switched off, replayed, kept outside."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import standardwebhooks
import tallymark.webhooks
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from provenance import notices, webhooks
from provenance.models import Notice, Party, User, Webhook, WebhookMessage
from provenance.webhooks import posting
from tests import doors, factories
from tests.cast import NOON
from tests.provenance.test_notices_inbox import HOSTILE

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


class Receiver:
    """A program of a party: it keeps what comes, and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status, self.answer = 200, b"thank you"
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers.items()), body))
                self.send_response(receiver.status)
                if receiver.status == 302:
                    self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", str(len(receiver.answer)))
                self.end_headers()
                self.wfile.write(receiver.answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    thread = threading.Thread(target=found.server.serve_forever, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


@pytest.fixture
def hook(ada: Party, receiver: Receiver, settings: Any) -> tuple[Webhook, str]:
    """Ada's address, where private addresses are allowed."""
    settings.ALLOW_PRIVATE_ADDRESSES = True
    return webhooks.create(party=ada, url=receiver.url, at=NOON)


def paid(party: Party, key: str = "1", at: datetime = NOON, amount: str = "7 EUR") -> Notice:
    return notices.tell("payout.sent", party=party, key=key, at=at, amount=amount)


def test_a_message_is_signed_so_that_the_client_and_the_standards_library_believe_it(
    hook: tuple[Webhook, str], ada: Party, receiver: Receiver
):
    at = timezone.now()
    notice = paid(ada, at=at)
    assert posting.post_due(at=at) == 1
    [(headers, body)] = receiver.got
    message = tallymark.webhooks.verify(body, headers, hook[1])
    assert message == standardwebhooks.Webhook(hook[1]).verify(body, headers)
    assert message["type"] == "payout.sent"
    assert message["data"]["notice"] == str(notice.pk)
    assert message["data"]["title"] == "You were paid 7 EUR"
    assert posting.post_due(at=at + DAY) == 0


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda h, b: (h, b.replace(b"7 EUR", b"9 EUR")), "changed"),
        (lambda h, b: ({**h, "webhook-id": "msg_other"}, b), "changed"),
        (lambda h, b: ({**h, "webhook-timestamp": "1"}, b), "old"),
        (lambda h, b: ({**h, "webhook-timestamp": "soon"}, b), "number"),
        (lambda h, b: ({**h, "webhook-signature": "v1,AAAA v2,x ü"}, b), "changed"),
        (lambda h, b: ({k: v for k, v in h.items() if k != "webhook-signature"}, b), "missing"),
    ],
)
def test_a_changed_old_or_unsigned_message_is_not_believed(hook, ada, receiver, spoil, words):
    at = timezone.now()
    paid(ada, at=at)
    posting.post_due(at=at)
    headers, body = receiver.got[0]
    headers = {name.lower(): value for name, value in headers.items()}
    changed_headers, changed = spoil(headers, body)
    with pytest.raises(tallymark.webhooks.NotGenuine, match=words):
        tallymark.webhooks.verify(changed, changed_headers, hook[1])
    other = tallymark.webhooks.PREFIX + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    with pytest.raises(tallymark.webhooks.NotGenuine):
        tallymark.webhooks.verify(body, headers, other)
    assert tallymark.webhooks.verify(body, headers, [other, hook[1]])["type"] == "payout.sent"


def test_the_client_signs_as_the_standards_library_does(hook):
    at, secret = datetime.fromtimestamp(1_700_000_000, tz=NOON.tzinfo), hook[1]
    theirs = standardwebhooks.Webhook(secret).sign("msg_1", at, '{"a":"ü"}')
    assert tallymark.webhooks.sign('{"a":"ü"}'.encode(), "msg_1", 1_700_000_000, secret) == theirs


def test_only_the_party_and_the_kinds_that_it_asked_for_are_posted(
    hook, ada: Party, ben: Party, receiver: Receiver
):
    webhooks.create(party=ben, url=receiver.url, kinds=["key.created"], at=NOON)
    paid(ada)
    paid(ben)
    notices.tell("key.created", party=ben, about=ben.pk, key="k", at=NOON,
                 name=HOSTILE, prefix="p", by="x", scopes="read")  # fmt: skip
    assert posting.post_due(at=NOON) == 2
    sent = [json.loads(body) for _, body in receiver.got]
    assert {(one["type"], one["data"]["party"]) for one in sent} == {
        ("payout.sent", str(ada.pk)),
        ("key.created", str(ben.pk)),
    }
    with pytest.raises(webhooks.UnknownKinds):
        webhooks.create(party=ben, url=receiver.url, kinds=["no.such"], at=NOON)


def test_a_refused_message_is_tried_for_days_then_the_address_is_switched_off_with_a_notice(
    hook, ada: Party, receiver: Receiver
):
    webhook = hook[0]
    receiver.status, receiver.answer = 500, b"out of \0 order"
    paid(ada)
    at, tries = NOON, 0
    while (message := WebhookMessage.objects.get(kind="payout.sent")).send_at is not None:
        at = max(at, message.send_at)
        assert posting.post_due(at=at) == 0
        tries += 1
        assert posting.post_due(at=at + timedelta(seconds=29)) == 0
    assert tries == len(posting.RETRIES) + 1 == len(receiver.got) == message.attempts.count()
    assert timedelta(days=3) < at - NOON < timedelta(days=4)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    attempt = message.attempts.order_by("pk").last()
    assert attempt is not None
    assert (attempt.status, attempt.answer) == (500, "out of � order")
    webhook.refresh_from_db()
    assert webhook.disabled_words == "the last answer was 500"
    said = notices.say(Notice.objects.get(party=ada, kind="webhook.disabled"))
    assert said.path == reverse("admin:provenance_webhook_change", args=[webhook.pk])
    with pytest.raises(webhooks.WebhookOff):
        webhooks.send_test(webhook=webhook, at=at)
    replayed_when_it_works(webhook, ada, receiver, at)


def replayed_when_it_works(webhook: Webhook, ada: Party, receiver: Receiver, at: datetime) -> None:
    """What came while it was off waits for a replay, and comes under its own id."""
    receiver.status, receiver.answer, receiver.got = 204, b"", []
    paid(ada, "2", at, "8 EUR")
    assert posting.post_due(at=at + DAY) == 0
    webhooks.enable(webhook=webhook, at=at)
    assert posting.post_due(at=at + DAY) == 0
    # Two payouts, and the notice that it was switched off.
    assert webhooks.replay_missed(webhook=webhook, at=at) == 3
    assert posting.post_due(at=at) == 3
    assert {f"msg_{pk}" for pk in WebhookMessage.objects.values_list("pk", flat=True)} == {
        headers["webhook-id"] for headers, _ in receiver.got
    }
    first = WebhookMessage.objects.order_by("made_at", "pk")[0]
    webhooks.replay(message=first, at=at + DAY)
    assert posting.post_due(at=at + DAY) == 1
    assert receiver.got[-1][1].decode() == first.body
    assert webhooks.replay_missed(webhook=webhook, at=at) == 0


def test_who_says_gone_is_asked_no_more(hook, ada: Party, receiver: Receiver):
    receiver.status = 410
    paid(ada)
    posting.post_due(at=NOON)
    assert Webhook.objects.get().disabled_at == NOON


def test_a_redirect_is_not_followed(hook, ada: Party, receiver: Receiver):
    receiver.status = 302
    paid(ada)
    assert posting.post_due(at=NOON) == 0
    assert [one.status for one in WebhookMessage.objects.get().attempts.all()] == [302]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1/", "Nothing takes connections"),
        ("https://no-such-host.invalid/", "has no address"),
    ],
)
def test_an_address_that_cannot_be_reached_is_said_in_words(ada: Party, settings, url, words):
    settings.ALLOW_PRIVATE_ADDRESSES = True
    webhooks.create(party=ada, url=url, at=NOON)
    paid(ada)
    assert posting.post_due(at=NOON) == 0
    assert words in WebhookMessage.objects.get().attempts.get().answer


def test_who_speaks_no_tls_is_told_of_the_certificate(ada: Party, receiver, settings):
    settings.ALLOW_PRIVATE_ADDRESSES = True
    webhooks.create(party=ada, url=f"https://127.0.0.1:{receiver.port}/", at=NOON)
    paid(ada)
    assert posting.post_due(at=NOON) == 0
    assert "certificate" in WebhookMessage.objects.get().attempts.get().answer


def test_one_address_that_never_answers_does_not_hold_up_the_others(
    hook, ada: Party, ben: Party, receiver: Receiver, monkeypatch
):
    monkeypatch.setattr(posting, "TIMEOUT_SECONDS", 1)
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        webhooks.create(party=ben, url=f"http://127.0.0.1:{silent.getsockname()[1]}/", at=NOON)
        for number in range(30):
            paid(ben, str(number))
        paid(ada)
        assert posting.post_due(at=NOON) == 1
    answers = {one.answer for one in Webhook.objects.get(party=ben).messages.get(
        notice__key="0").attempts.all()}  # fmt: skip
    assert answers <= {"There was no answer within 1 seconds."}


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook",
        "https://127.0.0.1/hook",
        "https://[::1]/hook",
        "https://[::ffff:10.0.0.1]/hook",
        "https://169.254.169.254/latest",
        "https://user:secret@example.org/",
        "ftp://example.org/",
        "https://",
        "https://example.org/ x",
        "https://example.org/\r\nHost: other",
        "https://[bad",
        "file:///etc/passwd",
    ],
)
def test_an_address_in_our_own_network_or_in_an_odd_form_is_refused(ada: Party, url: str):
    with pytest.raises(webhooks.BadWebhookUrl):
        webhooks.create(party=ada, url=url, at=NOON)


def test_a_name_that_leads_into_our_own_network_is_refused_when_it_is_posted(
    ada: Party, receiver: Receiver
):
    url = f"https://localhost:{receiver.port}/hook"
    webhooks.create(party=ada, url=url, at=NOON)
    paid(ada)
    assert posting.post_due(at=NOON) == 0
    assert receiver.got == []
    attempt = WebhookMessage.objects.get().attempts.get()
    assert attempt.answer == "The address leads into a private network; nothing was sent."


def test_two_workers_take_no_message_twice(transactional_db, ada: Party, settings: Any):
    settings.ALLOW_PRIVATE_ADDRESSES = True
    webhooks.create(party=ada, url="http://127.0.0.1:9/", at=NOON)
    for number in range(8):
        paid(ada, str(number))
    barrier, taken = threading.Barrier(2), []

    def work() -> None:
        from django.db import connection

        barrier.wait()
        taken.extend(one.pk for one in posting.take(at=NOON))
        connection.close()

    both = [threading.Thread(target=work) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    taken.extend(one.pk for one in posting.take(at=NOON))
    assert len(taken) == len(set(taken)) == 8


def test_the_secret_lies_nowhere_readable_and_is_shown_once(ada: Party):
    door = doors.of(ada)
    made = door.post("webhooks", {"url": "https://example.org/hook"}, 201)
    assert made["secret"].startswith("whsec_")
    held = Webhook.objects.get()
    assert made["secret"].encode() not in bytes(held.hidden_secret)
    assert "secret" not in door.get(f"webhooks/{made['id']}")


def test_a_second_party_and_a_key_that_may_only_look_change_nothing(ada: Party, ben: Party):
    made = doors.of(ada).post("webhooks", {"url": "https://example.org/hook"}, 201)["id"]
    sent = doors.of(ada).post(f"webhooks/{made}/test", status=201)
    assert sent["state"] == "waiting"
    for door, status in ((doors.of(ben), 404), (doors.read_only(ada), 403)):
        for path in ("test", "enable", "replay-missed"):
            door.post(f"webhooks/{made}/{path}", status=status)
        door.post(f"webhook-messages/{sent['id']}/replay", status=status)
        assert door.raw("DELETE", f"webhooks/{made}").status_code == status
    doors.read_only(ada).post("webhooks", {"url": "https://example.org/"}, 403)
    doors.of(ben).get(f"webhook-messages/{sent['id']}", 404)
    assert doors.of(ben).get("webhook-messages")["results"] == []
    assert doors.of(ada).raw("DELETE", f"webhooks/{made}").status_code == 204
    assert doors.of(ada).get("webhooks")["results"] == []
    assert posting.post_due(at=NOON + DAY) == 0


def test_an_operator_does_not_change_a_partys_webhook(ada: Party, operator: Party, olga: User):
    made = doors.of(ada).post("webhooks", {"url": "https://example.org/hook"}, 201)["id"]
    doors.of(operator, by=olga).post(f"webhooks/{made}/test", status=403)


def test_a_person_makes_tests_reads_and_replays_on_the_pages(
    ada: Party, ben: Party, receiver: Receiver, settings: Any
):
    settings.ALLOW_PRIVATE_ADDRESSES = True
    client = Client()
    client.force_login(factories.user("dora@aurora.example", party=ada))
    answer = client.post(
        reverse("admin:provenance_webhook_list_verb", args=["new"]),
        {"new-url": receiver.url, "new-money": ["payout.sent"], "new-grants": ["grant.asked"]},
    )
    assert "whsec_" in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    made = Webhook.objects.get()
    assert made.kinds == ["grant.asked", "payout.sent"]
    address = reverse("admin:provenance_webhook_change", args=[made.pk])
    assert client.post(f"{address}test/").status_code == 302
    assert posting.post_due(at=timezone.now()) == 1
    message = WebhookMessage.objects.get()
    shown = client.get(address).content.decode()
    assert "whsec_" not in shown
    page = reverse("admin:provenance_webhookmessage_change", args=[message.pk])
    assert "thank you" in client.get(page).content.decode()
    assert client.post(f"{page}replay/").status_code == 302
    assert posting.post_due(at=timezone.now()) == 1
    stranger = Client()
    stranger.force_login(factories.user("ben@birch.example", party=ben))
    for path in (address, page, f"{address}test/", f"{page}replay/"):
        assert stranger.post(path).status_code in (404, 405)
        assert stranger.get(path).status_code == 404
    assert client.post(f"{address}remove/").status_code == 302
    assert client.get(address).status_code == 404
