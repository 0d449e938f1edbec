"""The operators' queue: everything that waits, what is due first on top, each with its taker."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, InternalError, transaction
from django.test import Client
from django.urls import reverse

from compensation import billing, reconciliation
from compensation.admin import queue
from compensation.models import Asset, Difference
from provenance import casework, conflicts
from provenance.admin.conflicts import steps
from provenance.models import (
    AccessLog,
    Assignment,
    CaseKind,
    Conflict,
    OutboxTransaction,
    Party,
    User,
)
from tests import factories
from tests.cast import NOON
from tests.compensation.banking import account, earn, our_account, returned, run_of  # noqa: F401
from tests.compensation.conftest import grant, priced, use
from tests.provenance.conftest import (  # noqa: F401
    DAY,
    adas,
    bens,
    claimed,
    conflict,
    fresh,
    to_decide,
)

pytestmark = pytest.mark.django_db


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def kinds(at=NOON, **wanted) -> list[str]:
    return [case.kind for case in queue.cases(at=at, limit=50, **wanted)]


@pytest.fixture
def difference(euro: Asset) -> Difference:
    """Seven euro that the bank has and the journal has not, for a fortnight."""
    return Difference.objects.create(
        key="bank:1", side="bank", asset=euro, amount_units=7_000_000, words="The bank has more.",
        advice="Look for a booking.", since=NOON - 14 * DAY, first_seen_at=NOON, last_seen_at=NOON,
    )  # fmt: skip


@pytest.fixture
def reverted(db: None) -> OutboxTransaction:
    return OutboxTransaction.objects.create(
        chain_id=31337, account="0x" + "1" * 40, purpose="propose payout epoch 3",
        idempotency_key="x", data=b"", gas_limit=1, state="review", nonce=1, created_at=NOON,
    )  # fmt: skip


def test_a_conflict_says_until_when_a_claim_is_judged_as_the_queue_does(
    conflict: Conflict,  # noqa: F811
    ben: Party,
) -> None:
    claimed(conflict, ben, evidence="Published in 1999.")
    (case,) = queue.cases(at=NOON, limit=9, kind="claim")
    awaited = steps(fresh(conflict))[-1]
    assert (awaited.is_awaited, awaited.at) == (True, case.due_at)


def test_what_is_due_first_stands_on_top_with_its_deadline_and_its_money(
    conflict: Conflict,  # noqa: F811
    difference: Difference,
    reverted: OutboxTransaction,
    rich_lab: Party,
    euro: Asset,
) -> None:
    priced(conflict.later.versions.get(), euro, price_units=1_000_000_000)
    grant(rich_lab, conflict.later.versions.get())
    use(rich_lab, conflict.later.versions.get(), records=5)
    billing.bill_batch(at=NOON + timedelta(hours=1))
    to_decide(conflict)
    found = queue.cases(at=NOON, limit=50)
    assert [case.kind for case in found] == [
        CaseKind.DIFFERENCE,
        CaseKind.TRANSACTION,
        CaseKind.CONFLICT,
    ]
    assert [case.stake for case in found] == ["7.00 EUR", "", "3.00 EUR"]
    assert found[2].due_at == fresh(conflict).deadline_at
    assert found[2].since == NOON
    assert f"/admin/provenance/conflict/{conflict.pk}/#decide" == found[2].url


def test_a_case_leaves_the_queue_when_it_is_done(
    conflict: Conflict,  # noqa: F811
    olga: User,
    difference: Difference,
) -> None:
    to_decide(conflict)
    assert kinds() == ["difference", "conflict"]
    conflicts.decide(
        conflict=conflict, outcome="to_earlier", reasons="Published.", by=olga, at=NOON
    )
    reconciliation.explain(difference=difference, note="A transfer of June.", at=NOON)
    assert kinds() == []
    conflicts.appeal(conflict=conflict, party=conflict.later.owner, text="No.", at=NOON)
    assert kinds() == ["appeal"]


def test_a_claim_against_an_earlier_registration_waits_to_be_admitted(
    conflict: Conflict,  # noqa: F811
    olga: User,
) -> None:
    claimed(conflict, conflict.later.owner, evidence="Drafts.")
    (case,) = queue.cases(at=NOON, limit=50)
    assert (case.kind, case.due_at) == (CaseKind.CLAIM, NOON + 7 * DAY)
    conflicts.admit_claim(claim=conflict.claims.get(), by=olga, at=NOON)
    assert kinds() == []


def test_a_case_is_taken_handed_over_and_given_back_and_who_had_it_stays_on_record(
    conflict: Conflict,  # noqa: F811
    olga: User,
    otto: User,
) -> None:
    to_decide(conflict)
    key = str(conflict.pk)
    for to in (olga, olga, otto, None):
        casework.assign(kind=CaseKind.CONFLICT, subject=key, to=to, by=olga, at=NOON)
    had = Assignment.objects.order_by("pk")
    assert [(one.assignee, one.ended_at) for one in had] == [(olga, NOON), (otto, NOON)]
    assert kinds(whose="nobody") == ["conflict"]
    casework.assign(kind=CaseKind.CONFLICT, subject=key, to=otto, by=otto, at=NOON)
    assert kinds(whose="nobody") == []
    assert kinds(whose="mine", person=otto) == ["conflict"]
    assert kinds(whose="mine", person=olga) == []


def test_the_database_keeps_one_assignee_and_every_earlier_one(
    conflict: Conflict,  # noqa: F811
    olga: User,
    otto: User,
) -> None:
    casework.assign(kind=CaseKind.CONFLICT, subject="x", to=olga, by=olga, at=NOON)
    with pytest.raises(IntegrityError), transaction.atomic():
        Assignment.objects.create(
            kind="conflict", subject="x", assignee=otto, assigned_by=otto, assigned_at=NOON
        )
    for change in (
        lambda: Assignment.objects.update(assignee=otto),
        lambda: Assignment.objects.all().delete(),
    ):
        with pytest.raises((IntegrityError, InternalError)), transaction.atomic():
            change()


def test_nobody_but_an_operator_looks_after_a_case(ada: Party, olga: User) -> None:
    stranger = factories.user("ada@aurora.example", party=ada)
    for to, by in ((stranger, olga), (olga, stranger)):
        with pytest.raises(casework.NotAColleague):
            casework.assign(kind=CaseKind.CONFLICT, subject="x", to=to, by=by, at=NOON)


def test_the_page_takes_a_line_and_opens_where_one_acts(
    conflict: Conflict,  # noqa: F811
    olga: User,
    otto: User,
) -> None:
    to_decide(conflict)
    client, page = signed_in(olga), reverse("admin:queue")
    shown = client.get(page).content.decode()
    assert f'href="/admin/provenance/conflict/{conflict.pk}/#decide"' in shown
    told = {"case": f"conflict:{conflict.pk}", "to": olga.pk, "next": f"{page}?kind=conflict"}
    answer = client.post(reverse("admin:queue-assign"), told)
    assert answer["Location"] == f"{page}?kind=conflict"
    assert "olga@operations.example" in client.get(f"{page}?whose=mine").content.decode()
    assert "Nothing of this waits" in client.get(f"{page}?kind=review").content.decode()
    looks = AccessLog.objects.filter(party=conflict.later.owner)
    assert looks.filter(what="the operators' queue").exists()
    assert str(conflict.pk) in client.get("/admin/").content.decode()


def test_the_queue_is_nobodys_business_but_the_operators(ada: Party, lab: Party) -> None:
    for party, email in ((ada, "ada@aurora.example"), (lab, "lea@cobalt.example")):
        client = signed_in(factories.user(email, party=party))
        assert client.get(reverse("admin:queue")).status_code == 403
        assert client.post(reverse("admin:queue-assign"), {"case": "claim:1"}).status_code == 403
        assert "admin/queue" not in client.get("/admin/").content.decode()
    assert not Assignment.objects.exists()


@pytest.mark.parametrize("case", ["", "claim:1", "conflict:x", "review:0", "sonnet:1", "booking:x"])
def test_a_case_that_is_not_there_is_taken_by_nobody(case: str, olga: User) -> None:
    client = signed_in(olga)
    answer = client.post(
        reverse("admin:queue-assign"),
        {"case": case, "to": olga.pk, "next": "https://evil.example/"},
    )
    assert answer["Location"] == reverse("admin:queue")
    assert not Assignment.objects.exists()


def test_a_reverted_transaction_is_sent_again_where_the_queue_leads(
    reverted: OutboxTransaction, olga: User
) -> None:
    client = signed_in(olga)
    (case,) = queue.cases(at=NOON, limit=50)
    assert b"Send it again" in client.get(case.url).content
    client.post(f"{case.url}send-again/", {"send-again-reason": "The treasury was funded."})
    reverted.refresh_from_db()
    assert reverted.state == OutboxTransaction.State.QUEUED
    assert "The treasury was funded." in reverted.note
    assert kinds() == []
