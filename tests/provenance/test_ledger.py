"""The ledger: numbered in order, chained, and broken where somebody changed it."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import connection, connections, transaction
from tallymark.canonical import NotCanonical

from provenance import ledger
from provenance.models import Event

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def add(count: int = 1) -> list[Event]:
    return [ledger.record("test.happened", at=NOON, body={"place": n}) for n in range(count)]


@pytest.fixture
def three_events(transactional_db: None) -> None:
    add(3)
    ledger.seal()


def test_events_are_numbered_from_one_without_gaps(db: None) -> None:
    add(3)
    assert ledger.seal() == 3
    add(2)
    assert ledger.seal() == 2
    assert list(Event.objects.order_by("sequence").values_list("sequence", flat=True)) == [
        *range(1, 6)
    ]
    assert ledger.first_break() is None


def test_sealing_goes_on_where_the_limit_stopped_it(db: None) -> None:
    add(5)
    assert [ledger.seal(limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert ledger.first_break() is None


def test_the_hash_is_that_of_the_previous_hash_and_the_canonical_json(db: None) -> None:
    add(2)
    ledger.seal()
    first, second = Event.objects.order_by("sequence")
    assert bytes(first.previous_hash or b"") == bytes(32)
    assert bytes(second.previous_hash or b"") == bytes(first.hash or b"")
    text = json.dumps(
        {
            "body": {"place": 1},
            "kind": "test.happened",
            "occurred_at": "2026-03-01T12:00:00.000000Z",
            "sequence": 2,
            "subject_id": "00000000-0000-0000-0000-000000000000",
            "subject_kind": "",
        },
        separators=(",", ":"),
    )
    expected = hashlib.sha256(bytes(first.hash or b"") + text.encode()).digest()
    assert bytes(second.hash or b"") == expected


def test_a_moment_is_hashed_alike_in_every_zone(db: None) -> None:
    from datetime import timezone

    east = NOON.astimezone(timezone(timedelta(hours=9)))
    assert ledger.moment(east) == ledger.moment(NOON)


def test_a_body_that_has_no_canonical_form_is_refused_at_once(db: None) -> None:
    with pytest.raises(NotCanonical, match="write it as text"):
        ledger.record("test.happened", at=NOON, body={"units": 2**60})


@pytest.mark.parametrize(
    ("change", "broken_at"),
    [
        ("UPDATE provenance_event SET body = '{}' WHERE sequence = 2", 2),
        ("UPDATE provenance_event SET occurred_at = now() WHERE sequence = 3", 3),
        ("DELETE FROM provenance_event WHERE sequence = 2", 2),
        ("UPDATE provenance_event SET hash = previous_hash WHERE sequence = 1", 1),
    ],
)
def test_a_changed_event_breaks_the_ledger_where_it_stands(
    three_events: None, as_table_owner: psycopg.Connection, change: str, broken_at: int
) -> None:
    as_table_owner.execute("ALTER TABLE provenance_event DISABLE TRIGGER USER")
    as_table_owner.execute(change)
    assert ledger.first_break() == broken_at
    assert ledger.first_break(batch=1) == broken_at


def test_verifying_may_begin_anywhere(
    three_events: None, as_table_owner: psycopg.Connection
) -> None:
    as_table_owner.execute("ALTER TABLE provenance_event DISABLE TRIGGER USER")
    as_table_owner.execute("UPDATE provenance_event SET body = '{}' WHERE sequence = 1")
    assert ledger.first_break() == 1
    assert ledger.first_break(from_sequence=2) is None
    assert ledger.first_break(from_sequence=4) is None
    assert ledger.first_break(from_sequence=99) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE provenance_event SET body = '{}'",
        "UPDATE provenance_event SET sequence = 9 WHERE sequence = 1",
        "UPDATE provenance_event SET hash = decode(repeat('00', 32), 'hex')",
        "DELETE FROM provenance_event",
        "TRUNCATE provenance_event",
        "TRUNCATE provenance_event CASCADE",
    ],
)
@pytest.mark.parametrize("role", ["the application", "the owner"])
def test_nobody_changes_an_event(
    three_events: None, as_table_owner: psycopg.Connection, role: str, statement: str
) -> None:
    if role == "the owner":
        with pytest.raises(psycopg.Error):
            as_table_owner.execute(statement)  # type: ignore[call-overload]
    else:
        with pytest.raises(Exception, match=r"denied|fact|refused"), connection.cursor() as cursor:
            cursor.execute(statement)
    assert ledger.first_break() is None


def test_an_event_cannot_be_added_with_a_number(
    db: None,
) -> None:
    with pytest.raises(Exception, match="numbered by the sealer"), transaction.atomic():
        Event.objects.create(
            kind="test.forged",
            body={},
            occurred_at=NOON,
            recorded_at=NOON,
            sequence=1,
            previous_hash=bytes(32),
            hash=bytes(32),
        )


def test_an_event_that_commits_late_is_numbered_after_those_that_overtook_it(
    transactional_db: None, as_table_owner: psycopg.Connection
) -> None:
    with as_table_owner.transaction():
        as_table_owner.execute(
            "INSERT INTO provenance_event (kind, subject_kind, subject_id, body, occurred_at,"
            " recorded_at) VALUES ('test.slow', '', gen_random_uuid(), '{}', now(), now())"
        )
        add(2)
        assert ledger.seal() == 2
    assert ledger.seal() == 1
    assert Event.objects.get(kind="test.slow").sequence == 3
    assert ledger.first_break() is None


def test_a_second_sealer_does_not_wait_when_told_so(
    transactional_db: None, as_table_owner: psycopg.Connection
) -> None:
    add(1)
    with as_table_owner.transaction():
        as_table_owner.execute("SELECT pg_advisory_xact_lock(%s::bigint)", [ledger.SEALER_LOCK])
        assert ledger.seal(wait=False) == 0
    assert ledger.seal(wait=False) == 1


def test_thousands_are_sealed_in_few_statements(
    db: None, django_assert_max_num_queries: object
) -> None:
    Event.objects.bulk_create(
        Event(kind="test.bulk", body={"n": n}, occurred_at=NOON, recorded_at=NOON)
        for n in range(3_000)
    )
    with django_assert_max_num_queries(8):  # type: ignore[operator]
        assert ledger.seal() == 3_000
    assert ledger.first_break() is None


def test_two_databases_are_named(transactional_db: None) -> None:
    assert connections["owner"].settings_dict["NAME"] == connection.settings_dict["NAME"]
