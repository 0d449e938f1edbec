"""The client in a training job: it counts, keeps, sends; and never gets in the way."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tallymark import cli
from tallymark.client import Client
from tallymark.delivery import flush
from tallymark.running import OWNER, RUN_ID, Running
from tallymark.spool import SUFFIX, Spool, left_behind

CLIENT = Path(__file__).parents[2] / "client"


class Recorder(ThreadingHTTPServer):
    """Takes what the client sends and answers as it is told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls: list[tuple[str, str, Any]] = []
        self.status = 202
        self.delay_seconds = 0.0
        self.refused_quote = ""
        self.refused_cap: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def reports(self) -> list[dict[str, Any]]:
        return [one for _, path, body in self.calls if path.endswith("/usages") for one in body]

    def paths(self) -> list[str]:
        return [f"{method} {path.removeprefix('/api/v1/')}" for method, path, _ in self.calls]

    def total(self, subject: str) -> int:
        """The records of a subject as the service would add them up: last word per stream."""
        last = {r["stream"]: r["records"] for r in self.reports if r["subject"] == subject}
        return sum(last.values())


class Handler(BaseHTTPRequestHandler):
    server: Recorder

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"] or 0)
        body = json.loads(self.rfile.read(length) or b"null")
        time.sleep(self.server.delay_seconds)
        status = self.server.status
        refused = self.server.refused_quote
        if refused and isinstance(body, dict) and body.get("quote") == refused:
            status = 409
        code, cap = "no", self.server.refused_cap
        if cap is not None and isinstance(body, dict) and body.get("cap_units") == cap:
            status, code = 400, "bad_cap"
        if status < 300:
            self.server.calls.append((self.command, self.path, body))
        refusal = json.dumps({"code": code, "detail": "no"}).encode()
        answer = refusal if status >= 300 else b"[]"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_PATCH = do_POST  # noqa: N815

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Recorder]:
    with Recorder() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (RUN_ID, OWNER, "RANK", "TALLYMARK_URL", "TALLYMARK_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TALLYMARK_SPOOL", str(tmp_path / "spool"))


def spools(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "spool").glob(f"*{SUFFIX}"))


def dead_url() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def job(url: str, **options: Any) -> Running:
    return Running("pretrain", "night job", url=url, key="tm_abcd1234_secret", **options)


def test_a_run_is_started_reported_and_ended(service: Recorder, tmp_path: Path) -> None:
    with job(service.url) as run:
        for _ in range(10):
            run.use("aurora/essays@1", records=32, tokens=1000)
        run.use("birch/books@2", records=1)

    assert service.paths()[0] == "POST runs"
    assert service.paths()[-1] == f"PATCH runs/{run.id}"
    assert service.total("aurora/essays@1") == 320
    assert service.total("birch/books@2") == 1
    assert {report["purpose"] for report in service.reports} == {"pretrain"}
    assert spools(tmp_path) == []


def test_a_dead_service_costs_nothing_and_its_reports_wait_in_the_spool(tmp_path: Path) -> None:
    started = time.monotonic()
    with job(dead_url()) as run:
        for _ in range(1000):
            run.use("aurora/essays@1", records=1)
    assert time.monotonic() - started < 2
    (left,) = left_behind(tmp_path / "spool")
    ((report,),) = [reports.values() for reports in left.state.unsent.values()]
    assert (report.records, report.sequence) == (1000, 1)
    assert left.state.closed_at


def test_the_next_run_sends_what_an_earlier_one_left(service: Recorder, tmp_path: Path) -> None:
    url, service.status = service.url, 503
    with job(url) as first:
        first.use("aurora/essays@1", records=7)
    assert len(spools(tmp_path)) == 1
    service.status = 202
    with job(url) as second:
        second.use("aurora/essays@1", records=5)
    by_run = {report["run"]: report["records"] for report in service.reports}
    assert by_run == {first.id: 7, second.id: 5}
    assert f"PATCH runs/{first.id}" in service.paths()
    assert spools(tmp_path) == []


def test_flush_sends_what_is_left_and_says_so(
    service: Recorder,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service.status = 503
    with job(service.url) as run:
        run.use("aurora/essays@1", records=7)
    monkeypatch.setenv("TALLYMARK_URL", service.url)
    monkeypatch.setenv("TALLYMARK_KEY", "tm_abcd1234_secret")
    assert cli.main(["flush"]) == 1
    service.status = 202
    assert cli.main(["flush"]) == 0
    assert service.total("aurora/essays@1") == 7
    assert "1 spools delivered" in capsys.readouterr().out
    assert cli.main(["flush"]) == 0


def test_reports_for_another_key_are_not_sent_with_this_one(
    service: Recorder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service.status = 503
    with job(service.url) as run:
        run.use("aurora/essays@1", records=7)
    service.status = 202
    done = flush(tmp_path / "spool", Client(service.url, "tm_other567_secret"))
    assert (done.delivered, done.foreign) == (0, 1)
    folder = str(tmp_path / "spool")
    given = ["--url", service.url, "--key", "tm_other567_secret", "--spool", folder]
    assert cli.main(["flush", *given]) == 1
    assert "TALLYMARK_KEY that their jobs had" in capsys.readouterr().err
    assert service.calls == []
    assert len(spools(tmp_path)) == 1


def test_a_slow_service_does_not_slow_the_job(service: Recorder) -> None:
    service.delay_seconds = 5
    started = time.monotonic()
    with job(service.url, exit_seconds=0.5) as run:
        for _ in range(2000):
            run.use("aurora/essays@1", records=1)
        assert time.monotonic() - started < 0.5
    assert time.monotonic() - started < 2


def test_a_full_disk_only_costs_the_spool(
    service: Recorder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_space(*args: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spool, "_write", no_space)
    with job(service.url) as run:
        run.use("aurora/essays@1", records=3)
    assert service.total("aurora/essays@1") == 3
    assert "No space left" in caplog.text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_spool_on_a_device_that_is_full_is_survived(service: Recorder, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    run = job(service.url)
    (tmp_path / "spool" / run._spool.path.with_suffix(".new").name).symlink_to("/dev/full")
    with run:
        run.use("aurora/essays@1", records=3)
    assert service.total("aurora/essays@1") == 3


def test_a_spool_folder_that_cannot_be_made_is_survived(service: Recorder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with job(service.url, spool=tmp_path / "file" / "spool") as run:
        run.use("aurora/essays@1", records=3)
    assert service.total("aurora/essays@1") == 3


def test_nonsense_from_the_job_is_logged_and_left_out(
    service: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    with job(service.url) as run:
        run.use("aurora/essays@1", records=-1)
        run.use("aurora/essays@1", records="many")  # type: ignore[arg-type]
        run.use("", records=1)
        run.use("aurora/essays@1", records=2)
    assert service.total("aurora/essays@1") == 2
    assert "the job is not affected" in caplog.text


def test_the_jobs_own_error_passes_and_the_run_is_ended(service: Recorder) -> None:
    with pytest.raises(ZeroDivisionError), job(service.url):
        raise ZeroDivisionError
    assert service.paths()[-1].startswith("PATCH runs/")


def test_without_an_address_the_reports_are_kept_until_flushed(
    service: Recorder, tmp_path: Path
) -> None:
    with Running("pretrain") as run:
        run.use("aurora/essays@1", records=4)
    assert len(spools(tmp_path)) == 1
    assert flush(tmp_path / "spool", Client(service.url, "tm_abcd1234_secret")).delivered == 1
    assert service.total("aurora/essays@1") == 4


def test_a_number_that_was_sent_is_never_given_another_count(tmp_path: Path) -> None:
    spool, key = Spool(tmp_path / f"one{SUFFIX}"), ("aurora/essays@1", "pretrain")
    spool.add({"run": {"run_id": "r", "stream": "s"}})
    spool.add(spool.count(key, (1, 0, 0, 0), "t"))
    spool.add(spool.count(key, (2, 0, 0, 0), "t"))
    (sent,) = spool.take(10)
    spool.add(spool.count(key, (3, 0, 0, 0), "t"))
    spool.add(spool.count(key, (4, 0, 0, 0), "t"))
    assert (sent.sequence, sent.records) == (1, 2)
    spool.close()
    (found,) = left_behind(tmp_path)
    kept = found.state.unsent[key]
    assert {number: report.records for number, report in kept.items()} == {1: 2, 2: 4}


def test_a_line_cut_short_by_a_crash_loses_only_itself(tmp_path: Path) -> None:
    spool, key = Spool(tmp_path / f"one{SUFFIX}"), ("aurora/essays@1", "pretrain")
    spool.add({"run": {"run_id": "r", "stream": "s"}}, spool.count(key, (5, 0, 0, 0), "t"))
    spool.close()
    with spool.path.open("a") as file:
        file.write('{"report": {"subject": "aur')
    (found,) = left_behind(tmp_path)
    assert found.state.unsent[key][1].records == 5


def test_a_job_names_its_quote_and_counts_its_fetches(service: Recorder) -> None:
    with Running("pretrain", url=service.url, quote="q-1") as run:
        run.use("aurora/essays@1", fetches=2)
        run.use("aurora/essays@1", fetches=3)
    started = next(body for _, path, body in service.calls if path.endswith("/runs"))
    assert (started["quote"], service.reports[-1]["fetches"]) == ("q-1", 5)


def test_a_job_names_its_project_and_cap_at_its_top(
    service: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALLYMARK_PROJECT", "chat")
    cap = {"cap_units": 0, "cap_asset": "iso4217:EUR"}
    with (
        Running("pretrain", url=service.url, **cap) as outer,
        Running("finetune", url=service.url, **cap) as inner,
    ):
        outer.use("aurora/essays@1", records=1)
        inner.use("aurora/essays@1", records=1)
    started = {one["run_id"]: one for _, path, one in service.calls if path.endswith("/runs")}
    top = started[outer.id]
    assert (top["project"], top["cap_units"], top["cap_asset"]) == ("chat", 0, "iso4217:EUR")
    assert not {"project", "cap_units"} & started[inner.id].keys()


def test_a_start_without_money_keeps_every_report_until_it_is_accepted(
    service: Recorder, tmp_path: Path
) -> None:
    service.status = 402
    spool = tmp_path / "spool"
    with Running("pretrain", url=service.url, spool=spool, project="chat") as run:
        run.use("aurora/essays@1", records=7)
    assert not service.calls
    service.status = 202
    assert flush(spool, Client(service.url, "")).delivered == 1
    assert service.total("aurora/essays@1") == 7
    assert service.calls[0][2]["project"] == "chat"


def test_a_cap_that_cannot_be_is_left_out_and_loses_no_report(service: Recorder) -> None:
    service.refused_cap = 5
    with Running("pretrain", url=service.url, cap_units=5, cap_asset="none") as run:
        run.use("aurora/essays@1", records=4)
    assert service.total("aurora/essays@1") == 4


def test_a_job_says_what_it_will_use(service: Recorder) -> None:
    plan = {"aurora/essays@1": 3000, "birch/books@2": {"epochs": 2}}
    with Running("pretrain", url=service.url, plan=plan) as run:
        run.use("aurora/essays@1", records=1000)
    started = service.calls[0][2]
    assert started["plan"] == [
        {"subject": "aurora/essays@1", "records": 3000},
        {"subject": "birch/books@2", "epochs": 2},
    ]


def test_a_plan_that_makes_no_sense_or_is_refused_loses_no_report(service: Recorder) -> None:
    service.refused_quote = "q-old"
    for plan in ({"aurora/essays@1": "many"}, 7, {"aurora/essays@1": 10}):
        with Running("pretrain", url=service.url, quote="q-old", plan=plan) as run:
            run.use("aurora/essays@1", records=10)
        started = [body for _, path, body in service.calls if path.endswith("/runs")]
        assert "plan" not in started[-1]
        assert service.total("aurora/essays@1") == 10
        service.calls.clear()


def test_a_quote_that_is_refused_loses_no_report(service: Recorder) -> None:
    service.refused_quote = "q-old"
    with Running("pretrain", url=service.url, quote="q-old") as run:
        run.use("aurora/essays@1", records=4)
    assert service.total("aurora/essays@1") == 4
    started = [body for _, path, body in service.calls if path.endswith("/runs")]
    assert "quote" not in started[-1]


def test_a_killed_job_loses_at_most_its_last_second(service: Recorder, tmp_path: Path) -> None:
    script = """
import sys, time
from tallymark.running import Running
with Running("pretrain", url=sys.argv[1], key="tm_abcd1234_secret", spool=sys.argv[2]) as run:
    run.use("aurora/essays@1", records=9)
    time.sleep(1.5)
    print("counted", flush=True)
    time.sleep(60)
"""
    arguments = [sys.executable, "-c", script, dead_url(), str(tmp_path / "spool")]
    with subprocess.Popen(
        arguments, env={**os.environ, "PYTHONPATH": str(CLIENT)}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "counted\n"
        assert list(left_behind(tmp_path / "spool")) == [], "a living process holds its spool"
        process.send_signal(signal.SIGKILL)
    (left,) = left_behind(tmp_path / "spool")
    left.state.run["for"] = {}
    left.add({"run": left.state.run})
    left.close()
    assert flush(tmp_path / "spool", Client(service.url, "tm_abcd1234_secret")).delivered == 1
    assert service.total("aurora/essays@1") == 9
    assert not any(path.startswith("PATCH") for path in service.paths()), "it never said it ended"


def test_ranks_with_one_run_id_join_one_run_and_only_the_first_ends_it(
    service: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUN_ID, "slurm-4711")
    ids = set()
    for rank in ("1", "0"):
        monkeypatch.setenv("RANK", rank)
        with job(service.url) as run:
            run.use("aurora/essays@1", records=10)
            ids.add(run.id)
    assert len(ids) == 1
    assert service.total("aurora/essays@1") == 20
    assert sum(path.startswith("PATCH") for path in service.paths()) == 1


def _count_in_a_fork(run: Running) -> None:
    run.use("aurora/essays@1", records=5)


def test_a_forked_worker_counts_for_itself_into_the_same_run(service: Recorder) -> None:
    with job(service.url) as run:
        run.use("aurora/essays@1", records=1)
        process = multiprocessing.get_context("fork").Process(target=_count_in_a_fork, args=(run,))
        process.start()
        process.join()
    assert service.total("aurora/essays@1") == 6
    assert {report["run"] for report in service.reports} == {run.id}
    assert len({report["stream"] for report in service.reports}) == 2
    assert sum(path.startswith("PATCH") for path in service.paths()) == 1


def test_a_model_that_a_run_made_is_registered_with_it(service: Recorder, tmp_path: Path) -> None:
    service.status = 503
    with job(service.url) as run:
        run.produced("sparrow", version="2", is_published=True)
    service.status = 202
    flush(tmp_path / "spool", Client(service.url, "tm_abcd1234_secret"))
    (model,) = [body for _, path, body in service.calls if path.endswith("/models")]
    assert model == {"name": "sparrow", "version": "2", "is_published": True, "run": run.id}
    assert spools(tmp_path) == []


def test_a_run_inside_another_is_its_child(service: Recorder) -> None:
    with job(service.url) as outer, job(service.url) as inner:
        inner.use("aurora/essays@1", records=1)
    started = {
        body["run_id"]: body["parent"] for m, path, body in service.calls if path.endswith("/runs")
    }
    assert started == {outer.id: None, inner.id: outer.id}
    assert RUN_ID not in os.environ


def test_a_job_names_the_records_that_it_read(service: Recorder, tmp_path: Path) -> None:
    with job(service.url) as run:
        run.use("acme/essays", keys=["a", "b", "a"])
        run.use("acme/essays", records=10)
    (told,) = [body for _, path, body in service.calls if path.endswith("/usages/records")]
    assert (told["run"], told["subject"], told["purpose"]) == (run.id, "acme/essays", "pretrain")
    assert {one["key"]: one["count"] for one in told["records"]} == {"a": 2, "b": 1}
    assert service.total("acme/essays") == 13


def test_names_wait_in_the_spool_and_what_was_read_since_is_sent_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path / f"one{SUFFIX}")
    spool.add({"run": {}}, {"named": ["s", "p", {"a": 1, "b": 2}]})
    spool.add({"named": ["s", "p", {"a": 5}]})
    spool.add({"named_sent": ["s", "p", {"a": 1, "b": 2}]})
    spool.close()
    (left,) = left_behind(tmp_path)
    assert left.state.named == {("s", "p"): {"a": 5}}
    assert not left.state.is_empty()


def test_counting_takes_microseconds() -> None:
    run = Running("pretrain")
    started = time.perf_counter()
    for _ in range(20_000):
        run.use("aurora/essays@1", records=1, tokens=512)
    assert (time.perf_counter() - started) / 20_000 < 50e-6
