"""An export of the journal proves itself offline, and names the first thing that was changed."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from hashlib import sha256
from io import StringIO

import psycopg
import pytest
from django.core.management import CommandError, call_command
from tallymark.audit import GENESIS, prove
from tallymark.charge_tree import root_of
from tallymark.cli import main
from tallymark.journal import chained, lines_digest
from tallymark.lines import leaf_of

from compensation import audit, billing, commitments, conversions, deposits, holds, journal, periods
from compensation.journal_rules import JOURNAL_RULES
from compensation.models import Account, Entry
from provenance import ledger
from tests import factories
from tests.cast import NOON
from tests.compensation.books import move, outside, treasury
from tests.compensation.conftest import grant, priced, texts, use

LATER = NOON + timedelta(hours=1)
APRIL = datetime(2026, 4, 3, tzinfo=UTC)


@pytest.fixture
def busy(ada, ben, lab, rich_lab, euro):
    """A journal with everything in it: use, a hold, a conversion, a closed month, a late entry."""
    for party in (ada, ben):
        version = priced(factories.version(factories.dataset(party), texts(20, party.name)), euro)
        grant(lab, version)
        for records in (7, 9, 4):
            use(lab, version, records=records)
            billing.bill_batch(at=LATER)
        billing.seal_journal(at=LATER)
    account = journal.account(Account.Kind.LAB, euro, party=lab)
    holds.place(target=account, amount_units=900, idempotency_key="h", expires_at=None, at=LATER)
    holds.post(
        key="h", to=[(treasury(euro), 300)], kind=Entry.Kind.ADJUSTMENT, effective_at=LATER,
        posted_at=LATER, idempotency_key="part",
    )  # fmt: skip
    dollar = deposits.register_asset(code="iso4217:USD", symbol="USD", scale=2)
    conversions.fund_treasury(asset=dollar, amount_units=10**6, reference="a", at=LATER)
    conversions.convert(
        source=account, target_asset=dollar, units=10**6, rate=Fraction("1.1"), reference="c",
        reason="x", at=LATER,
    )  # fmt: skip
    periods.close_period(name="2026-03", at=APRIL)
    late = move(outside(euro), treasury(euro), 5, "late", effective_at=NOON, posted_at=APRIL)
    assert late.period_id == "2026-04"


@pytest.fixture
def exported(busy, tmp_path):
    path = tmp_path / "journal.jsonl"
    call_command("verify_journal", "--export", str(path), stdout=StringIO())
    return path


def rows_of(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def changed(rows, change):
    """The rows after `change` was made to them."""
    kept = json.loads(json.dumps(rows))
    change(kept)
    return kept


def of(rows, kind):
    return [row for row in rows if row["type"] == kind]


def entry_with(rows, words):
    return next(row for row in of(rows, "entry") if words in row["header"])


def test_a_sound_journal_is_found_sound_in_the_database_and_in_its_export(exported, capsys):
    said = StringIO()
    call_command("verify_journal", stdout=said)
    assert "is sound" in said.getvalue()
    call_command("verify_journal", "--from", str(exported), stdout=said)
    head = bytes(Entry.objects.order_by("pk").last().hash).hex()
    assert main(["verify-journal", str(exported), "--head", head]) == 0
    said = capsys.readouterr().out
    assert "SOUND" in said
    assert "The ledger's events say the same of their lines, up to entry" in said
    assert main(["verify-journal", str(exported), "--head", "00" * 32]) == 1


def _set(kind, number, name, value):
    def change(rows):
        of(rows, kind)[number][name] = value

    return change


def _line(rows):
    entry_with(rows, "deposit")["lines"][0][1] += 1


def _digit(rows):
    row = entry_with(rows, "usage")
    rows_hex = row["charges"][0]["rows"]
    row["charges"][0]["rows"] = rows_hex[:-1] + ("0" if rows_hex[-1] != "0" else "1")


def _left_out(rows):
    rows.remove(of(rows, "entry")[2])


def _cut(rows):
    del rows[-2:]


def _division(rows):
    of(rows, "division")[0]["total"] += 1


OTHER_LINES = r"the event .* of the ledger commits to other lines of the entries 1 to \d+"
CHANGES = {
    "a line": (_line, "do not add up to zero"),
    "a digit of a charge": (_digit, "its charges are not those that were hashed"),
    "an entry left out": (_left_out, "Line .*: entry 3 is missing"),
    "the end": (_cut, "ends before its end"),
    "a header": (
        lambda rows: rows[rows.index(entry_with(rows, "deposit"))].update(header="x"),
        "its content was changed",
    ),
    "a balance": (_set("account", 1, "posted", 17), "holds 17, its lines add up to"),
    "what is held": (_set("hold", 0, "remaining", 599), "do not fit it"),
    "a hold left out": (lambda rows: rows.remove(of(rows, "hold")[0]), "its holds add up to 0"),
    "a floor": (_set("account", 0, "floor", 10**15), "under its floor"),
    "a division": (_division, "Division .* its charges add up to"),
    "a month that closed earlier": (
        _set("month", 0, "last_number", 1), "after that month had closed"
    ),
    "a month that never closed": (
        lambda rows: of(rows, "month")[0].update(last_number=None, closed_at=None),
        "belongs to another month",
    ),
    "the head": (_set("journal", 0, "hash", "00" * 32), "the journal's head"),
    "the format": (_set("journal", 0, "format", "other/1"), "the format is"),
    "what the ledger says of lines": (_set("sealed", 0, "entries", "00" * 32), OTHER_LINES),
    "a salt": (_set("entry", 0, "salt", "00" * 32), OTHER_LINES),
    "an event of the ledger left out": (
        lambda rows: rows.remove(of(rows, "sealed")[0]), OTHER_LINES
    ),
    "what the ledger sealed": (_set("sealed", 1, "hash", "00" * 32), "seals another entry"),
    "an account of another asset": (_set("account", 0, "asset", "iso4217:XTS"), "another asset"),
}  # fmt: skip


def test_whatever_is_changed_in_an_export_is_named(exported):
    rows = rows_of(exported)
    assert prove(rows).is_sound
    for name, (change, words) in CHANGES.items():
        found = prove(changed(rows, change)).wrong
        assert found, name
        assert re.search(words, found[0]), (name, found)


def rehashed(rows):
    """The same rows with hashes made anew, as a forger who knows how would."""
    head = GENESIS
    for row in of(rows, "entry"):
        row["previous_hash"] = head.hex()
        parts = (
            sha256(row["header"].encode()).digest(),
            lines_digest([tuple(line) for line in row["lines"]]),
            bytes.fromhex(row["charges_digest"]),
        )
        head = chained(head, row["number"], parts)
        row["hash"] = head.hex()
    of(rows, "journal")[0]["hash"] = head.hex()
    leaves = []
    for row in rows:
        if row["type"] == "entry":
            lines, salt = [tuple(line) for line in row["lines"]], bytes.fromhex(row["salt"])
            leaves.append(leaf_of(row["number"], bytes.fromhex(row["hash"]), lines, salt))
            last = row["hash"]
        elif row["type"] == "sealed":
            row["hash"], row["entries"], leaves = last, root_of(leaves).hex(), []
    return rows


def test_a_forger_who_makes_all_hashes_anew_still_cannot_make_the_sums_fit(exported):
    def back(rows):
        row = entry_with(rows, "\nlate\n")
        row["header"] = row["header"].replace("2026-04", "2026-03")

    def more(rows):
        row = entry_with(rows, "deposit")
        row["lines"] = [[account, units * 2] for account, units in row["lines"]]

    rows = rows_of(exported)
    for change, words in ((back, "after that month had closed"), (more, "its lines add up to")):
        found = prove(rehashed(changed(rows, change))).wrong
        assert any(words in one for one in found), found


def test_an_export_from_before_lines_were_committed_to_is_proved_as_it_was(exported):
    def older(rows):
        of(rows, "journal")[0]["format"] = "tallymark-journal/1"
        for row in of(rows, "sealed"):
            rows.remove(row)
        for row in of(rows, "entry"):
            del row["salt"]

    rows = changed(rows_of(exported), older)
    assert prove(rows).is_sound
    _line(rows)
    assert not prove(rows).is_sound


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "commits to other lines of the entries"),
        ({"hash": bytes(32)}, "seals another entry"),
        ({"number": 999}, "seals another entry 999"),
    ],
)
def test_a_ledger_that_was_told_otherwise_than_the_journal_is_found(said, words):
    last = Entry.objects.order_by("pk").last()
    body = {"number": last.pk, "hash": bytes(last.hash), "entries": bytes(32)} | said
    ledger.record(commitments.SEALED, at=LATER, subject_kind="journal", body=body)
    errors = StringIO()
    with pytest.raises(CommandError, match="broken"):
        call_command("verify_journal", stderr=errors)
    assert words in errors.getvalue()


def test_what_is_no_export_is_said_to_be_none(tmp_path, capsys):
    path = tmp_path / "x.jsonl"
    for text in ("not json\n", "[1]\n"):
        path.write_text(text)
        assert main(["verify-journal", str(path)]) == 2
    for text in ('{"type": "entry"}\n', "{}\n", "", '{"type": "journal"}\n'):
        path.write_text(text)
        assert main(["verify-journal", str(path)]) == 1, text
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("verify_journal", "--from", str(tmp_path / "none"))


def test_entries_with_many_charges_are_read_a_few_at_a_time(busy, monkeypatch):
    whole = list(audit.documents())
    monkeypatch.setattr(audit, "BATCH_CHARGES", 1)
    assert list(audit.documents()) == whole
    monkeypatch.setattr(audit, "BATCH", 2)
    assert list(audit.documents(3)) == whole[2:]


BROKEN = {
    "UPDATE compensation_balance SET held = held + 1 WHERE account_id ="
    " (SELECT account_id FROM compensation_hold)": "holds back",
    "UPDATE compensation_hold SET remaining_units = 5": "A hold keeps",
    "UPDATE compensation_period SET last_number = 1 WHERE closed_at IS NOT NULL": "its month",
    "UPDATE compensation_period SET ends_at = ends_at + interval '1 second'": "the calendar's",
    "UPDATE compensation_turnover SET amount_units = amount_units + 1": "by hours",
    "UPDATE compensation_periodtotal SET line_count = line_count + 1": "by months",
    "UPDATE compensation_conversion SET from_units = 1000009, to_units = 110": "cross assets",
    "UPDATE compensation_journalhead SET number = number - 1": "head of the journal",
    "UPDATE compensation_line SET amount_units = amount_units + 1"
    " WHERE id = (SELECT max(id) FROM compensation_line)": "add up to zero",
}


@pytest.mark.django_db(transaction=True)
def test_whatever_is_changed_in_the_database_past_its_guards_is_named(busy, as_table_owner):
    for statement, words in BROKEN.items():
        with as_table_owner.transaction() as changing:
            for table in ("balance", "hold", "period", "conversion", "line", "journalhead"):
                as_table_owner.execute(f"ALTER TABLE compensation_{table} DISABLE TRIGGER USER")
            as_table_owner.execute(
                "ALTER TABLE compensation_hold DROP CONSTRAINT hold_keeps_no_more_than_it_has"
            )
            assert as_table_owner.execute(statement).rowcount, statement
            found = _rules_broken(as_table_owner)
            assert any(words in rule for rule in found), (statement, found)
            raise psycopg.Rollback(changing)


def _rules_broken(connection):
    return [
        f"{rule}, but not for {what}"
        for rule, query in JOURNAL_RULES.items()
        for (what,) in connection.execute(query).fetchall()
    ]
