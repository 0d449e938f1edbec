"""How the service is, in one place: what is well, what needs somebody, and what to do about it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from deploy import checks
from deploy.checks import State
from provenance import mailing, notices
from provenance.models import ChainAccount, Event, OutboxTransaction, Party, User
from tests import factories

pytestmark = pytest.mark.django_db


def look(name: str) -> checks.Finding:
    return checks.find(next(one for one in checks.CHECKS if one.name == name))


def sent(**more) -> OutboxTransaction:
    return OutboxTransaction.objects.create(
        chain_id=31337, account="0x" + "1" * 40, purpose="anchor", idempotency_key="x", data=b"",
        gas_limit=1, **{"created_at": timezone.now(), **more},
    )  # fmt: skip


def test_a_quiet_service_is_well() -> None:
    for name in ("database", "sealer", "outbox", "workers", "mail", "index"):
        assert look(name).state == State.WELL, name


def test_a_transaction_that_reverted_or_stays_away_needs_somebody() -> None:
    row = sent()
    assert look("outbox").state == State.WELL
    row.created_at = timezone.now() - timedelta(hours=1)
    row.save()
    assert "on its way since" in look("outbox").detail
    row.state, row.nonce = "review", 1
    row.save()
    assert "1 transactions reverted" in look("outbox").detail
    ChainAccount.objects.create(
        chain_id=31337, address="0x" + "1" * 40, next_nonce=1, alarm="chain_ahead"
    )
    assert "stopped" in look("outbox").detail
    assert look("outbox").is_well


def test_an_event_that_nobody_seals_breaks_the_sealing(ada: Party) -> None:
    assert Event.objects.filter(sequence=None).exists()
    assert look("sealer").state == State.WELL
    late = timezone.now() + timedelta(minutes=5)
    assert checks.sealer_age_seconds(late) > checks.SEALER_PATIENCE_SECONDS


def test_a_back_up_is_unknown_fresh_late_or_missing(settings, tmp_path: Path) -> None:
    settings.BACKUP_MARK = None
    assert look("backup").state == State.UNKNOWN
    settings.BACKUP_MARK = tmp_path / "ended"
    assert look("backup").state == State.BROKEN
    settings.BACKUP_MARK.touch()
    assert look("backup").state == State.WELL
    old = (timezone.now() - timedelta(days=3)).timestamp()
    os.utime(settings.BACKUP_MARK, (old, old))
    assert look("backup").state == State.ATTENTION


def test_what_nobody_knows_is_not_called_working(
    settings, monkeypatch: pytest.MonkeyPatch, olga: User
) -> None:
    settings.BACKUP_MARK = None
    known = [checks.Finding(checks.CHECKS[0], State.WELL, "it is there"), look("backup")]
    monkeypatch.setattr(checks, "findings", lambda: known)
    client = Client()
    client.force_login(olga)
    shown = client.get("/admin/health/").content.decode()
    assert "Everything that is known works; 1 thing is unknown." in shown
    assert "Everything works." not in shown


def test_letters_that_do_not_go_out_need_somebody(
    ada: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.user("ada@aurora.example", party=ada)
    at = timezone.now()
    notices.tell("payout.sent", party=ada, key="1", at=at, amount="7 EUR")
    assert look("mail").state == State.WELL

    def down(*_: object) -> int:
        raise ConnectionRefusedError("nobody answers")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", down)
    mailing.send_due(at=at)
    assert "1 letters wait; the last failed with: nobody answers" in look("mail").detail
    monkeypatch.undo()
    mailing.send_due(at=at + timedelta(hours=1))
    assert look("mail").state == State.WELL
    notices.tell("payout.sent", party=ada, key="2", at=at - timedelta(hours=1), amount="8 EUR")
    assert "1 letters wait for a worker" in look("mail").detail


def test_a_full_disk_is_told_before_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    for free, state in ((50, State.WELL), (9, State.ATTENTION), (2, State.BROKEN)):
        usage = type("usage", (), {"total": 100, "free": free})
        monkeypatch.setattr(checks.shutil, "disk_usage", lambda _folder, found=usage: found)
        assert look("disk").state == state


@pytest.fixture
def hanging() -> Iterator[str]:
    """A port that takes connections and never answers: a node that hangs."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_node_that_refuses_is_named_without_its_address(settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    settings.CHAIN_RPC_URL = f"http://127.0.0.1:{port}"
    found = look("chain")
    assert found.state == State.BROKEN
    assert found.detail == "the node of chain 31337 does not answer as it should: URLError"


def test_the_page_of_health_does_not_wait_for_nodes_that_hang(
    settings, hanging: str, olga: User
) -> None:
    more = {
        "finality": "safe",
        "confirmations": 0,
        "fee_ceiling_gwei": 9,
        "payout_delay_seconds": 1,
    }
    settings.CHAIN_RPC_URL = hanging
    settings.MORE_CHAINS = {number: {**more, "rpc_url": hanging} for number in (11, 12, 13)}
    client = Client()
    client.force_login(olga)
    client.post("/language", {"language": "zh-hans"})
    began = time.monotonic()
    shown = client.get("/admin/health/").content.decode()
    # One after the other, four nodes and the broker, which is not there either, would take six.
    assert time.monotonic() - began < 2
    assert "链 12 的节点未正常应答" in shown
    assert "请启动节点，或更正 CHAIN_RPC_URL" in shown


def test_operators_read_what_to_do_and_nobody_else_does(ada: Party, olga: User) -> None:
    client = Client()
    client.force_login(olga)
    sent(state="review", nonce=1)
    shown = client.get("/admin/health/").content.decode()
    assert "1 transactions reverted" in shown
    assert "find the cause, then send it again" in shown
    stranger = Client()
    stranger.force_login(factories.user("ada@aurora.example", party=ada))
    assert stranger.get("/admin/health/").status_code == 403
