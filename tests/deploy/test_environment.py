"""The environment: development's open secrets never guard anything real."""

import json
from pathlib import Path

import pytest

from deploy import broker
from deploy.environment import DEVELOPMENT_KEYS, Environment, UnfitEnvironment, environment


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch):
    environment.cache_clear()
    yield
    monkeypatch.undo()
    environment.cache_clear()


def test_one_machine_needs_nothing_set() -> None:
    assert environment().chain_keys == DEVELOPMENT_KEYS


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("TALLYMARK_HOST", "0.0.0.0", "TALLYMARK_SECRET_KEY"),
        ("TALLYMARK_HOST", "tallymark.example", "TALLYMARK_SECRET_KEY"),
        ("TALLYMARK_CHAIN_ID", "1", "TALLYMARK_SECRET_KEY"),
        ("TALLYMARK_PERIOD_ZONE", "Paris", "time zone"),
        ("TALLYMARK_CHAIN_KEYS", '{"cook": "0x01"}', "roles are"),
        ("TALLYMARK_CHAIN_KEYS", "0x01", "JSON"),
        ("TALLYMARK_CHAIN_KEYS", '{"anchorer": "vault:secret/a"}', "kms:ARN"),
        ("TALLYMARK_CHAIN_FINALITY", "soon", "finalized"),
        ("TALLYMARK_PORT", "99999", "port"),
        ("TALLYMARK_DEPOSIT_ADDRESS", "0x12", "deposit_address"),
        ("TALLYMARK_PAYMENT_SECRETS", '{"Str ipe": ["whsec_0123456789abcdef"]}', "no name"),
        ("TALLYMARK_PAYMENT_SECRETS", '{"stripe": []}', "16 characters"),
        ("TALLYMARK_PAYMENT_SECRETS", '{"stripe": ["short"]}', "16 characters"),
    ],
)
def test_what_must_not_be_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, named: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UnfitEnvironment, match=named):
        environment()


@pytest.mark.parametrize("key", [DEVELOPMENT_KEYS["anchorer"].upper()[2:], "0x" + "ab" * 32])
def test_a_key_in_the_environment_is_refused_on_a_real_chain_and_never_printed(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("TALLYMARK_SECRET_KEY", "x" * 50)
    monkeypatch.setenv("TALLYMARK_CHAIN_ID", "8453")
    monkeypatch.setenv("TALLYMARK_CHAIN_KEYS", f'{{"treasury": "{key}"}}')
    with pytest.raises(UnfitEnvironment, match=r"treasury.*make_keystore.*docs/keys.md") as refused:
        environment()
    assert key[2:].lower() not in str(refused.value).lower()


def test_keys_that_live_elsewhere_are_taken_on_every_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYMARK_SECRET_KEY", "x" * 50)
    monkeypatch.setenv("TALLYMARK_CHAIN_ID", "8453")
    told = {"anchorer": "keystore:/run/keys/a.json", "treasury": "kms:arn:aws:kms:eu:1:key/2"}
    monkeypatch.setenv("TALLYMARK_CHAIN_KEYS", json.dumps(told))
    assert environment().chain_keys == told


def test_a_real_chain_gets_no_keys_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYMARK_SECRET_KEY", "x" * 50)
    monkeypatch.setenv("TALLYMARK_CHAIN_ID", "8453")
    assert environment().chain_keys == {}


def test_folders_are_listed_like_those_of_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYMARK_LOCAL_IMPORT_ROOTS", "/data:/mnt/more")
    assert environment().local_import_roots == [Path("/data"), Path("/mnt/more")]


def test_without_a_broker_the_database_carries_the_hints() -> None:
    told = Environment(DATABASE_BROKER_URL="postgresql://b:p%2Fw@127.0.0.1:5433/tallymark")
    options = broker.configuration(told)["broker_transport_options"]
    assert options["conn_string"].split() == [
        *("user=b", "password=p/w", "dbname=tallymark", "host=127.0.0.1", "port=5433")
    ]
    assert options["use_notify"]
    assert not options["init_extension"]


def test_rabbitmq_gets_quorum_queues_and_redis_a_visibility_timeout() -> None:
    rabbit = broker.configuration(Environment(BROKER_URL="amqp://h//"))
    assert rabbit["task_default_queue_type"] == "quorum"
    redis = broker.configuration(
        Environment(BROKER_URL="redis://h/0", broker_visibility_seconds=30)
    )
    assert redis["broker_transport_options"] == {
        "visibility_timeout": 30,
        "socket_connect_timeout": broker.CONNECT_SECONDS,
    }
