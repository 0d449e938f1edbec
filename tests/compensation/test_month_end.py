"""The month for accounting: sheets that tie to the journal, and to each other, to the unit."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections import defaultdict
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from compensation import billing, corrections, deposits, money, month_end
from compensation.models import Difference, Line, PlatformFee
from tests import doors, factories
from tests.cast import NOON
from tests.compensation.conftest import grant, use
from tests.compensation.invoicing import APRIL, MARCH, NEXT_MONTH, close, issue, profile, rule

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def files_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as held:
        return {name: held.read(name) for name in held.namelist()}


def exported(name: str = MARCH, *, draft: bool = False, at=NEXT_MONTH) -> dict[str, bytes]:
    book = month_end.book_of(name=name, draft=draft, at=at)
    return files_of(b"".join(month_end.month_end(book)))


def rows_of(data: bytes) -> list[dict[str, str]]:
    text = data.decode()
    assert text.count("\n") == text.count("\r\n"), "RFC 4180 ends its lines by CRLF"
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.fixture
def march(ada, ben, rich_lab, essays, euro, operator, olga):
    """A month with a fee, use, a correction by hand and tax data, and one entry in April."""
    PlatformFee.objects.create(basis_points=333, valid_from=NOON - DAY)
    for party in (operator, ada, rich_lab):
        profile(party)
    for side in ("lab", "owner"):
        rule(side)
    grant(rich_lab, essays)
    for step in range(5):
        use(rich_lab, essays, records=7 + step, at=NOON + step * DAY)
        billing.bill_batch(at=NOON + step * DAY + HOUR)
    corrections.refund(
        lab=rich_lab, asset=euro, amount_units=1_234_567, reference="=back", reason="Too much.",
        at=NOON + 6 * DAY, by=olga,
    )  # fmt: skip
    issue()
    use(rich_lab, essays, records=3, at=NEXT_MONTH)
    billing.bill_batch(at=NEXT_MONTH + HOUR)
    return rich_lab


def test_entries_and_lines_tie_to_the_trial_balance_to_the_unit(march, euro):
    files = exported()
    lines, moved = rows_of(files["lines.csv"]), defaultdict(int)
    by_entry = defaultdict(int)
    for row in lines:
        moved[row["account"]] += int(row["amount_units"])
        by_entry[row["entry"]] += int(row["amount_units"])
    assert set(by_entry.values()) == {0}
    entries = rows_of(files["entries.csv"])
    assert {row["entry"] for row in entries} == set(by_entry)
    balance = rows_of(files["trial_balance.csv"])
    for row in balance:
        net = int(row["credit_units"]) - int(row["debit_units"])
        assert net == moved.get(row["account"], 0)
        assert int(row["opening_units"]) + net == int(row["closing_units"])
        by_month = Line.objects.filter(account=row["account"], entry__period__lte=MARCH)
        assert int(row["closing_units"]) == sum(by_month.values_list("amount_units", flat=True))
    assert sum(int(row["debit_units"]) for row in balance) == sum(
        int(row["credit_units"]) for row in balance
    )
    manifest = json.loads(files["manifest.json"])
    assert manifest["sums"]["trial_balance.csv"]["closing_units"] == {euro.code: "0"}
    assert len(lines) > 10


def test_invoices_tie_to_what_labs_were_charged_and_owners_earned(march, ada, euro):
    files = exported()
    documents = rows_of(files["invoices.csv"]) + rows_of(files["credit_notes.csv"])
    accounts = {row["account"]: row for row in rows_of(files["accounts.csv"])}
    kinds = {row["entry"]: row["kind"] for row in rows_of(files["entries.csv"])}
    charged, earned = 0, 0
    for row in rows_of(files["lines.csv"]):
        account = accounts[row["account"]]
        if kinds[row["entry"]] == "usage":
            charged -= int(row["amount_units"]) * (account["kind"] == "lab")
            earned += int(row["amount_units"]) * (account["kind"] == "owner_pending")
    for side, units in (("lab", charged), ("owner", earned)):
        assert units == sum(int(one["net_units"]) for one in documents if one["side"] == side) > 0


def test_what_a_lab_owes_is_what_its_invoice_leaves_due_but_for_vat(
    ada, lab, essays, euro, operator
):
    for party in (operator, ada, lab):
        profile(party)
    for side in ("lab", "owner"):
        rule(side, category="E", basis_points=0, wording="Exempt.")
    deposits.set_credit_limit(lab=lab, asset=euro, limit_units=10**9, reason="Invoiced.", at=NOON)
    grant(lab, essays)
    use(lab, essays, records=50, at=NOON)
    billing.bill_batch(at=NOON + HOUR)
    issue()
    files = exported()
    due = sum(
        int(row["due_units"]) for row in rows_of(files["invoices.csv"]) if row["side"] == "lab"
    )
    owed = [row for row in rows_of(files["open_items.csv"]) if row["kind"] == "lab"]
    assert [-int(row["amount_units"]) for row in owed] == [due] == [500_000]


def test_an_open_item_is_as_old_as_the_oldest_line_that_is_left_of_it(ada, lab, essays, euro):
    deposits.set_credit_limit(lab=lab, asset=euro, limit_units=10**9, reason="x", at=NOON)
    grant(lab, essays)
    for days in (0, 5, 10):
        use(lab, essays, records=10, at=NOON + days * DAY)
        billing.bill_batch(at=NOON + days * DAY + HOUR)
    deposits.deposit(lab=lab, asset=euro, amount_units=150_000, reference="w", at=NOON + 12 * DAY)
    close()
    item = next(one for one in rows_of(exported()["open_items.csv"]) if one["kind"] == "lab")
    assert (item["amount"], item["amount_units"]) == ("-0.15", "-150000")
    assert item["since"].startswith("2026-03-06T")
    assert item["age_days"] == "25"


def test_each_file_is_what_the_manifest_says(march):
    files = exported()
    manifest = json.loads(files.pop("manifest.json"))
    assert set(manifest["files"]) == set(files)
    for name, data in files.items():
        assert manifest["files"][name]["sha256"] == hashlib.sha256(data).hexdigest()
    for name, sums in manifest["sums"].items():
        for column, by_asset in sums.items():
            found = defaultdict(int)
            for row in rows_of(files[name]):
                found[row["asset"]] += int(row[column])
            assert {code: str(units) for code, units in found.items()} == by_asset
    assert exported() == {**files, "manifest.json": exported()["manifest.json"]}


def test_amounts_are_decimals_beside_their_units_and_nothing_runs_in_a_spreadsheet(march, euro):
    files = exported()
    for name, data in files.items():
        if not name.endswith(".csv"):
            continue
        for row in rows_of(data):
            for column in [one for one in row if one.endswith("_units")]:
                units = int(row[column])
                decimal = row[column.removesuffix("_units")]
                assert money.to_units(decimal, euro.scale) == units
            assert not any(value.startswith(("=", "@")) for value in row.values())


def test_an_open_month_is_only_exported_as_a_draft(march, tmp_path):
    with pytest.raises(month_end.MonthOpen):
        month_end.book_of(name=APRIL, at=NEXT_MONTH)
    book = month_end.book_of(name=APRIL, draft=True, at=NEXT_MONTH)
    assert month_end.file_name(book) == "tallymark-2026-04-DRAFT.zip"
    assert json.loads(exported(APRIL, draft=True)["manifest.json"])["is_draft"] is True
    closed = month_end.book_of(name=MARCH, draft=True, at=NEXT_MONTH)
    assert (closed.is_draft, month_end.file_name(closed)) == (False, "tallymark-2026-03.zip")
    with pytest.raises(CommandError, match="is open"):
        call_command("export_month", APRIL, "--out", str(tmp_path))
    with pytest.raises(CommandError, match="no folder"):
        call_command("export_month", MARCH, "--out", str(tmp_path / "nowhere"))
    call_command("export_month", MARCH, "--out", str(tmp_path))
    assert [one.name for one in tmp_path.iterdir()] == ["tallymark-2026-03.zip"]


def test_a_difference_stands_in_it_with_its_age(march, euro):
    Difference.objects.create(
        key="k", side="bank", asset=euro, amount_units=-5, words="Less at the bank.",
        advice="Ask the bank.", since=NOON, first_seen_at=NOON, last_seen_at=NOON,
    )  # fmt: skip
    row = rows_of(exported()["differences.csv"])[0]
    assert (row["amount"], row["age_days"], row["advice"]) == ("-0.000005", "31", "Ask the bank.")


def test_operators_alone_are_given_it_by_the_api_and_on_the_page(march, ada, operator, client):
    for party in (ada, march):
        doors.of(party).get("periods/2026-03/export", 403)
    answer = doors.of(operator).get("periods/2026-03/export")
    data = b"".join(answer.streaming_content)
    assert set(files_of(data)) >= {"trial_balance.csv", "manifest.json"}
    doors.of(operator).get("periods/2026-04/export", 409)
    doors.of(operator).get("periods/2026-04/export?draft=true")
    doors.of(operator).get("periods/1999-01/export", 404)
    page = "/admin/compensation/period/2026-03/export/"
    client.force_login(factories.user("x@ada.example", party=ada))
    assert client.post(page).status_code in (302, 403, 404)
    client.force_login(factories.user("y@op.example", party=operator))
    made = client.post(page, {})
    assert made.status_code == 200, made["Location"]
    assert made["Content-Disposition"] == 'attachment; filename="tallymark-2026-03.zip"'
    assert set(files_of(b"".join(made.streaming_content))) == set(files_of(data))
