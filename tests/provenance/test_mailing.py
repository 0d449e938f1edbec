"""Notices by mail: once each, at once or gathered, and harmless whatever data is called."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from provenance import inbox, mailing, notices
from provenance.models import Letter, Notice, NoticeDay, Party, Sending, User
from tests import factories
from tests.cast import NOON
from tests.ingest.test_killed_workers import ROOT, database_url
from tests.provenance.test_notices_inbox import HOSTILE

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def dora(ada: Party) -> User:
    return factories.user("dora@aurora.example", party=ada)


def asked(party: Party, key: str = "1", lab: str = "Cobalt Labs", at: datetime = NOON) -> Notice:
    return notices.tell(
        "grant.asked", party=party, about="9b2f4a34-0000-4000-8000-000000000000", key=key, at=at,
        lab=lab, dataset="essays", licence="Training", purposes="training",
    )  # fmt: skip


def test_a_letter_says_what_happened_and_leads_to_where_one_acts(
    ada: Party, dora: User, mailoutbox
):
    notice = asked(ada)
    assert mailing.send_due(at=NOON) == 1
    [letter] = mailoutbox
    assert letter.to == ["dora@aurora.example"]
    assert letter.subject == "Tallymark: Cobalt Labs asks for a grant on essays"
    link = f"{settings.PUBLIC_URL}/admin/provenance/grant/{notice.about}/"
    html = letter.alternatives[0][0]
    assert f"Answer: {link}" in letter.body
    assert f'<a href="{link}">Answer</a>' in html
    assert "/admin/provenance/notice/preferences/" in letter.body
    assert "style" not in html
    assert Letter.objects.get().mailed_at == NOON
    assert mailing.send_due(at=NOON + DAY) == 0


def test_a_hostile_name_adds_no_header_and_no_markup(ada: Party, dora: User, mailoutbox):
    asked(ada, lab=HOSTILE)
    assert mailing.send_due(at=NOON) == 1
    sent = mailoutbox[0].message()
    parsed = BytesParser(policy=policy.default).parsebytes(sent.as_bytes())
    assert isinstance(parsed, EmailMessage)
    assert parsed["Bcc"] is None
    assert "Bcc: all@example.org" in parsed["Subject"]
    assert parsed["To"] == "dora@aurora.example"
    html = parsed.get_body(("html",))
    assert html is not None
    assert "<script>" not in html.get_content()
    assert "&lt;script&gt;" in html.get_content()
    assert "\u202e" not in html.get_content()


def test_a_day_is_gathered_into_one_letter_at_the_persons_morning(
    ada: Party, dora: User, mailoutbox
):
    inbox.choose(user=dora, choices={"grant.asked": "daily"}, zone="Asia/Shanghai", hour=9)
    for number in range(3):
        asked(ada, str(number), f"Lab {number}")
    notices.tell("payout.sent", party=ada, key="p", at=NOON, amount="7 EUR")
    assert mailing.send_due(at=NOON) == 1
    # Nine o'clock in Shanghai is one in the night in Greenwich.
    assert mailing.send_due(at=NOON.replace(hour=0) + DAY) == 0
    assert mailing.send_due(at=NOON.replace(hour=1) + DAY) == 1
    at_once, day = mailoutbox
    assert "You were paid 7 EUR" in at_once.subject
    assert day.subject == "Tallymark: News for you: 3"
    assert [f"Lab {number} asks" in day.body for number in range(3)] == [True] * 3
    assert mailing.send_due(at=NOON + 3 * DAY) == 0


def test_a_flood_is_gathered_into_one_letter(ada: Party, dora: User, mailoutbox):
    for number in range(40):
        asked(ada, str(number), f"Lab {number}")
    assert mailing.send_due(at=NOON) == 1
    assert mailoutbox[0].subject == "Tallymark: News for you: 40"
    assert "Lab 39 asks" in mailoutbox[0].body


def test_the_morning_is_the_persons_through_a_change_of_clocks(ada: Party, dora: User):
    inbox.choose(user=dora, zone="Europe/Paris", hour=8)
    day = NoticeDay.objects.get(user=dora)
    from provenance.notices.telling import day_begins

    before, after = (datetime(2026, 3, d, 12, tzinfo=UTC) for d in (27, 28))
    assert day_begins(day, before) == datetime(2026, 3, 28, 7, tzinfo=UTC)
    assert day_begins(day, after) == datetime(2026, 3, 29, 6, tzinfo=UTC)


def test_what_is_switched_off_is_not_mailed_and_stands_in_the_inbox(
    ada: Party, dora: User, mailoutbox
):
    inbox.choose(user=dora, choices={"grant.asked": "off"})
    asked(ada)
    assert mailing.send_due(at=NOON + DAY) == 0
    assert inbox.unread_count(user=dora, party=ada) == 1


def test_the_contact_address_is_written_to_where_nobody_else_is(ada: Party, mailoutbox):
    ada.contact_email = "office@aurora.example"
    ada.save(update_fields=["contact_email"])
    asked(ada)
    factories.user("dora@aurora.example", party=ada)
    asked(ada, "2")
    notices.tell("key.revoked", party=ada, about=ada.pk, key="k", at=NOON, name="n", prefix="p")
    mailing.send_due(at=NOON)
    to = Counter(letter.to[0] for letter in mailoutbox)
    # The first grant and the key, which is a matter of security.
    assert to == {"office@aurora.example": 2, "dora@aurora.example": 2}


def test_a_mail_server_that_is_down_is_tried_again_later_and_not_for_ever(
    ada: Party, dora: User, monkeypatch, settings, mailoutbox
):
    asked(ada)

    def down(*_: Any, **__: Any) -> int:
        raise ConnectionRefusedError("nobody answers")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", down)
    at, waits = NOON, []
    while (letter := Letter.objects.get()).send_at is not None:
        assert mailing.send_due(at=at) == 0
        letter.refresh_from_db()
        assert letter.error == "nobody answers"
        if letter.send_at:
            waits.append(letter.send_at - at)
            assert mailing.send_due(at=letter.send_at - timedelta(seconds=1)) == 0
            at = letter.send_at
    assert waits == sorted(waits)
    assert len(waits) == mailing.MOST_ATTEMPTS - 1
    assert at - NOON > timedelta(days=2)
    monkeypatch.undo()
    assert mailing.send_due(at=at + DAY) == 0


def test_who_left_is_not_mailed(ada: Party, dora: User, mailoutbox):
    asked(ada)
    dora.is_active = False
    dora.save(update_fields=["is_active"])
    assert mailing.send_due(at=NOON) == 0
    assert (Letter.objects.get().send_at, mailoutbox) == (None, [])


# Real processes, as the workers are.

WORKER = """
import django; django.setup()
import sys
from datetime import datetime
from provenance import mailing
print("ready", flush=True)
while mailing.send_due(at=datetime.fromisoformat(sys.argv[1]), limit=3):
    pass
"""


def worker(at: datetime, data: Path) -> subprocess.Popen[str]:
    named = {
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "deploy.settings",
        "TALLYMARK_DATA": str(data),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}",
    }
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", WORKER, at.isoformat()],
        cwd=ROOT,
        env={**os.environ, **named},
        stdout=subprocess.PIPE,
        text=True,
    )


def arrived(data: Path) -> Counter[str]:
    """How often each letter lies in the mail folder, by Message-ID."""
    found: Counter[str] = Counter()
    for path in (data / "mail").glob("*.log"):
        for part in path.read_bytes().split(b"-" * 79):
            message = BytesParser(policy=policy.default).parsebytes(part.strip())
            if message["Message-ID"]:
                found[str(message["Message-ID"])] += 1
    return found


def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


@pytest.mark.faults
@pytest.mark.slow
def test_two_workers_mail_each_letter_once(transactional_db, ada, tmp_path):
    for number in range(80):
        factories.user(f"dora{number}@aurora.example", party=ada)
    asked(ada)
    both = [worker(NOON, tmp_path) for _ in range(2)]
    for process in both:
        ready(process)
    for process in both:
        assert process.wait(60) == 0
        assert process.stdout is not None
        process.stdout.close()
    found = arrived(tmp_path)
    assert len(found) == 80
    assert set(found.values()) == {1}
    assert not Letter.objects.filter(mailed_at=None).exists()


@pytest.mark.faults
@pytest.mark.slow
def test_killed_workers_leave_no_letter_unsent_and_repeat_one_only_under_its_id(
    transactional_db, ada, tmp_path
):
    for number in range(150):
        factories.user(f"dora{number}@aurora.example", party=ada)
    asked(ada)
    dice, kills, at = random.Random(7), 0, NOON
    for _ in range(3):
        process = worker(at, tmp_path)
        ready(process)
        time.sleep(dice.uniform(0.01, 0.15))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        assert process.stdout is not None
        process.stdout.close()
        # What the dead one held is tried again once its time is over.
        at += timedelta(hours=1)
    last = worker(at, tmp_path)
    ready(last)
    assert last.wait(60) == 0
    assert last.stdout is not None
    last.stdout.close()
    found = arrived(tmp_path)
    expected = {mailing.message_id([one]) for one in Letter.objects.filter(sending=Sending.NOW)}
    assert set(found) == expected
    assert len(found) == 150
    assert sum(found.values()) <= 150 + kills
    assert kills >= 1
    assert not Letter.objects.filter(mailed_at=None).exists()
