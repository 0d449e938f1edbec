"""`tallymark screen` from a file to a report that `tallymark verify` believes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given
from hypothesis import strategies as st
from tallymark import cli, signed
from tallymark.client import Client

from ingest import hints
from ingest.gateways import files, warmth
from provenance import signers
from provenance.models import Party
from tests import doors, factories
from tests.ingest.conftest import sealed, sentence


@given(st.binary(min_size=1, max_size=64), st.text(max_size=200))
def test_the_signer_is_recovered_as_ethereums_library_does(seed: bytes, words: str) -> None:
    account = Account.create(seed)
    signature = bytes(account.sign_message(encode_defunct(text=words)).signature)
    assert signed.recovered(words, signature) == account.address.lower()


@pytest.mark.parametrize(
    "signature",
    [b"", bytes(65), b"\xff" * 65, bytes(31) + b"\1" + bytes(31) + b"\1" + b"\x05"],
)
def test_what_is_no_signature_is_refused(signature: bytes) -> None:
    with pytest.raises(signed.NotSigned):
        signed.recovered("words", signature)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hint is work done, here and now."""

    def work(task: str, pk: Any) -> None:
        while task == hints.SCREEN and files.advance(pk, clock=timezone.now):
            pass

    monkeypatch.setattr(hints._Broker, "silent_until", 0.0)
    monkeypatch.setattr(hints, "_send", work)
    warmth.begin()
    assert warmth._Kernel.ready.wait(120)


@pytest.fixture
def report(
    live_server: Any, transactional_db: None, ada: Party, lab: Party, at_once: None,
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> Path:  # fmt: skip
    """The report that the command keeps on a file with one copy of Ada's."""
    monkeypatch.chdir(tmp_path)
    sealed(factories.dataset(ada), [{"id": "a", "text": sentence(1)}])
    rows = [{"text": sentence(1)}, {"text": sentence(2)}]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    key = doors.of(lab).secret
    status = cli.main(
        ["screen", "rows.jsonl", "--purpose", "pretrain", "--url", live_server.url, "--key", key]
    )
    assert status == 1
    told = capsys.readouterr().out
    assert "1 row is like data that you may not use" in told
    assert "(1 exact): All rights are reserved for this purpose: ask its owner.\n" in told
    assert "aurora-archive/essays (1 exact)" in told
    assert "Not checked: Meaning" in told
    with pytest.raises(SystemExit):
        cli.main(["screen", "rows.jsonl", "--purpose", "resell"])
    assert Client(live_server.url, key).screen(rows, "pretrain")["results"][0]["matches"]
    assert os.listdir(tmp_path).count("rows.jsonl.report.json") == 1
    return tmp_path / "rows.jsonl.report.json"


@pytest.mark.django_db(transaction=True)
def test_a_kept_report_is_believed_until_a_digit_of_it_changes(
    report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = signers.address("anchorer")
    assert cli.main(["verify", str(report), "--signer", service]) == 0
    assert cli.main(["verify", str(report)]) == 0
    assert "--signer" in capsys.readouterr().out
    assert cli.main(["verify", str(report), "--signer", "0x" + "1" * 40]) == 1
    document = json.loads(report.read_text())
    document["report"]["rows"]["reserved"] = 0
    report.write_text(json.dumps(document))
    assert cli.main(["verify", str(report)]) == 1
    assert "changed after it was signed" in capsys.readouterr().out
    document["signature"] = None
    report.write_text(json.dumps(document))
    assert cli.main(["verify", str(report)]) == 1
