"""Acts over their limits take two people: one puts them forward, another does exactly that."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from compensation import (
    approvals,
    billing,
    corrections,
    deposits,
    invariants,
    journal,
    limits,
)
from compensation.admin import queue
from compensation.models import Account, Asset, Entry, PaymentRun
from compensation.templatetags.money import amount
from deploy.environment import TwoPeople
from provenance import conflicts, proposals
from provenance.conflicts import NotAnOperator
from provenance.models import Conflict, Event, Letter, Membership, Party, Proposal, Resolution, User
from tests import doors, factories
from tests.cast import NOON
from tests.compensation.banking import LATER, account, earn, our_account  # noqa: F401
from tests.compensation.conftest import grant, held, priced, use
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

Kind = Proposal.Kind
State = Proposal.State


@pytest.fixture
def rich_conflict(conflict: Conflict, rich_lab: Party, euro: Asset) -> Conflict:  # noqa: F811
    """Three euro of Ben's five are held for Ada's claim, and it is time to decide."""
    version = conflict.later.versions.get()
    priced(version, euro, price_units=1_000_000_000)
    grant(rich_lab, version)
    use(rich_lab, version, records=5)
    billing.bill_batch(at=NOON + timedelta(hours=1))
    to_decide(conflict)
    return fresh(conflict)


@pytest.fixture
def tight(settings) -> None:
    """Whatever is worth more than two euro takes two people."""
    two = {"*": Decimal(2)}
    settings.TWO_PEOPLE = TwoPeople(decision=two, refund=two, entry=two, payout=two)


def decide(conflict: Conflict, by: User | None, at=NOON, **more):  # noqa: F811
    kind = Kind.APPEAL if conflict.state == "appealed" else Kind.DECISION
    body = {"conflict": str(conflict.pk), "outcome": "to_earlier", "reasons": "Published."}
    return approvals.attempt(
        kind=kind, subject=str(conflict.pk), body={**body, **more}, by=by, at=at
    )


def approve(proposal: Proposal, by: User, at=NOON) -> Proposal:
    return approvals.approve(proposal=proposal, by=by, at=at)


def test_below_the_limit_one_operator_decides_alone(rich_conflict: Conflict, olga: User) -> None:
    made = decide(rich_conflict, olga)
    assert isinstance(made, Resolution)
    assert not Proposal.objects.exists()


def test_over_the_limit_nothing_moves_until_a_second_operator_agrees(
    tight: None, rich_conflict: Conflict, olga: User, otto: User
) -> None:
    proposal = decide(rich_conflict, olga)
    assert proposal.stake == "3.00 EUR"
    assert "Published." in proposal.words
    assert (fresh(rich_conflict).state, Resolution.objects.count()) == ("deciding", 0)
    assert [case.kind for case in queue.cases(at=NOON, limit=9)] == ["proposal"]
    asked = Letter.objects.filter(notice__kind="operator.approve", user__isnull=False)
    assert [letter.user for letter in asked] == [otto]
    approve(proposal, otto)
    made = Resolution.objects.get()
    assert (made.decided_by, made.reasons) == (olga, "Published.")
    assert fresh(rich_conflict).state == "decided"
    proposal.refresh_from_db()
    assert (proposal.state, proposal.decided_by) == (State.APPROVED, otto)
    noted = Event.objects.filter(subject_kind="proposal").order_by("id")
    kinds = list(noted.values_list("kind", flat=True))
    assert kinds == ["proposal.made", "proposal.approved"]
    told = Event.objects.filter(kind="proposal.approved").get()
    assert told.body["digest"] == bytes(proposal.digest).hex()
    assert told.party is None


def test_nobody_approves_or_refuses_their_own(
    tight: None, rich_conflict: Conflict, olga: User
) -> None:
    proposal = decide(rich_conflict, olga)
    with pytest.raises(proposals.NotASecondPerson):
        approve(proposal, olga)
    with pytest.raises(proposals.NotASecondPerson):
        proposals.refuse(proposal=proposal, reason="No.", by=olga, at=NOON)
    assert not Resolution.objects.exists()


def test_the_database_refuses_a_self_approval_whoever_asks(
    tight: None, rich_conflict: Conflict, olga: User, otto: User
) -> None:
    proposal = decide(rich_conflict, olga)
    rows = Proposal.objects.filter(pk=proposal.pk)
    for change in (
        {"state": "approved", "decided_by": olga, "decided_at": NOON},
        {"state": "approved", "decided_by": None, "decided_at": NOON},
        {"state": "approved", "decided_by": olga, "decided_at": NOON, "proposed_by": otto},
        {"proposed_by": otto},
        {"body": {}},
    ):
        with pytest.raises((IntegrityError, DatabaseError)), transaction.atomic():
            rows.update(**change)
    approve(proposal, otto)
    for change in ({"state": "open", "decided_at": None}, {"decided_by": olga}):
        with pytest.raises((IntegrityError, DatabaseError)), transaction.atomic():
            rows.update(**change)


def test_a_refusal_has_a_reason_and_does_nothing(
    tight: None, rich_conflict: Conflict, olga: User, otto: User
) -> None:
    proposal = decide(rich_conflict, olga)
    with pytest.raises(proposals.NoReason):
        proposals.refuse(proposal=proposal, reason=" ", by=otto, at=NOON)
    proposals.refuse(proposal=proposal, reason="The date is wrong.", by=otto, at=NOON)
    with pytest.raises(proposals.ProposalEnded):
        approve(proposal, otto)
    assert not Resolution.objects.exists()
    assert isinstance(decide(rich_conflict, olga), Proposal)


def test_only_the_proposer_withdraws(
    tight: None, rich_conflict: Conflict, olga: User, otto: User
) -> None:
    proposal = decide(rich_conflict, olga)
    with pytest.raises(proposals.NotTheProposer):
        proposals.withdraw(proposal=proposal, by=otto, at=NOON)
    proposals.withdraw(proposal=proposal, by=olga, at=NOON)
    assert Proposal.objects.get().state == State.WITHDRAWN


def test_what_nobody_approves_in_time_expires(
    tight: None, rich_conflict: Conflict, olga: User, otto: User
) -> None:
    proposal = decide(rich_conflict, olga)
    late = NOON + proposals.LASTS
    with pytest.raises(proposals.ProposalEnded):
        approve(proposal, otto, at=late)
    assert Proposal.objects.get().state == State.EXPIRED
    assert isinstance(decide(rich_conflict, olga, at=late), Proposal)
    assert proposals.expire(at=late + proposals.LASTS) == 1
    assert not Resolution.objects.exists()


def test_changed_facts_void_it(
    tight: None, rich_conflict: Conflict, olga: User, otto: User
) -> None:
    proposal = decide(rich_conflict, olga)
    claimed(rich_conflict, rich_conflict.later.owner, evidence="Drafts.")
    with pytest.raises(proposals.ProposalVoid):
        approve(proposal, otto)
    assert (Proposal.objects.get().state, Resolution.objects.count()) == (State.VOID, 0)


def test_the_same_again_is_the_same_and_something_else_must_wait(
    tight: None, rich_conflict: Conflict, olga: User, otto: User
) -> None:
    proposal = decide(rich_conflict, olga)
    assert decide(rich_conflict, olga) == proposal
    with pytest.raises(proposals.AlreadyProposed):
        decide(rich_conflict, otto)
    with pytest.raises(proposals.AlreadyProposed):
        decide(rich_conflict, olga, outcome="to_later")


def test_what_could_not_be_done_is_not_put_forward(
    tight: None, rich_conflict: Conflict, olga: User
) -> None:
    with pytest.raises(conflicts.resolutions.NothingToDecide):
        decide(rich_conflict, olga, filter={"record_ids": [1]})
    assert not Proposal.objects.exists()


def test_a_side_s_member_is_no_second_person(
    tight: None, rich_conflict: Conflict, olga: User, otto: User
) -> None:
    proposal = decide(rich_conflict, olga)
    Membership.objects.create(
        user=otto, party=rich_conflict.later.owner, role="viewer", created_at=NOON
    )
    with pytest.raises(NotAnOperator):
        approve(proposal, otto)
    assert Proposal.objects.get().state == State.OPEN


def test_an_appeal_is_for_those_who_neither_decided_nor_approved(
    tight: None, rich_conflict: Conflict, operator: Party, olga: User, otto: User
) -> None:
    approve(decide(rich_conflict, olga), otto)
    conflicts.appeal(conflict=rich_conflict, party=rich_conflict.later.owner, text="No.", at=NOON)
    appealed = fresh(rich_conflict)
    oona, omar = (
        factories.user(f"{n}@operations.example", party=operator) for n in ("oona", "omar")
    )
    for first in (olga, otto):
        with pytest.raises(NotAnOperator):
            decide(appealed, first, outcome="to_later")
    proposal = decide(appealed, oona, outcome="to_later")
    with pytest.raises(NotAnOperator):
        approve(proposal, otto)
    approve(proposal, omar)
    assert fresh(rich_conflict).state == "closed"


def test_a_reversal_over_the_limit_takes_two(
    tight: None, rich_lab: Party, euro: Asset, olga: User, otto: User
) -> None:
    entry = Entry.objects.get(kind="deposit")
    body = {"entry": entry.pk, "reason": "It was another lab's."}
    with pytest.raises(limits.TakesTwo):
        journal.reverse(entry=entry, reason="x", at=NOON, by=olga)
    proposal = approvals.attempt(
        kind=Kind.REVERSAL, subject=str(entry.pk), body=body, by=olga, at=NOON
    )
    assert proposal.stake == "100.00 EUR"
    assert held(euro, Account.Kind.LAB, rich_lab) == 100_000_000
    approve(proposal, otto)
    assert held(euro, Account.Kind.LAB, rich_lab) == 0


def test_a_refund_counts_once_and_over_the_limit_takes_two(
    tight: None, rich_lab: Party, euro: Asset, olga: User, otto: User
) -> None:
    body = {
        "lab": str(rich_lab.pk), "asset": euro.code, "reference": "r1", "reason": "It closes.",
    }  # fmt: skip
    ask = {"kind": Kind.REFUND, "by": olga, "at": NOON}
    small = [
        approvals.attempt(subject="a", body={**body, "units": "2000000"}, **ask) for _ in range(2)
    ]
    assert small[0] == small[1]
    body["reference"] = "r2"
    proposal = approvals.attempt(subject="b", body={**body, "units": "98000000"}, **ask)
    approve(proposal, otto)
    assert held(euro, Account.Kind.LAB, rich_lab) == 0
    with pytest.raises(corrections.ReferenceUsed):
        approvals.attempt(subject="c", body={**body, "units": "1"}, **ask)
    with pytest.raises(journal.NotEnoughMoney):
        approvals.attempt(subject="d", body={**body, "reference": "r3", "units": "1000000"}, **ask)
    assert list(invariants.broken()) == []


def test_an_entry_by_hand_moves_between_accounts_that_people_may_post_to(
    rich_lab: Party, euro: Asset, olga: User
) -> None:
    lab = journal.account(Account.Kind.LAB, euro, party=rich_lab)
    fee = journal.account(Account.Kind.PLATFORM_FEE, euro)
    made = corrections.adjust(
        source=lab, target=fee, amount_units=5, reference="x", reason="A fee.", at=NOON, by=olga
    )
    assert made.facts == {"reason": "A fee.", "reference": "x"}
    assert held(euro, Account.Kind.PLATFORM_FEE) == 5
    pending = journal.account(Account.Kind.OWNER_PENDING, euro, party=rich_lab)
    for source, target, units in ((lab, pending, 1), (lab, lab, 1), (lab, fee, 0)):
        with pytest.raises(corrections.BadCorrection):
            corrections.adjust(
                source=source, target=target, amount_units=units, reference="y", reason="z",
                at=NOON,
            )  # fmt: skip
    assert list(invariants.broken()) == []


def test_a_payment_run_over_the_limit_is_ordered_by_two(
    tight: None,
    ada: Party,
    euro: Asset,
    our_account,  # noqa: F811
    olga: User,
    otto: User,
) -> None:
    account(ada, euro)
    earn(ada, euro, 5_000_000)
    body = {"asset": euro.code, "execute_on": LATER.date().isoformat()}
    ask = {"kind": Kind.RUN, "subject": str(euro.pk), "body": body, "by": olga}
    proposal = approvals.attempt(at=LATER, **ask)
    assert (proposal.stake, PaymentRun.objects.count()) == ("5.00 EUR", 0)
    earn(ada, euro, 400_000, at=LATER)
    approve(proposal, otto, at=LATER + DAY)
    assert PaymentRun.objects.get().amount_units == 5_400_000
    earn(ada, euro, 5_000_000, at=LATER + DAY)
    again = approvals.attempt(at=LATER + DAY, **{**ask, "body": {
        **body, "execute_on": (LATER + DAY).date().isoformat()}})  # fmt: skip
    earn(ada, euro, 5_000_000, at=LATER + DAY)
    with pytest.raises(proposals.ProposalVoid):
        approve(again, otto, at=LATER + DAY)
    again.refresh_from_db()
    assert (again.state, PaymentRun.objects.count()) == (State.VOID, 1)


def test_the_limit_is_the_asset_s_own_or_the_one_for_all(euro: Asset, settings) -> None:
    yen = deposits.register_asset(code="iso4217:JPY", symbol="JPY", scale=0)
    settings.TWO_PEOPLE = TwoPeople(
        entry={"iso4217:JPY": Decimal(150_000), "*": Decimal("1000.50")}, refund={}
    )
    assert limits.limit_units(limits.Act.ENTRY, yen) == 150_000
    assert limits.limit_units(limits.Act.ENTRY, euro) == 1_000_500_000
    assert limits.limit_units(limits.Act.REFUND, euro) == 0
    assert limits.limit_units(limits.Act.PAYOUT, euro) == 10_000_000_000


def test_the_api_puts_forward_and_a_colleague_s_key_approves(
    tight: None, rich_conflict: Conflict, operator: Party, olga: User, otto: User, ada: Party
) -> None:
    first, second = doors.of(operator, by=olga), doors.of(operator, by=otto)
    body = {"outcome": "to_earlier", "reasons": "Published."}
    path = f"conflicts/{rich_conflict.pk}/decide"
    made = first.post(path, body, 202)
    assert (made["state"], made["stake"]) == ("open", "3.00 EUR")
    own = f"proposals/{made['id']}"
    assert first.post(f"{own}/approve", {}, 403)["code"] == "not_a_second_person"
    assert doors.of(operator, "finance", by=otto).post(f"{own}/approve", {}, 403)["code"]
    assert doors.of(ada).get("proposals")["results"] == []
    assert doors.of(ada).get(own, 404)
    assert doors.of(ada).post(f"{own}/approve", {}, 404)
    assert second.post(f"{own}/approve", {"reason": "So it is."})["state"] == "approved"
    assert second.post(f"{own}/approve", {}, 409)["code"] == "proposal_ended"
    assert fresh(rich_conflict).state == "decided"


def test_a_key_without_a_person_puts_nothing_forward(
    tight: None, rich_lab: Party, operator: Party
) -> None:
    entry = Entry.objects.get(kind="deposit")
    answer = doors.of(operator).post(f"entries/{entry.pk}/reverse", {"reason": "x"}, 409)
    assert answer["code"] == "takes_two_people"
    assert not Proposal.objects.exists()


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def test_two_people_decide_on_the_pages(
    tight: None, rich_conflict: Conflict, olga: User, otto: User, ada: Party
) -> None:
    page = reverse("admin:provenance_conflict_change", args=[rich_conflict.pk])
    told = {
        "decide-outcome": "to_earlier", "decide-reasons": "Published.",
        "decide-earlier_parts": "5000", "decide-from_the_start": "on",
    }  # fmt: skip
    one, other = signed_in(olga), signed_in(otto)
    assert "Above 2.00 EUR a second operator must agree." in one.get(page).content.decode()
    answer = one.post(f"{page}decide/", told, follow=True)
    assert "You put it forward" in answer.content.decode()
    proposal = Proposal.objects.get()
    own = reverse("admin:provenance_proposal_change", args=[proposal.pk])
    assert 'id="approve"' not in one.get(own).content.decode()
    assert 'id="decide"' not in one.get(page).content.decode()
    assert "Waits for a second operator" in one.get(page).content.decode()
    one.post(f"{own}approve/", {"approve-reason": ""})
    assert Proposal.objects.get().state == State.OPEN
    stranger = signed_in(factories.user("ada@aurora.example", party=ada))
    assert stranger.get(own).status_code == 404
    assert "Waits for a second" not in stranger.get(page).content.decode()
    shown = other.get(own).content.decode()
    assert 'id="approve"' in shown
    ((code, units),) = proposal.basis["held"].items()
    in_words = amount(int(units), Asset.objects.get(code=code))
    assert f"<dt>Money held for it</dt><dd>{in_words}</dd>" in shown
    assert "<dd>Waiting for a decision</dd>" in shown
    done = other.post(f"{own}approve/", {"approve-reason": "Yes."}, follow=True)
    assert "Decided:" in done.content.decode()
    assert fresh(rich_conflict).state == "decided"


def test_an_operator_pays_back_and_posts_by_hand_on_the_pages(
    rich_lab: Party, euro: Asset, olga: User
) -> None:
    client = signed_in(olga)
    client.post(
        reverse("admin:compensation_deposit_list_verb", args=["refund"]),
        {"refund-lab": rich_lab.pk, "refund-asset": euro.pk, "refund-amount": "40.00",
         "refund-reference": "r1", "refund-reason": "It asked."},
    )  # fmt: skip
    assert held(euro, Account.Kind.LAB, rich_lab) == 60_000_000
    lab = journal.account(Account.Kind.LAB, euro, party=rich_lab)
    fee = journal.account(Account.Kind.PLATFORM_FEE, euro)
    client.post(
        reverse("admin:compensation_entry_list_verb", args=["adjust"]),
        {"adjust-source": lab.pk, "adjust-target": fee.pk, "adjust-amount": "1.50",
         "adjust-reference": "f1", "adjust-reason": "A fee for a copy on paper."},
    )  # fmt: skip
    assert held(euro, Account.Kind.PLATFORM_FEE) == 1_500_000
