"""Invoices: gap-free, never changed, and to the unit what the journal holds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from compensation import deposits, invoices, journal
from compensation.models import (
    Account,
    Asset,
    Entry,
    Invoice,
    InvoiceLine,
    InvoiceSeries,
    InvoiceWaiting,
    Period,
)
from provenance import licensing, notices
from provenance.models import DatasetVersion, Event, Notice, Party
from tests import factories
from tests.cast import NOON
from tests.compensation import conftest as money
from tests.compensation.invoicing import (
    MARCH,
    NEXT_MONTH,
    charge,
    close,
    issue,
    pay_in,
    profile,
    rule,
    turnover,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture
def known(operator: Party, lab: Party, ada: Party) -> None:
    """Everybody's tax data, all in Germany, with its VAT."""
    for party in (operator, lab, ada):
        profile(party)
    rule("lab")
    rule("owner")


@pytest.fixture
def used(essays: DatasetVersion, rich_lab: Party, euro: Asset) -> Party:
    """The lab, which used 333 essays in two runs."""
    money.grant(rich_lab, essays)
    money.use(rich_lab, essays, records=300)
    money.use(rich_lab, essays, records=33)
    charge(euro, rich_lab)
    return rich_lab


def of(party: Party) -> Invoice:
    return Invoice.objects.get(party=party)


# What its party is told.


def test_each_document_is_told_to_its_party_with_what_is_due_outside_of_the_balance(
    known: None, used: Party, ada: Party, ben: Party
) -> None:
    issue()
    for party, title in (
        (used, "Invoice INV-2026-000001 of 2026-03"),
        (ada, "Self-billed invoice SBI-2026-000001 of 2026-03"),
    ):
        said = notices.say(Notice.objects.get(party=party, kind="invoice.issued"))
        assert said.title == title
        assert "comes to 3.96 EUR with VAT" in said.words
        assert "outside of the balance: 0.63 EUR." in said.words
        assert str(of(party).pk) in said.path
    assert not Notice.objects.filter(party=ben).exists()
    invoices.take_back(invoice=of(used), reason="Wrong.", by=None, at=NEXT_MONTH + MINUTE)
    told = Notice.objects.filter(party=used, kind="invoice.issued").order_by("made_at")
    assert "Credit note" in notices.say(told[1]).title
    assert "balance: −0.63 EUR." in notices.say(told[1]).words


def test_a_document_of_which_nothing_is_due_says_so(
    known: None, used: Party, operator: Party
) -> None:
    rule("lab", category="O", basis_points=0, wording="Outside.", valid_from=NOON - MINUTE)
    issue()
    told = Notice.objects.get(party=used, kind="invoice.issued")
    assert "outside of the balance: nothing." in notices.say(told).words


# What a document says.


def test_a_lab_is_invoiced_what_the_journal_charged_it(
    known: None, used: Party, euro: Asset
) -> None:
    issue()
    made = of(used)
    assert (made.kind, made.number) == (Invoice.Kind.INVOICE, "INV-2026-000001")
    assert made.net_units == -turnover(euro, used, "lab") == 3_330_000
    assert made.tax_units == 630_000
    (line,) = made.lines.all()
    assert (line.name, line.quantity, line.counted) == (
        "aurora-archive/essays@1", 333, "records",
    )  # fmt: skip
    assert (line.price_units, line.price_step) == (10_000_000, 1_000)
    assert line.rate == essays_rate(used)
    assert made.seller["legal_name"] == "Tallymark Operations GmbH"
    assert made.buyer["vat_id"] == "DE123456789"


def essays_rate(lab: Party):
    return licensing.rate_in_force(lab.grants.get().licence, NOON)


def test_an_owner_is_self_billed_what_it_earned(
    known: None, used: Party, ada: Party, euro: Asset
) -> None:
    issue()
    made = of(ada)
    assert (made.kind, made.number) == (Invoice.Kind.SELF_BILLED, "SBI-2026-000001")
    assert made.net_units == turnover(euro, ada, "owner_pending") == 3_330_000
    assert made.seller["legal_name"] == "Aurora Archive GmbH"
    document = invoices.as_document(made)
    assert document["invoice_note"][0].startswith("Self-billing")
    assert document["document_totals"]["amount_due_for_payment"] == "0.63"


def test_each_rate_has_its_line_and_the_lines_add_up(
    known: None, used: Party, ben: Party, euro: Asset
) -> None:
    tokens = money.priced(
        factories.version(factories.dataset(ben, "notes"), money.texts(10, "note")),
        euro,
        price_units=7_654_321,
        basis="per_1m_tokens",
    )
    money.grant(used, tokens)
    for records in (1, 2, 3):
        money.use(used, tokens, records=records)
    charge(euro, used, NOON + 2 * MINUTE)
    issue()
    lines = {line.name: line for line in of(used).lines.all()}
    assert lines["birch-books/notes@1"].counted == "tokens"
    assert sum(line.amount_units for line in lines.values()) == -turnover(euro, used, "lab")
    totals = invoices.as_document(of(used))["document_totals"]
    assert int(totals["net_units"]) == of(used).net_units


def test_the_data_carry_the_terms_of_the_standard(known: None, used: Party) -> None:
    issue()
    document = invoices.as_document(of(used))
    assert document["invoice_type_code"] == "380"
    assert document["invoice_currency_code"] == "EUR"
    assert document["seller"]["seller_vat_identifier"] == "DE123456789"
    assert document["buyer"]["buyer_postal_address"]["country_code"] == "DE"
    assert document["vat_breakdown"] == [
        {
            "vat_category_code": "S",
            "vat_category_rate": "19.00",
            "vat_category_taxable_amount": "3.33",
            "vat_category_tax_amount": "0.63",
            "vat_exemption_reason_text": None,
        }
    ]
    assert document["document_totals"]["invoice_total_amount_with_vat"] == "3.96"
    (line,) = document["invoice_line"]
    assert line["price_details"] == {"item_net_price": "10.00", "item_price_base_quantity": "1000"}


def test_the_ledger_holds_the_digest_of_what_was_issued(known: None, used: Party) -> None:
    issue()
    made = of(used)
    event = Event.objects.get(kind="invoice.issued", subject_id=made.pk)
    assert event.body["number"] == made.number
    assert event.body["digest"] == invoices.digest_of(made).hex()
    profile(used, legal_name="Cobalt Two AG")
    assert event.body["digest"] == invoices.digest_of(of(used)).hex()


def test_a_prepaid_lab_owes_the_vat_alone_and_one_with_a_limit_what_it_has_not_paid(
    known: None, used: Party, essays: DatasetVersion, euro: Asset, operator: Party
) -> None:
    profile(operator, payment_details="IBAN DE02 1203 0000 0000 2020 51")
    owing = factories.party("Debit Labs", is_lab=True)
    profile(owing)
    pay_in(owing, euro, 1_000_000, "wire 7")
    deposits.set_credit_limit(
        lab=owing, asset=euro, limit_units=9_000_000, reason="Known.", at=NOON
    )
    money.grant(owing, essays)
    money.use(owing, essays, records=333)
    charge(euro, owing, NOON + 2 * MINUTE)
    period = close()
    pay_in_later(owing, euro)
    invoices.issue_period(period=period, at=NEXT_MONTH)
    prepaid, open_account = of(used), of(owing)
    assert (prepaid.settled_units, prepaid.due_units) == (3_330_000, 630_000)
    assert "Prepaid account" in invoices.as_document(prepaid)["payment_terms"]
    assert (open_account.settled_units, open_account.due_units) == (1_000_000, 2_960_000)
    document = invoices.as_document(open_account)
    assert "limit of 9.00 EUR" in document["payment_terms"]
    assert document["payment_instructions"] == "IBAN DE02 1203 0000 0000 2020 51"


def pay_in_later(lab: Party, euro: Asset) -> None:
    """In April: it is too late for March's invoice."""
    deposits.deposit(lab=lab, asset=euro, amount_units=5_000_000, reference="wire 8", at=NEXT_MONTH)


def test_what_is_due_is_rounded_to_coins_and_says_so(
    known: None, essays: DatasetVersion, lab: Party, euro: Asset
) -> None:
    deposits.set_credit_limit(lab=lab, asset=euro, limit_units=10**9, reason="x", at=NOON)
    odd = money.priced(
        factories.version(factories.dataset(essays.dataset.owner, "odd"), money.texts(9, "odd")),
        euro,
        price_units=1_234_567,
    )
    money.grant(lab, odd)
    money.use(lab, odd, records=7)
    charge(euro, lab)
    issue()
    made = of(lab)
    assert made.net_units == 8_641
    assert (made.tax_units, made.due_units, made.rounding_units) == (0, 10_000, 1_359)


@pytest.mark.parametrize("code", ["AE", "E", "O"])
def test_without_vat_the_law_has_its_words(operator: Party, used: Party, code: str) -> None:
    profile(operator)
    profile(used, country="FR", tax_country="FR", vat_id="FR 40 303 265 045")
    wording = "" if code == "AE" else "Exempt under article 132."
    rule("lab", "FR", category=code, basis_points=0, wording=wording)
    issue()
    made = of(used)
    assert (made.tax_units, made.category) == (0, code)
    assert made.buyer["vat_id"] == "FR40303265045"
    said = invoices.as_document(made)
    assert (wording or "Reverse charge") in said["invoice_note"]
    assert said["vat_breakdown"][0]["vat_exemption_reason_text"] == (wording or "Reverse charge")


def test_the_rule_of_the_period_counts(known: None, used: Party) -> None:
    rule("lab", basis_points=2_500, valid_from=datetime(2026, 4, 1, tzinfo=UTC))
    issue()
    assert of(used).basis_points == 1_900


# What waits.


def test_nothing_is_guessed_a_document_waits_in_words_until_it_can_be_issued(
    operator: Party, used: Party, ada: Party
) -> None:
    issue()
    assert not Invoice.objects.exists()
    assert waiting(used) == "no_operator_data"
    profile(operator)
    again()
    assert waiting(used) == "no_party_data"
    assert "Cobalt Labs has yet to enter" in InvoiceWaiting.objects.get(party=used).words
    profile(used, country="FR", tax_country="FR", vat_id="")
    again()
    assert waiting(used) == "no_tax_rule"
    rule("lab", "FR", category="AE", basis_points=0)
    again()
    assert waiting(used) == "no_vat_id"
    profile(used, country="FR", tax_country="FR", vat_id="FR40303265045")
    again()
    assert of(used).category == "AE"
    assert waiting(used) == ""
    assert waiting(ada) == "no_party_data"


def again() -> None:
    invoices.issue_due(at=NEXT_MONTH)


def waiting(party: Party) -> str:
    row = InvoiceWaiting.objects.filter(party=party).first()
    return row.reason if row else ""


def test_an_open_month_has_no_invoices(known: None, used: Party) -> None:
    with pytest.raises(invoices.PeriodIsOpen):
        invoices.issue_period(period=Period.objects.get(name=MARCH), at=NEXT_MONTH)
    assert invoices.issue_due(at=NEXT_MONTH) == 0


def test_a_repeat_issues_nothing(known: None, used: Party) -> None:
    assert len(issue()) == 2
    assert invoices.issue_period(period=Period.objects.get(name=MARCH), at=NEXT_MONTH) == 0
    assert invoices.issue_due(at=NEXT_MONTH) == 0
    assert Invoice.objects.count() == 2


# Corrections.


def test_what_was_issued_is_taken_back_by_a_credit_note_and_issued_anew(
    known: None, used: Party, euro: Asset
) -> None:
    issue()
    wrong = of(used)
    profile(used, legal_name="Cobalt Two AG")
    note = invoices.take_back(
        invoice=wrong, reason="The name was wrong.", by=None, at=NEXT_MONTH + MINUTE
    )
    assert (note.kind, note.number, note.corrects) == ("381", "CRN-2026-000001", wrong)
    assert (note.net_units, note.tax_units, note.due_units) == (-3_330_000, -630_000, -630_000)
    shown = invoices.as_document(note)
    assert shown["document_totals"]["invoice_total_amount_with_vat"] == "3.96"
    assert shown["preceding_invoice_reference"] == wrong.number
    assert shown["buyer"]["buyer_name"] == "Cobalt Labs GmbH"
    assert invoices.issue_due(at=NEXT_MONTH + 2 * MINUTE) == 1
    right = Invoice.objects.get(number="INV-2026-000002")
    assert right.buyer["legal_name"] == "Cobalt Two AG"
    everything = Invoice.objects.filter(party=used)
    assert sum(one.net_units for one in everything) == -turnover(euro, used, "lab")
    with pytest.raises(invoices.NothingToCorrect):
        invoices.take_back(invoice=wrong, reason="Again.", by=None, at=NEXT_MONTH)
    with pytest.raises(invoices.NothingToCorrect):
        invoices.take_back(invoice=note, reason="Again.", by=None, at=NEXT_MONTH)
    with pytest.raises(invoices.NoReason):
        invoices.take_back(invoice=right, reason=" ", by=None, at=NEXT_MONTH)


def adjusted(lab: Party, euro: Asset, units: int, key: str, at: datetime) -> Entry:
    return journal.post(
        kind=Entry.Kind.ADJUSTMENT,
        lines=[
            (journal.account(Account.Kind.EXTERNAL, euro), -units),
            (journal.account(Account.Kind.LAB, euro, party=lab), units),
        ],
        effective_at=at,
        posted_at=at,
        idempotency_key=key,
    )


def test_an_adjustment_and_its_reversal_stand_on_the_invoice(
    known: None, used: Party, euro: Asset
) -> None:
    adjusted(used, euro, 500_000, "sorry", NOON)
    wrong = adjusted(used, euro, 70_000, "oops", NOON)
    journal.reverse(entry=wrong, reason="Not theirs.", at=NOON)
    issue()
    made = of(used)
    assert made.net_units == 2_830_000
    names = [line.name for line in made.lines.all()]
    assert names[1:] == [
        "Adjusted by the operator", "Adjusted by the operator", "Taken back by the operator",
    ]  # fmt: skip


def test_a_month_in_which_more_was_given_back_than_charged_has_a_credit_note(
    known: None, used: Party, euro: Asset
) -> None:
    adjusted(used, euro, 5_000_000, "sorry", NOON)
    issue()
    made = of(used)
    assert (made.kind, made.net_units, made.tax_units) == ("381", -1_670_000, -320_000)
    assert made.corrects is None
    assert (made.settled_units, made.due_units) == (-1_670_000, -320_000)
    document = invoices.as_document(made)
    assert document["document_totals"]["invoice_total_amount_without_vat"] == "1.67"
    amounts = [line["invoice_line_net_amount"] for line in document["invoice_line"]]
    assert amounts == ["-3.33", "5.00"]


def test_deposits_are_no_turnover(known: None, rich_lab: Party, euro: Asset) -> None:
    journal.reverse(entry=Entry.objects.get(kind="deposit"), reason="Bounced.", at=NOON)
    assert issue() == []


# The database.


def test_numbers_have_no_gaps_when_many_issue_at_once_and_some_fail(
    transactional_db: None, operator: Party, ada: Party, euro: Asset
) -> None:
    version = money.priced(
        factories.version(factories.dataset(ada), money.texts(5)), euro, price_units=10_000_000
    )
    labs = [factories.party(f"Lab {number}", is_lab=True) for number in range(8)]
    for party in (operator, ada, *labs):
        profile(party)
    rule("lab")
    rule("owner")
    for number, lab in enumerate(labs):
        pay_in(lab, euro, 10**9, f"wire {number}")
        money.grant(lab, version)
        money.use(lab, version, records=100 + number)
    charge(euro, labs[0])
    period = close()
    nets = invoices.nets_of(period)
    assert len(nets) == 9

    def work(net) -> None:
        from compensation.invoices.issuing import issue as issue_one

        try:
            for is_kept in (False, True):
                with transaction.atomic():
                    issue_one(net=net, period=period, at=NEXT_MONTH)
                    if not is_kept:
                        transaction.set_rollback(True)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, nets * 2))
    for series, count in (("INV-2026", 8), ("SBI-2026", 1)):
        numbers = Invoice.objects.filter(series=series).values_list("sequence", flat=True)
        assert sorted(numbers) == list(range(1, count + 1))
        assert InvoiceSeries.objects.get(name=series).last_number == count


def test_what_is_issued_never_changes(known: None, used: Party) -> None:
    issue()
    for statement in (
        "UPDATE compensation_invoice SET net_units = 1",
        "UPDATE compensation_invoice SET number = 'INV-1'",
        "UPDATE compensation_invoiceline SET amount_units = 1",
        "DELETE FROM compensation_invoice",
        "DELETE FROM compensation_invoiceline",
        "TRUNCATE compensation_invoice CASCADE",
        "UPDATE compensation_invoiceseries SET last_number = 7",
        "INSERT INTO compensation_invoiceseries VALUES ('INV-2027', 5)",
        "DELETE FROM compensation_taxprofile",
        "UPDATE compensation_taxprofile SET legal_name = 'x'",
        "UPDATE compensation_taxrule SET basis_points = 1",
        "INSERT INTO compensation_invoiceline (invoice_id, ordinal, name, detail, quantity,"
        " counted, amount_units) SELECT id, 9, 'x', '', 1, 'x', 5 FROM compensation_invoice",
    ):
        refuses(statement, r"denied|refused|issued")


def refuses(statement: str, match: str) -> None:
    said = pytest.raises(Exception, match=match)
    with said, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def copy_of(made: Invoice, **changes) -> Invoice:
    """A document like another, as somebody might try to slip in."""
    fields = {
        field.attname: getattr(made, field.attname)
        for field in Invoice._meta.concrete_fields
        if field.attname not in ("id", "number", "sequence")
    }
    return Invoice(**{**fields, **changes})


def test_lines_that_do_not_add_up_are_refused(known: None, used: Party) -> None:
    issue()
    made = of(used)

    def slip_in(promised: int, *amounts: int) -> None:
        with transaction.atomic():
            copy = copy_of(made, line_count=promised)
            copy.save(force_insert=True)
            InvoiceLine.objects.bulk_create(
                InvoiceLine(
                    invoice=copy,
                    ordinal=ordinal,
                    name="x",
                    quantity=1,
                    counted="x",
                    amount_units=units,
                )
                for ordinal, units in enumerate(amounts)
            )
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    for promised, amounts in ((1, [3_330_001]), (2, [3_330_000, 1]), (2, [3_330_000])):
        with pytest.raises(Exception, match="add up"):
            slip_in(promised, *amounts)
    with pytest.raises(Exception, match="lacks lines"):
        slip_in(1)


def test_a_number_cannot_be_chosen(known: None, used: Party) -> None:
    issue()
    with transaction.atomic():
        copy = copy_of(of(used), number="INV-2026-000099", sequence=99)
        copy.save(force_insert=True)
        copy.refresh_from_db()
        assert (copy.number, copy.sequence) == ("INV-2026-000002", 2)
        transaction.set_rollback(True)
