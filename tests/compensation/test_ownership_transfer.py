"""A dataset passes to another owner: from that moment on it earns for the other, to the unit."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tallymark.replay import replay

from compensation import approvals, billing, deposits, exports, invariants, statements, weights
from compensation.models import Asset, Charge, WeightVersion
from provenance import (
    conflicts,
    contributors,
    derivation,
    ledger,
    licensing,
    ownership,
    proposals,
    publishing,
    registry,
    restrictions,
    usage,
)
from provenance.models import (
    Event,
    Notice,
    OwnershipTransfer,
    Party,
    Proposal,
    Restriction,
    Tenure,
    Usage,
)
from provenance.refusals import Refused
from tests import doors, factories
from tests.cast import NOON
from tests.compensation.conftest import grant, more, pending, priced, texts, use
from tests.exports import save

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
State = OwnershipTransfer.State


def passed(version, receiver: Party, at=NOON) -> OwnershipTransfer:
    """The version's dataset, handed over at `at`."""
    dataset = version.dataset
    dataset.refresh_from_db()
    offered = ownership.propose_transfer(
        dataset=dataset, receiver=receiver, reason="Sold.", by=None, at=at - HOUR
    )
    made = ownership.accept_transfer(transfer=offered, party=receiver, by=None, at=at)
    version.refresh_from_db()
    dataset.refresh_from_db()
    return made


def bill_all(at) -> None:
    while billing.bill_batch(3, at=at):
        pass


def test_what_was_used_before_earns_for_the_giver_and_since_for_the_receiver(
    ada, ben, rich_lab, essays, euro
):
    grant(rich_lab, essays)
    early = use(rich_lab, essays, records=30, at=NOON)
    passed(essays, ben, NOON + DAY)
    late = use(rich_lab, essays, records=50, at=NOON + DAY)
    bill_all(NOON + 2 * DAY)
    assert (pending(euro, ada), pending(euro, ben)) == (300_000, 500_000)
    mine = Charge.objects.visible_to(factories.viewer(ada))
    his = Charge.objects.visible_to(factories.viewer(ben))
    assert [one.usage_id for one in mine] == [early.pk]
    assert [one.usage_id for one in his] == [late.pk]
    assert list(invariants.broken()) == []


def test_a_report_that_crosses_the_moment_is_charged_up_to_it_first(
    ada, ben, rich_lab, essays, euro
):
    grant(rich_lab, essays)
    made = use(rich_lab, essays, records=30, at=NOON, is_ended=False)
    passed(essays, ben, NOON + HOUR)
    more(made.run, made.subject, records=80, sequence=2, at=NOON + 2 * HOUR)
    usage.end_run(run=made.run, at=NOON + 3 * HOUR)
    bill_all(NOON + DAY)
    assert (pending(euro, ada), pending(euro, ben)) == (300_000, 500_000)
    revisions = Charge.objects.order_by("revision").values_list("revision", "amount_units")
    assert list(revisions) == [(1, 300_000), (2, 500_000)]
    bill_all(NOON + 3 * DAY)
    assert Charge.objects.count() == 2
    assert list(invariants.broken()) == []


def test_what_was_used_before_waits_for_money_and_then_still_earns_for_the_giver(
    ada, ben, lab, essays, euro
):
    grant(lab, essays)
    made = use(lab, essays, records=30, at=NOON, is_ended=False)
    passed(essays, ben, NOON + HOUR)
    more(made.run, made.subject, records=80, sequence=2, at=NOON + 2 * HOUR)
    usage.end_run(run=made.run, at=NOON + 3 * HOUR)
    bill_all(NOON + 2 * DAY)
    assert not Charge.objects.exists()
    deposits.deposit(lab=lab, asset=euro, amount_units=10_000_000, reference="w", at=NOON)
    bill_all(NOON + 2 * DAY)
    assert (pending(euro, ada), pending(euro, ben)) == (300_000, 500_000)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["report", "bill", "pass", "end"]), st.integers(0, 2), st.integers(1, 30)
    ),
    min_size=4,
    max_size=14,
)


@given(STEPS)
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_however_reports_billing_and_transfers_fall_each_owner_has_its_own_time(
    ada, ben, rich_lab, essays, euro, steps
):
    """The sum of each owner is the price of what was reported while it owned the data."""
    save = transaction.savepoint()
    try:
        _walk([ada, ben], rich_lab, essays, euro, steps)
    finally:
        transaction.savepoint_rollback(save)


def _walk(owners, lab, version, euro, steps) -> None:
    version.refresh_from_db()
    version.dataset.refresh_from_db()
    grant(lab, version)
    runs = [usage.start_run(lab=lab, purpose="pretrain", at=NOON) for _ in range(3)]
    counts, owed, at = [0, 0, 0], {one.pk: 0 for one in owners}, NOON
    for number, (what, which, size) in enumerate(steps, 1):
        at += HOUR
        if what == "report":
            counts[which] += size
            more(runs[which], version.pk, records=counts[which], sequence=number, at=at)
            owed[version.dataset.owner_id] += size * 10_000
        elif what == "pass":
            passed(version, next(one for one in owners if one != version.dataset.owner), at)
        elif what == "end":
            usage.end_run(run=runs[which], at=at)
        else:
            bill_all(at)
    # A run that lasts is charged once a day: up to the moment first, then the rest.
    for days in (3, 5, 7):
        bill_all(at + days * DAY)
    assert {one.pk: pending(euro, one) for one in owners} == owed
    assert list(invariants.broken()) == []


def test_contributors_keep_their_weights_and_a_new_split_reaches_back_to_the_transfer_only(
    ada, ben, rich_lab, essays, euro
):
    grant(rich_lab, essays)
    kim = contributors.name(owner=ada, label="Kim", at=NOON)
    contributors.divide(dataset=essays.dataset, owner_weight=3, weights={kim: 1}, at=NOON)
    use(rich_lab, essays, records=40, at=NOON)
    bill_all(NOON + HOUR)
    passed(essays, ben, NOON + DAY)
    use(rich_lab, essays, records=40, at=NOON + DAY)
    bill_all(NOON + DAY + HOUR)
    assert (pending(euro, ada), pending(euro, ben)) == (300_000, 300_000)
    assert pending(euro, kim.party) == 200_000
    lee = contributors.name(owner=ben, label="Lee", at=NOON + DAY)
    contributors.divide(
        dataset=essays.dataset,
        owner_weight=1,
        weights={lee: 1},
        from_the_start=True,
        at=NOON + 2 * DAY,
    )
    weights.apply_resolutions(at=NOON + 2 * DAY)
    use(rich_lab, essays, records=1, at=NOON)
    bill_all(NOON + 3 * DAY)
    assert pending(euro, ada) == 300_000 + 7_500
    assert (pending(euro, ben), pending(euro, lee.party)) == (200_000, 200_000)
    assert list(invariants.broken()) == []


def test_a_debt_that_the_receiver_takes_on_from_the_start_spares_the_giver(
    ada, ben, rich_lab, essays, euro
):
    grant(rich_lab, essays)
    use(rich_lab, essays, records=40, at=NOON)
    bill_all(NOON + HOUR)
    passed(essays, ben, NOON + DAY)
    roots = priced(factories.version(factories.dataset(ben, "roots"), texts(5, "root")), euro)
    derivation.declare(
        child=essays.dataset, source=roots, policy="relative", basis_points=5_000,
        from_the_start=True, by=None, at=NOON + 2 * DAY,
    )  # fmt: skip
    use(rich_lab, essays, records=10, at=NOON)
    bill_all(NOON + 3 * DAY)
    assert pending(euro, ada) == 500_000
    assert list(invariants.broken()) == []


def test_a_parents_part_passes_with_the_parent(ada, ben, lab, rich_lab, essays, euro):
    cleo = factories.party("Cleo", is_owner=True)
    child = priced(factories.version(factories.dataset(cleo, "remix"), texts(9, "remix")), euro)
    made = derivation.declare(
        child=child.dataset, source=essays, policy="relative", basis_points=5_000, by=None, at=NOON
    )
    if made.state == "declared":
        derivation.accept(derivation=made, party=ada, at=NOON)
    grant(rich_lab, child)
    early = use(rich_lab, child, records=400, at=NOON + HOUR)
    assert early.grant_id
    passed(essays, ben, NOON + DAY)
    use(rich_lab, child, records=200, at=NOON + DAY)
    bill_all(NOON + 2 * DAY)
    whole = {200_000: ada, 100_000: ben}
    for units, owner in whole.items():
        assert pending(euro, owner) == units
    assert pending(euro, cleo) == 300_000
    assert list(invariants.broken()) == []


def offered(dataset, receiver, at=NOON, **more_terms) -> OwnershipTransfer:
    terms = {"reason": "Sold.", "by": None, **more_terms}
    return ownership.propose_transfer(dataset=dataset, receiver=receiver, at=at, **terms)


def test_the_ledger_dates_it_and_both_are_told(ada, ben, essays):
    passed(essays, ben, NOON + DAY)
    event = Event.objects.get(kind="dataset.transferred")
    assert (event.party, event.other_party, event.occurred_at) == (ada, ben, NOON + DAY)
    told = Notice.objects.filter(kind="ownership.passed").values_list("party", flat=True)
    assert set(told) == {ada.pk, ben.pk}
    times = list(Tenure.objects.values_list("owner", "begins_at", "ends_at"))
    assert times == [(ada.pk, NOON, NOON + DAY), (ben.pk, NOON + DAY, None)]


@pytest.mark.parametrize("what", ["conflict", "version", "name", "hold", "suspension", "self"])
def test_what_is_under_way_stands_in_its_way(what, ada, ben, essays, olga, operator):
    dataset, refusal, receiver = essays.dataset, ownership.NotYetTransferable, ben
    if what == "conflict":
        copy = factories.version(factories.dataset(ben, "copy"), texts(3))
        found = factories.overlap(copy, essays, [(one, one) for one in texts(3)])
        conflicts.open_from_overlap(overlap=found, at=NOON)
    elif what == "version":
        registry.open_version(dataset=dataset, at=NOON)
    elif what == "name":
        factories.dataset(ben, dataset.name)
        refusal = ownership.NameTakenThere
    elif what == "self":
        receiver, refusal = ada, ownership.BadTransfer
    else:
        kind = Restriction.Kind.LEGAL_HOLD if what == "hold" else Restriction.Kind.SUSPENSION
        restrictions.restrict(kind=kind, party=ada, reason="A court.", by=olga, at=NOON)
        refusal = Refused
    with pytest.raises(refusal):
        offered(dataset, receiver)
    assert not OwnershipTransfer.objects.exists()


def test_an_obstacle_that_comes_up_meanwhile_stops_the_acceptance(ada, ben, essays):
    made = offered(essays.dataset, ben)
    factories.dataset(ben, essays.dataset.name)
    with pytest.raises(ownership.NameTakenThere):
        ownership.accept_transfer(transfer=made, party=ben, by=None, at=NOON + HOUR)
    essays.dataset.refresh_from_db()
    assert essays.dataset.owner == ada


def test_only_the_receiver_accepts_and_only_once_and_in_time(ada, ben, essays):
    made, at = offered(essays.dataset, ben), NOON + HOUR
    for party in (ada, factories.party("Cleo", is_owner=True)):
        with pytest.raises(ownership.NotYoursToTransfer):
            ownership.accept_transfer(transfer=made, party=party, by=None, at=at)
        with pytest.raises(ownership.NotYoursToTransfer):
            ownership.refuse_transfer(transfer=made, party=party, reason="", by=None, at=at)
    with pytest.raises(ownership.TransferWaits):
        offered(essays.dataset, ben, at)
    late = NOON + ownership.LASTS
    with pytest.raises(ownership.TransferEnded):
        ownership.accept_transfer(transfer=made, party=ben, by=None, at=late)
    assert ownership.expire_transfers(at=late) == 1
    again = offered(essays.dataset, ben, late)
    ownership.withdraw_transfer(transfer=again, party=ada, reason="", by=None, at=late)
    third = offered(essays.dataset, ben, late)
    ownership.refuse_transfer(transfer=third, party=ben, reason="No.", by=None, at=late)
    fourth = offered(essays.dataset, ben, late)
    done = ownership.accept_transfer(transfer=fourth, party=ben, by=None, at=late)
    same = ownership.accept_transfer(transfer=fourth, party=ben, by=None, at=late + DAY)
    assert done.decided_at == same.decided_at == late
    assert Tenure.objects.count() == 2


def test_the_database_passes_nothing_on_without_a_transfer(ada, ben, essays):
    passed(essays, ben, NOON + DAY)
    offered(essays.dataset, ada, NOON + 2 * DAY)
    for change in (
        lambda: type(essays.dataset).objects.filter(pk=essays.dataset_id).update(owner=ada),
        lambda: Tenure.objects.filter(ends_at=None).update(owner=ada),
        lambda: Tenure.objects.all().delete(),
        lambda: OwnershipTransfer.objects.update(receiver=ben, giver=ada),
        lambda: WeightVersion.objects.update(owned_at=NOON),
    ):
        weights.ensure(
            [weights.Revenue(essays, Asset.objects.get(), "records", NOON + DAY)], at=NOON + DAY
        )
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_operators_pass_it_on_by_a_paper_and_two_of_them(ada, ben, essays, olga, otto, operator):
    body = {
        "dataset": str(essays.dataset_id),
        "receiver": str(ben.pk),
        "reason": "The court gave it to Birch.",
        "paper": "12 O 34/26, in the archive",
    }
    made = approvals.attempt(
        kind=Proposal.Kind.TRANSFER, subject=str(essays.dataset_id), body=body, by=olga, at=NOON
    )
    assert isinstance(made, Proposal)
    # The first line is said in the reader's language; what stands below it is a person's own.
    first, *own = made.words.splitlines()
    assert (body["paper"] in first, own) == (True, [body["reason"]])
    assert not OwnershipTransfer.objects.exists()
    with pytest.raises(proposals.NotASecondPerson):
        approvals.approve(proposal=made, by=olga, at=NOON)
    approvals.approve(proposal=made, by=otto, at=NOON)
    found = OwnershipTransfer.objects.get()
    assert (found.proposed_by, found.confirmed_by, found.is_by_operator) == (olga, otto, True)
    with pytest.raises(ownership.NotYoursToTransfer):
        ownership.withdraw_transfer(transfer=found, party=ada, reason="", by=None, at=NOON)
    ownership.accept_transfer(transfer=found, party=ben, by=None, at=NOON + HOUR)
    essays.dataset.refresh_from_db()
    assert essays.dataset.owner == ben


def test_a_paper_takes_two_operators_in_the_database(ben, essays, olga):
    with pytest.raises(DatabaseError), transaction.atomic():
        offered(essays.dataset, ben, paper="A letter.", by=olga, confirmed_by=olga)


def test_a_stranger_can_do_none_of_it_by_the_api(ada, ben, essays, operator, olga):
    stranger = doors.of(factories.party("Delta Data", is_owner=True))
    owner, receiver = doors.of(ada), doors.of(ben)
    address = f"datasets/{essays.dataset_id}/transfer"
    body = {"receiver": ben.namespace, "reason": "Sold."}
    stranger.post(address, body, 404)
    receiver.post(address, body, 404)
    owner.post(address, {**body, "paper": "Mine."}, 403)
    owner.post(address, {**body, "receiver": "nobody"}, 400)
    doors.of(operator, by=olga).post(address, body, 400)
    made = owner.post(address, body, 201)
    for verb in ("accept", "refuse", "withdraw"):
        stranger.post(f"ownership-transfers/{made['id']}/{verb}", {}, 404)
    stranger.get(f"ownership-transfers/{made['id']}", 404)
    owner.post(f"ownership-transfers/{made['id']}/accept", {}, 403)
    receiver.post(f"ownership-transfers/{made['id']}/withdraw", {}, 403)
    doors.read_only(ben).post(f"ownership-transfers/{made['id']}/accept", {}, 403)
    assert receiver.post(f"ownership-transfers/{made['id']}/accept", {}, 200)["state"] == "accepted"
    owner.get(f"datasets/{essays.dataset_id}", 404)
    assert receiver.get(f"datasets/{essays.dataset_id}")["owner"]["id"] == str(ben.pk)


def test_pages_offer_it_to_its_owner_and_then_to_its_receiver(ada, ben, essays):
    giver, receiver = (
        factories.user(f"{name}@x.example", party=party)
        for name, party in (("ada", ada), ("ben", ben))
    )
    page = f"/admin/provenance/dataset/{essays.dataset_id}/transfer/"
    mine, his, other = Client(), Client(), Client()
    mine.force_login(giver)
    his.force_login(receiver)
    other.force_login(factories.user("d@x.example", party=factories.party("Delta", is_owner=True)))
    answer = mine.get(page)
    assert answer.status_code == 200
    assert "Paper" not in answer.content.decode()
    for client in (his, other):
        assert client.get(page).status_code == 404
    data = {"transfer-receiver": ben.namespace, "transfer-reason": "Sold."}
    at_once = mine.post(page, data)
    made = OwnershipTransfer.objects.get()
    here = f"/admin/provenance/ownershiptransfer/{made.pk}/"
    assert at_once["Location"] == here
    assert other.get(here).status_code == 404
    assert "Take it over" not in mine.get(here).content.decode()
    assert "Take it over" in his.get(here).content.decode()
    his.post(f"{here}accept/", {})
    made.refresh_from_db()
    assert made.state == State.ACCEPTED
    shown = his.get(f"/admin/provenance/dataset/{essays.dataset_id}/").content.decode()
    assert "Aurora Archive" in shown
    assert mine.get(f"/admin/provenance/dataset/{essays.dataset_id}/").status_code == 404


def test_old_names_lead_to_the_new_owner(ada, ben, rich_lab, essays, client):
    grant(rich_lab, essays)
    publishing.publish(dataset=essays.dataset, at=NOON)
    old = str(essays.dataset)
    passed(essays, ben, NOON + DAY)
    assert usage.find_version(old) == essays
    answer = client.get(f"/datasets/{old}")
    assert (answer.status_code, answer["Location"]) == (301, f"/datasets/{essays.dataset}")
    assert "Birch Books" in client.get(answer["Location"]).content.decode()
    fresh = factories.version(factories.dataset(ada, "essays"), texts(2, "other"))
    assert usage.find_version(old) == fresh


def test_statements_and_explanations_stay_with_each_ones_time(ada, ben, rich_lab, essays, euro):
    grant(rich_lab, essays)
    use(rich_lab, essays, records=30, at=NOON)
    passed(essays, ben, NOON + DAY)
    use(rich_lab, essays, records=50, at=NOON + DAY)
    bill_all(NOON + 2 * DAY)
    month = statements.Period.month("2026-03")
    for party, units in ((ada, 300_000), (ben, 500_000)):
        made = statements.owner_statement(party=party, asset=euro, period=month, at=NOON + 3 * DAY)
        assert made.earned_units == units
    first, second = Charge.objects.order_by("pk")
    assert statements.explain(first.pk, factories.viewer(ada)) is not None
    assert statements.explain(first.pk, factories.viewer(ben)) is None
    assert statements.explain(second.pk, factories.viewer(ada)) is None
    seen = Usage.objects.visible_to(factories.viewer(ada))
    assert [one.record_count for one in seen] == [30]


def test_a_bundle_that_it_stands_in_is_offered_no_longer(ada, ben, essays):
    bundle = licensing.offer_bundle(
        owner=ada, name="All", licences=list(essays.dataset.licences.all()),
        price_units=1_000_000, asset="iso4217:EUR", at=NOON,
    )  # fmt: skip
    passed(essays, ben, NOON + DAY)
    bundle.refresh_from_db()
    assert bundle.retired_at == NOON + DAY


def test_exports_replay_on_both_sides_of_the_moment(ada, ben, rich_lab, essays, euro, tmp_path):
    grant(rich_lab, essays)
    made = use(rich_lab, essays, records=30, at=NOON, is_ended=False)
    passed(essays, ben, NOON + HOUR)
    more(made.run, made.subject, records=80, sequence=2, at=NOON + 2 * HOUR)
    usage.end_run(run=made.run, at=NOON + 3 * HOUR)
    bill_all(NOON + DAY)
    ledger.seal()
    for party in (ada, ben, rich_lab, None):
        month = statements.Period.month("2026-03")
        scope = exports.scope_of(party=party, first=month, last=month, at=NOON + 2 * DAY)
        outcome = replay(save(exports.export(scope), tmp_path / "month.zip"))
        assert outcome.agrees, outcome.first
        assert outcome.counts["charges"] == (1 if party in (ada, ben) else 2)
