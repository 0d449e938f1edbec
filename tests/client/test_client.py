"""The client against the real API: steps of the main job, and how it says no."""

from __future__ import annotations

import gzip
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import tallymark
from celery import Celery
from django.core.cache import cache
from tallymark import cli
from tallymark.client import Client, Problem, Unreachable
from tallymark.running import OWNER, RUN_ID

from compensation import deposits, pools
from ingest.models import Upload
from provenance import licensing, usage
from provenance.models import Dataset, Party, Run, TrainedModel, Usage
from tests import doors, factories
from tests.cast import NOON
from tests.compensation.conftest import priced

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = [
    {"id": f"r{n}", "text": f"Sentence number {n} of a small file, with words."} for n in range(5)
]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cache.clear()
    monkeypatch.setenv("TALLYMARK_SPOOL", str(tmp_path / "spool"))
    for name in (RUN_ID, OWNER, "RANK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens for hints here; the sweeper would find the work."""
    monkeypatch.setattr(Celery, "send_task", lambda *_, **__: None)


def client_of(party: Party, live_server: Any) -> Client:
    return Client(live_server.url, doors.of(party).secret)


def test_an_upload_is_streamed_as_a_form(
    live_server: Any, ada: Party, tmp_path: Path, no_workers: None
) -> None:
    client = client_of(ada, live_server)
    dataset = client.register_dataset("essays", "Essays")
    file = tmp_path / 'a "quoted" name.jsonl'
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    upload = client.upload(dataset["id"], file, key_column="id")
    kept = Upload.objects.get(pk=upload["id"])
    assert (kept.bytes_total, kept.key_column) == (file.stat().st_size, "id")
    assert client.call("GET", f"uploads/{upload['id']}")["state"] == "received"


def test_a_refusal_carries_code_detail_and_hint(live_server: Any, ada: Party) -> None:
    client = client_of(ada, live_server)
    client.register_dataset("essays")
    with pytest.raises(Problem) as refused:
        client.register_dataset("essays")
    assert (refused.value.status, refused.value.code) == (409, "dataset_name_taken")
    assert refused.value.hint in str(refused.value)
    with pytest.raises(Problem) as invalid:
        client.register_dataset("not a slug!")
    assert invalid.value.errors[0]["field"] == "name"


def test_a_wrong_key_and_a_wrong_address_are_told_apart(live_server: Any) -> None:
    with pytest.raises(Problem, match="unknown, expired or revoked"):
        Client(live_server.url, "tm_00000000_wrong").me()
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        Client("http://127.0.0.1:9", "tm_x").me()
    with pytest.raises(Problem):
        Client(f"{live_server.url}/elsewhere", "tm_x").me()


def test_lists_are_walked_to_their_end(live_server: Any, ada: Party) -> None:
    for number in range(5):
        factories.dataset(ada, f"set-{number}")
    client = client_of(ada, live_server)
    assert len(list(client.pages("datasets", limit=2))) == 5


def test_a_run_reaches_the_service_whole(live_server: Any, ada: Party, lab: Party) -> None:
    version = factories.version(factories.dataset(ada), ["one text", "another text"])
    key = doors.of(lab).secret
    with tallymark.run("pretrain", "night job", url=live_server.url, key=key) as run:
        for _ in range(10):
            run.use(str(version), records=2, tokens=6)
        run.produced("sparrow", version="2")
    usage = Usage.objects.get()
    assert (usage.record_count, usage.token_count, str(usage.run_id)) == (20, 60, run.id)
    assert not usage.reports.filter(has_gap=True).exists()
    assert Run.objects.get().state == Run.State.ENDED
    assert TrainedModel.objects.get().run_edges.count() == 1


def test_register_sends_fingerprints_and_no_text(
    live_server: Any, ada: Party, tmp_path: Path, no_workers: None, monkeypatch: Any
) -> None:
    (tmp_path / "essays.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    monkeypatch.setattr(
        Client, "wait", lambda self, upload, **_: self.call("GET", f"uploads/{upload}")
    )
    status = cli.main(
        ["register", str(tmp_path / "essays.jsonl"), "--name", "essays",
         "--url", live_server.url, "--key", doors.of(ada).secret]
    )  # fmt: skip
    assert status == 0
    assert Dataset.objects.get().is_fingerprint_only
    upload = Upload.objects.get()
    assert upload.content == Upload.Content.PRINTS
    from ingest import storage

    content = storage.location(upload.path).read_bytes()
    assert b"Sentence" not in gzip.decompress(content)


def test_register_takes_tables_as_tables_and_says_what_it_skips(
    live_server: Any, ada: Party, tmp_path: Path, no_workers: None, monkeypatch: Any, capsys: Any
) -> None:
    (tmp_path / "people.csv").write_text("name,born\nAda,1815\nGrace,1906\n")
    with zipfile.ZipFile(tmp_path / "mixed.zip", "w") as archive:
        archive.writestr("a.txt", "A text of some words.")
        archive.writestr("b.jpg", b"\xff\xd8\xff")
    monkeypatch.setattr(
        Client, "wait", lambda self, upload, **_: self.call("GET", f"uploads/{upload}")
    )
    door = ["--url", live_server.url, "--key", doors.of(ada).secret]
    table = [str(tmp_path / "people.csv"), "--name", "people", "--kind", "table"]
    assert cli.main(["register", *table, *door]) == 0
    assert Dataset.objects.get().kind == Dataset.Kind.TABLE
    assert cli.main(["register", str(tmp_path / "mixed.zip"), "--name", "mixed", *door]) == 1
    told = capsys.readouterr()
    assert "line 2 is skipped: b.jpg is no text in UTF-8" in told.err
    assert "1 records are fingerprinted; 1 rows were skipped" in told.out


def test_register_that_waited_long_enough_does_not_say_that_nothing_was_registered(
    live_server: Any, ada: Party, tmp_path: Path, no_workers: None, monkeypatch: Any, capsys: Any
) -> None:
    (tmp_path / "essays.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    monkeypatch.setattr("tallymark.commands.register.WAIT_SECONDS", 0.0)
    status = cli.main(
        ["register", str(tmp_path / "essays.jsonl"), "--name", "essays",
         "--url", live_server.url, "--key", doors.of(ada).secret]
    )  # fmt: skip
    told = capsys.readouterr().err
    assert status == 2
    assert str(Upload.objects.get().pk) in told
    assert "nothing has to be sent again" in told
    assert "Not registered" not in told


def test_a_lab_asks_for_a_price_subscribes_and_reports_revenue(
    live_server: Any, ada: Party, lab: Party
) -> None:
    euro = deposits.register_asset(code="iso4217:EUR", symbol="EUR", scale=6)
    words = [f"Sentence number {number} is here." for number in range(10)]
    essays = priced(factories.version(factories.dataset(ada), words), euro)
    bundle = licensing.offer_bundle(
        owner=ada, name="All", licences=[essays.dataset.licences.get()], price_units=5,
        asset=euro.code, at=NOON,
    )  # fmt: skip
    run = usage.start_run(lab=lab, purpose="pretrain", at=NOON)
    model = usage.register_model(lab=lab, name="hum", run=run, at=NOON)
    client = client_of(lab, live_server)
    quote = client.quote("pretrain", [{"subject": str(essays), "records": 3}])
    assert client.start_run("pretrain", quote=quote["id"])["quote"] == quote["id"]
    subscription = client.subscribe(str(bundle.pk))
    assert client.unsubscribe(subscription["id"])["ends_at"] is not None
    said = client.report_revenue(str(model.pk), "2026-03", asset=euro.code, revenue_units=1_000)
    assert (said["revenue_units"], said["revision"]) == (1_000, 1)
    assert pools.settle_due(at=datetime(2036, 5, 1, tzinfo=UTC)) == 0
    assert [pool["kind"] for pool in client.pools()] == ["subscription"]
    rival = client_of(factories.party("Dorado Models", is_lab=True), live_server)
    assert list(rival.pools()) == []
    for refused in (
        lambda: rival.unsubscribe(subscription["id"]),
        lambda: rival.report_revenue(str(model.pk), "2026-03", asset=euro.code, revenue_units=1),
    ):
        with pytest.raises(Problem) as problem:
            refused()
        assert problem.value.status == 404
