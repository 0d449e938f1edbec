"""The doors of invoices and tax data, tried by those they are for, and by others."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from rest_framework.test import APIClient

from compensation import invoices, tasks
from compensation.models import Asset, Invoice, InvoiceWaiting, TaxProfile, TaxRule
from provenance.models import AccessLog, DatasetVersion, Party, User
from tests import doors, factories
from tests.compensation import conftest as money
from tests.compensation.invoicing import LONG_AGO, charge, close, issue, profile, rule
from tests.papers import read

__all__ = ["read"]

pytestmark = pytest.mark.django_db

DATA = {
    "legal_name": "Cobalt Labs SAS",
    "street": "1 rue du Test",
    "postal_code": "75011",
    "city": "Paris",
    "country": "fr",
    "tax_country": "fr",
    "vat_id": "FR 40 303 265 045",
}


def test_an_invoice_has_the_names_of_its_parts_in_chinese_behind_the_english_that_counts(
    issued: Invoice, read: Any
) -> None:
    texts = read(lambda: invoices.as_pdf(issued))
    assert texts[0] == f"Invoice / 发票 {issued.number}"
    assert "本单据以英文为准；各部分名称附有译文。" in texts
    assert {"From / 卖方", "To / 买方", "Quantity / 数量", "Payment / 付款"} <= set(texts)
    assert any(text.startswith("To be paid / 应付金额, ") for text in texts)
    plain = read(lambda: invoices.as_pdf(issued), language="en-gb")
    assert {"From", "To", "Quantity", "Payment"} <= set(plain)
    assert len(plain) == len(texts) - 1
    assert not any("/ " in text for text in plain)


@pytest.fixture
def used(essays: DatasetVersion, rich_lab: Party, euro: Asset) -> Party:
    money.grant(rich_lab, essays)
    money.use(rich_lab, essays, records=333)
    charge(euro, rich_lab)
    return rich_lab


@pytest.fixture
def issued(used: Party, operator: Party, ada: Party) -> Invoice:
    """The lab's invoice; the owner's stands beside it."""
    for party in (operator, used, ada):
        profile(party)
    rule("lab")
    rule("owner")
    issue()
    return Invoice.objects.get(party=used)


def signed_in(party: Party, email: str, role: str = "admin") -> Client:
    person = User.objects.filter(email=email).first()
    client = Client()
    client.force_login(person or factories.user(email, party=party, role=role))
    return client


def in_browser(party: Party, email: str, role: str = "admin") -> APIClient:
    client = APIClient()
    client.force_login(factories.user(email, party=party, role=role))
    return client


def test_a_lab_reads_its_invoice_as_data_and_on_paper(issued: Invoice, used: Party) -> None:
    door = doors.of(used)
    (row,) = door.get("invoices?period=2026-03")["results"]
    assert (row["number"], row["net_units"], row["kind"]) == ("INV-2026-000001", "3330000", "380")
    document = door.get(f"invoices/{issued.pk}")
    assert document == invoices.as_document(issued)
    paper = door.raw("GET", f"invoices/{issued.pk}/document.pdf")
    assert paper.content.startswith(b"%PDF")
    assert paper.content == invoices.as_pdf(issued)
    assert 'filename="inv-2026-000001.pdf"' in paper.headers["Content-Disposition"]


def test_a_second_partys_key_finds_no_invoice(issued: Invoice, ben: Party, ada: Party) -> None:
    for party in (ben, ada):
        door = doors.of(party)
        door.get(f"invoices/{issued.pk}", 404)
        door.get(f"invoices/{issued.pk}/document.pdf", 404)
        refused = door.post(f"invoices/{issued.pk}/take-back", {"reason": "x"}, 403)
        assert refused["code"] == "operators_only"
        assert door.post("invoices/issue", {"period": "2026-03"}, 403)["code"] == "operators_only"
    assert doors.of(ben).get("invoices")["results"] == []
    (own,) = doors.of(ada).get("invoices")["results"]
    assert own["kind"] == "389"
    assert APIClient().get(f"/api/v1/invoices/{issued.pk}").status_code == 401


def test_an_operator_takes_a_document_back_and_the_task_issues_it_anew(
    issued: Invoice, operator: Party, olga: User, used: Party
) -> None:
    door = doors.of(operator, by=olga)
    assert door.post(f"invoices/{issued.pk}/take-back", {}, 400)
    note = door.post(f"invoices/{issued.pk}/take-back", {"reason": "Wrong address."}, 201)
    assert (note["number"], note["corrects"]) == ("CRN-2026-000001", "INV-2026-000001")
    again = door.post(f"invoices/{issued.pk}/take-back", {"reason": "Wrong."}, 409)
    assert again["code"] == "nothing_to_correct"
    assert tasks.issue_invoices() == 1
    assert tasks.issue_invoices() == 0
    numbers = [row["number"] for row in doors.of(used).get("invoices")["results"]]
    assert set(numbers) == {"CRN-2026-000001", "INV-2026-000001", "INV-2026-000002"}
    assert AccessLog.objects.filter(party=used, what__contains="invoices").exists()


def test_a_month_is_issued_on_demand_and_what_waits_says_what_it_takes(
    used: Party, operator: Party, ada: Party, ben: Party
) -> None:
    door = doors.of(operator)
    refused = door.post("invoices/issue", {"period": "2026-03"}, 409)
    assert refused["code"] == "period_is_open"
    close()
    door.post("invoices/issue", {"period": "2026-05"}, 404)
    answer = door.post("invoices/issue", {"period": "2026-03"})
    assert answer["issued"] == 0
    assert {one["reason"] for one in answer["waiting"]} == {"no_operator_data"}
    (mine,) = doors.of(used).get("invoices/waiting")["results"]
    assert (mine["period"], mine["words"]) == (
        "2026-03", "The operator has yet to enter its own tax data.",
    )  # fmt: skip
    assert doors.of(ben).get("invoices/waiting")["results"] == []
    assert doors.read_only(operator).post("invoices/issue", {"period": "2026-03"}, 403)


def test_tax_data_are_for_a_partys_admin_alone(lab: Party, ben: Party) -> None:
    admin = in_browser(lab, "lea@cobalt.example")
    assert admin.get("/api/v1/tax-data").json()["code"] == "no_tax_data"
    kept = admin.put("/api/v1/tax-data", DATA, format="json").json()
    assert (kept["country"], kept["vat_id"]) == ("FR", "FR40303265045")
    assert admin.get("/api/v1/tax-data").json() == kept
    wrong = admin.put("/api/v1/tax-data", {**DATA, "vat_id": "FR1"}, format="json")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "bad_tax_data")
    for role in ("finance", "rights", "developer", "viewer"):
        other = in_browser(lab, f"{role}@cobalt.example", role)
        assert other.get("/api/v1/tax-data").status_code == 403
        assert other.put("/api/v1/tax-data", DATA, format="json").status_code == 403
    assert doors.of(lab).get("tax-data", 403)["code"] == "not_allowed"
    stranger = in_browser(ben, "ben@birch.example")
    assert stranger.get("/api/v1/tax-data").status_code == 404
    assert TaxProfile.objects.get().party == lab


def test_vat_is_set_by_operators(operator: Party, lab: Party) -> None:
    body = {
        "side": "lab", "country": "de", "category": "S", "basis_points": 1_900,
        "valid_from": "2020-01-01T00:00:00Z",
    }  # fmt: skip
    assert doors.of(lab).post("tax-rules", body, 403)["code"] == "operators_only"
    made = doors.of(operator).post("tax-rules", body, 201)
    assert (made["country"], made["basis_points"]) == ("DE", 1_900)
    assert doors.of(operator).post("tax-rules", body, 409)["code"] == "tax_rule_stands"
    wrong = {**body, "country": "fr", "basis_points": 0}
    assert doors.of(operator).post("tax-rules", wrong, 400)["code"] == "bad_tax_rule"
    assert doors.of(lab).get("tax-rules")["results"] == []


def test_the_pages_of_an_invoice(issued: Invoice, used: Party, ada: Party) -> None:
    client = signed_in(used, "lea@cobalt.example")
    page = reverse("admin:compensation_invoice_change", args=[issued.pk])
    shown = client.get(page).content.decode()
    for words in ("INV-2026-000001", "Cobalt Labs GmbH", "DE123456789", "aurora-archive/essays@1"):
        assert words in shown
    assert client.get(f"{page}document.pdf").content.startswith(b"%PDF")
    assert client.get(f"{page}document.json").json() == invoices.as_document(issued)
    other = signed_in(ada, "ada@aurora.example")
    for address in (page, f"{page}document.pdf", f"{page}document.json", f"{page}take-back/"):
        assert other.get(address).status_code == 404


def test_the_page_adds_up_and_says_who_tells_where_to_pay(
    issued: Invoice, used: Party, operator: Party, olga: User
) -> None:
    shown = read_page(signed_in(used, "lea@cobalt.example"), issued)
    for words in ("With VAT", "Settled in the balance", "The operator tells you where to pay."):
        assert words in shown
    client = signed_in(operator, olga.email)
    client.post(reverse("admin:reason"), {"reason": "billing"})
    assert "Your payment details are missing" in read_page(client, issued)


def test_what_an_invoice_keeps_is_said_in_the_readers_language(
    issued: Invoice, used: Party
) -> None:
    digest = invoices.digest_of(issued)
    client = signed_in(used, "lea@cobalt.example")
    client.cookies["django_language"] = "zh-hans"
    shown = read_page(client, issued)
    assert issued.lines.get().detail not in shown
    assert "每 1,000 条记录" in shown
    with translation.override("zh-hans"):
        assert invoices.digest_of(issued) == digest


def read_page(client: Client, invoice: Invoice) -> str:
    page = reverse("admin:compensation_invoice_change", args=[invoice.pk])
    return str(client.get(page).content.decode())


def test_an_operator_works_in_the_browser(
    used: Party, operator: Party, olga: User, ada: Party
) -> None:
    client = signed_in(operator, olga.email)
    close()
    tasks.issue_invoices()
    queue = client.get(reverse("admin:compensation_invoicewaiting_changelist")).content.decode()
    assert "The operator has yet to enter its own tax data." in queue
    waiting = InvoiceWaiting.objects.get(party=used)
    client.post(reverse("admin:reason"), {"reason": "billing"})
    address = reverse("admin:compensation_invoicewaiting_change", args=[waiting.pk])
    assert "Cobalt Labs" in client.get(address).content.decode()
    own = {f"set-{name}": value for name, value in {**DATA, "payment_details": "IBAN 1"}.items()}
    client.post(reverse("admin:compensation_taxprofile_list_verb", args=["set"]), own)
    signed_in(used, "lea@cobalt.example").post(
        reverse("admin:compensation_taxprofile_list_verb", args=["set"]),
        {name: value for name, value in own.items() if "payment" not in name},
    )
    vat = {
        "set-side": "lab", "set-country": "FR", "set-category": "S", "set-rate": "20",
        "set-valid_from": "2026-01-01",
    }  # fmt: skip
    client.post(reverse("admin:compensation_taxrule_list_verb", args=["set"]), vat)
    assert TaxRule.objects.get().basis_points == 2_000
    done = client.post(
        reverse("admin:compensation_invoice_list_verb", args=["issue"]), {"issue-period": "2026-03"}
    )
    said = " ".join(map(str, get_messages(done.wsgi_request)))
    assert "Issued for 2026-03: 1. Waiting: 1." in said
    made = Invoice.objects.get()
    page = reverse("admin:compensation_invoice_change", args=[made.pk])
    client.post(f"{page}take-back/", {"take-back-reason": "A typo."})
    assert Invoice.objects.get(corrects=made).reason == "A typo."
    assert "Taken back by" in client.get(page).content.decode()
    assert AccessLog.objects.filter(party=used, reason=f"invoice {made}").exists()


@pytest.mark.parametrize("role", ["finance", "viewer", "developer"])
def test_the_page_of_tax_data_is_for_admins(lab: Party, role: str) -> None:
    profile(lab)
    row = TaxProfile.objects.get()
    client = signed_in(lab, f"{role}@cobalt.example", role)
    assert client.get(reverse("admin:compensation_taxprofile_changelist")).status_code == 403
    page = reverse("admin:compensation_taxprofile_change", args=[row.pk])
    assert client.get(page).status_code == 404
    admin: Any = signed_in(lab, "lea@cobalt.example")
    assert "Cobalt Labs GmbH" in admin.get(page).content.decode()


def test_who_lacks_tax_data_is_led_to_them_and_the_invoice_follows_at_once(
    used: Party, operator: Party, ada: Party
) -> None:
    for party in (operator, ada):
        profile(party)
    rule("lab", "FR")
    rule("owner")
    close()
    tasks.issue_invoices()
    form = reverse("admin:compensation_taxprofile_list_verb", args=["set"])
    waiting = InvoiceWaiting.objects.get()
    places = (
        reverse("admin:index"),
        reverse("admin:compensation_invoicewaiting_change", args=[waiting.pk]),
    )
    client = signed_in(used, "lea@cobalt.example")
    assert all(f'href="{form}"' in client.get(place).content.decode() for place in places)
    listed = client.get(reverse("admin:compensation_invoice_changelist")).content.decode()
    assert "An admin of Cobalt Labs has yet to enter" in listed
    viewer = signed_in(used, "vera@cobalt.example", "viewer")
    assert not any(f'href="{form}"' in viewer.get(place).content.decode() for place in places)
    entered = {f"set-{name}": value for name, value in DATA.items()}
    done = client.post(form, entered)
    said = " ".join(map(str, get_messages(done.wsgi_request)))
    assert "What waited for these data is issued: 1." in said
    assert Invoice.objects.get(party=used).buyer["legal_name"] == "Cobalt Labs SAS"
    assert not InvoiceWaiting.objects.exists()
    assert f'href="{form}"' not in client.get(places[0]).content.decode()


def test_operators_are_led_to_what_they_have_to_enter_until_it_is_there(
    used: Party, operator: Party, ada: Party, olga: User
) -> None:
    close()
    tasks.issue_invoices()
    client, home = signed_in(operator, olga.email), reverse("admin:index")
    form = reverse("admin:compensation_taxprofile_list_verb", args=["set"])
    vat = reverse("admin:compensation_taxrule_list_verb", args=["set"])

    def asked() -> set[str]:
        shown = client.get(home).content.decode()
        return {link for link in (form, vat) if f'href="{link}"' in shown}

    assert asked() == {form}
    for party in (operator, used, ada):
        profile(party)
    assert asked() == set()
    tasks.issue_invoices()
    assert asked() == {vat}
    for side in ("lab", "owner"):
        invoices.set_rule(
            side=side, country="DE", category="S", basis_points=1_900, valid_from=LONG_AGO,
            by=olga, at=timezone.now(),
        )  # fmt: skip
    assert asked() == set()
    assert tasks.issue_invoices() == 2


def test_tax_data_sent_by_a_program_issue_what_waited_for_them(
    used: Party, operator: Party
) -> None:
    profile(operator)
    rule("lab", "FR")
    close()
    tasks.issue_invoices()
    admin = in_browser(used, "lea@cobalt.example")
    assert admin.put("/api/v1/tax-data", DATA, format="json").status_code == 200
    assert Invoice.objects.get().party == used
    assert set(InvoiceWaiting.objects.values_list("side", flat=True)) == {"owner"}
