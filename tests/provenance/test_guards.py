"""What the database itself refuses, whoever asks: facts are only added."""

from __future__ import annotations

import psycopg
import pytest
from django.db import connection, transaction

from provenance import conflicts, usage
from provenance.models import Conflict, Party
from tests import factories
from tests.cast import NOON

TABLES = [
    "event record datasetversion dataset grant rate usage usagereport overlap match conflict",
    "contestedrecord claim submission resolution statementofreasons opening runedge accesslog",
    "party run trainedmodel",
]
GUARDED = " ".join(TABLES).split()


def refuses(statement: str) -> None:
    """Whether the database says no, and why."""
    said = pytest.raises(Exception, match=r"denied|refused|fact|sealed|frozen|back|transfer alone")
    with said, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def facts(ada: Party, ben: Party, lab: Party) -> Conflict:
    """A conflict with a claim and an answer, and a use of a version."""
    first = factories.version(factories.dataset(ada), ["a", "b"])
    second = factories.version(factories.dataset(ben), ["a", "c"])
    conflict = conflicts.open_from_overlap(
        overlap=factories.overlap(second, first, [("a", "a")]), at=NOON
    )
    assert conflict is not None
    conflicts.claim(conflict=conflict, claimant=ada, statement="Ours.", at=NOON)
    conflicts.answer(conflict=conflict, party=ben, text="Yes.", agrees=True, at=NOON)
    run = usage.start_run(lab=lab, purpose="pretrain", at=NOON)
    usage.report_usage(
        run=run,
        subject=str(first.pk),
        purpose="pretrain",
        stream="rank-0",
        sequence=1,
        count=usage.Count(records=5),
        used_at=NOON,
        received_at=NOON,
    )
    return conflict


def test_no_fact_is_deleted_by_the_application(facts: Conflict) -> None:
    for table in GUARDED:
        refuses(f"DELETE FROM provenance_{table}")
        refuses(f"TRUNCATE provenance_{table} CASCADE")


def test_the_owner_of_the_tables_deletes_nothing_either(
    transactional_db: None, facts: Conflict, as_table_owner: psycopg.Connection
) -> None:
    for table in ("record", "statementofreasons", "resolution", "party"):
        for statement in (
            f"DELETE FROM provenance_{table}",
            f"TRUNCATE provenance_{table} CASCADE",
        ):
            with pytest.raises(psycopg.Error, match="refused"):
                as_table_owner.execute(statement)  # type: ignore[call-overload]


CHANGES = [
    "record SET digest = sha256('x')",
    "record SET token_count = 1000",
    "record SET key = 'other'",
    "datasetversion SET record_count = 1000",
    "datasetversion SET records_root = sha256('x')",
    "datasetversion SET sealed_sequence = 99",
    "datasetversion SET sealed_at = now()",
    "datasetversion SET state = 'open'",
    "dataset SET owner_id = gen_random_uuid()",
    "dataset SET name = 'other'",
    "match SET kind = 'near'",
    """match SET evidence = '{"passages": []}'""",
    "resolution SET outcome = 'common'",
    "resolution SET reasons = 'others'",
    "claim SET statement = 'others'",
    "submission SET agrees = NOT agrees",
    "statementofreasons SET text = 'others'",
    "contestedrecord SET record_id = counterpart_id",
    "conflict SET opened_at = now()",
    "runedge SET at = now()",
    "usage SET record_count = 1",
    "usagereport SET record_count = 1",
]


def test_what_was_said_and_counted_is_not_rewritten(facts: Conflict) -> None:
    for change in CHANGES:
        refuses(f"UPDATE provenance_{change}")


def test_evidence_and_records_may_be_erased(facts: Conflict) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE provenance_match SET evidence = '{}'")
        cursor.execute(
            "UPDATE provenance_record SET key = '', digest = decode(repeat('00', 32), 'hex')"
        )
