"""The client signs what it sends, for the service that it was told to use and no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from tallymark import cli
from tallymark.client import Client, Problem
from tallymark.keccak import keccak
from tallymark.receipts import COUNTERSIGNATURE, RECEIPT, REPORTING_KEY, SigningKey, hidden
from tallymark.running import OWNER, RUN_ID, Running
from tallymark.signing import CannotSign
from tallymark.spool import SUFFIX
from tallymark.typed import DOMAIN_STRUCT, Domain

from provenance.models import Party, ReportingKey, Usage, UsageReceipt
from tests import doors, factories

SECRET = "0x" + "5a" * 32
WORDS = {"string": "Ünï", "address": "0x" + "1f" * 20, "bytes32": b"\7" * 32, "uint64": 2**64 - 1}


@pytest.mark.parametrize("struct", [RECEIPT, COUNTERSIGNATURE, REPORTING_KEY])
def test_typed_data_is_hashed_and_signed_as_wallets_do(struct) -> None:
    values = {name: WORDS[kind] for name, kind in struct.fields}
    domain = Domain("https://ledger.example", 31337)
    fields = {
        one.name: [{"name": name, "type": kind} for name, kind in one.fields]
        for one in (DOMAIN_STRUCT, struct)
    }
    whole = {"types": fields, "primaryType": struct.name}
    theirs = encode_typed_data(full_message=whole | {"domain": domain.facts, "message": values})
    digest = keccak(b"\x19" + theirs.version + theirs.header + theirs.body)
    assert domain.digest(struct, values) == digest
    told = values | {
        name: hidden(WORDS["string"]) for name, kind in struct.fields if kind == "string"
    }
    assert domain.digest(struct, told) == digest
    key = SigningKey(SECRET)
    assert key.address == Account.from_key(SECRET).address.lower()
    assert key.sign(digest) == bytes(Account.from_key(SECRET).sign_message(theirs).signature)
    with pytest.raises(ValueError, match="out of the range"):
        RECEIPT.hash({name: -1 if kind == "uint64" else "" for name, kind in RECEIPT.fields})


@pytest.fixture
def job(live_server: Any, lab: Party, settings: Any, monkeypatch: Any, tmp_path: Path) -> str:
    """A training job's environment, with a key that nobody has named yet."""
    settings.PUBLIC_URL = live_server.url
    for name in (RUN_ID, OWNER, "RANK", "TALLYMARK_SERVICE", "TALLYMARK_SIGNING_KEY"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "reporting.key"
    file.write_text(SECRET + "\n")
    monkeypatch.setenv("TALLYMARK_SIGNING_KEY_FILE", str(file))
    monkeypatch.setenv("TALLYMARK_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("TALLYMARK_URL", live_server.url)
    monkeypatch.setenv("TALLYMARK_KEY", doors.of(lab).secret)
    return str(live_server.url)


def train(subject: str) -> None:
    with Running("pretrain", exit_seconds=20) as run:
        run.use(subject, records=7, tokens=70)


@pytest.mark.django_db(transaction=True)
def test_a_job_signs_and_what_it_cannot_sign_for_waits_in_its_spool(
    job: str, ada: Party, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    version = factories.version(factories.dataset(ada), ["one essay", "another"])
    train(str(version))
    spools = list((tmp_path / "spool").glob(f"*{SUFFIX}"))
    assert len(spools) == 1, "the key is not named yet: the report stays here"
    assert not Usage.objects.exists()
    assert cli.main(["reporting-key", "--print"]) == 0
    assert json.loads(capsys.readouterr().out)["address"] == SigningKey(SECRET).address
    assert not ReportingKey.objects.exists()
    assert cli.main(["reporting-key"]) == 0
    assert cli.main(["flush"]) == 0
    used = Usage.objects.get()
    assert (used.is_signed, used.record_count) == (True, 7)
    assert UsageReceipt.objects.get().key.address == SigningKey(SECRET).address
    capsys.readouterr()
    monkeypatch.delenv("TALLYMARK_SIGNING_KEY_FILE")
    assert cli.main(["reporting-key"]) == 1
    assert "set TALLYMARK_SIGNING_KEY" in capsys.readouterr().err


@pytest.mark.django_db(transaction=True)
def test_nothing_is_signed_for_a_service_that_calls_itself_otherwise(
    job: str, settings: Any, monkeypatch: Any
) -> None:
    settings.PUBLIC_URL = "https://ledger.example"
    facts = {"sequence": 1, "records": 1, "purpose": "pretrain"}
    with pytest.raises(CannotSign, match=r"calls itself https://ledger\.example"):
        Client().report_usage("run", "some/data", **facts)
    monkeypatch.setenv("TALLYMARK_SERVICE", "https://ledger.example")
    with pytest.raises(CannotSign, match="names its purpose"):
        Client().report_usage("run", "some/data", sequence=1)
    with pytest.raises(Problem):
        Client().report_usage("run", "some/data", **facts)


def test_a_key_that_is_none_is_said_without_showing_it(monkeypatch: Any) -> None:
    monkeypatch.setenv("TALLYMARK_SIGNING_KEY", "0xnonsense")
    client = Client("http://127.0.0.1:9", "tm_x")
    with pytest.raises(CannotSign) as refused:
        client.signing.introduction()
    assert "nonsense" not in str(refused.value)
