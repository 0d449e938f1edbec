"""What operators stop: a suspended party begins nothing new; under a legal hold nothing goes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from compensation import payees, payment_runs, settlement
from compensation.models import Asset
from provenance import conflicts, registry, restrictions, usage
from provenance.models import Conflict, DatasetVersion, Event, Party, Restriction, User
from tests import doors, factories
from tests.cast import NOON
from tests.compensation.banking import LATER, account, earn, our_account, run_of  # noqa: F401
from tests.compensation.conftest import euro  # noqa: F401
from tests.provenance.conftest import DAY, claimed

pytestmark = pytest.mark.django_db

Kind = Restriction.Kind


def stop(party: Party, by: User, kind=Kind.SUSPENSION, **more) -> Restriction:
    given = {"reason": "A court asked for it.", "at": NOON, **more}
    return restrictions.restrict(kind=kind, party=party, by=by, **given)


def test_a_suspended_party_registers_nothing_and_starts_no_run(
    adas: DatasetVersion, lab: Party, olga: User
) -> None:
    run = usage.start_run(lab=lab, purpose="pretrain", at=NOON)
    for party in (adas.dataset.owner, lab):
        stop(party, olga)
    with pytest.raises(restrictions.PartySuspended):
        factories.dataset(adas.dataset.owner, "more")
    with pytest.raises(restrictions.PartySuspended):
        registry.open_version(dataset=adas.dataset, at=NOON)
    with pytest.raises(restrictions.PartySuspended):
        usage.start_run(lab=lab, purpose="pretrain", at=NOON)
    again = usage.start_run(lab=lab, purpose="pretrain", run_id=run.pk, at=NOON)
    assert usage.end_run(run=again, at=NOON + DAY).ended_at == NOON + DAY


def test_a_suspended_party_reads_claims_answers_and_appeals(conflict: Conflict, olga: User) -> None:
    for side in (conflict.earlier.owner, conflict.later.owner):
        stop(side, olga)
    claimed(conflict, conflict.earlier.owner)
    conflicts.answer(
        conflict=conflict, party=conflict.later.owner, text="Ours.", agrees=False, at=NOON
    )
    conflicts.reply(conflict=conflict, party=conflict.earlier.owner, text="No.", at=NOON)
    conflicts.decide(conflict=conflict, outcome="common", reasons="Both.", by=olga, at=NOON)
    conflicts.appeal(conflict=conflict, party=conflict.later.owner, text="Wrong.", at=NOON)
    assert doors.of(conflict.later.owner).get("datasets")["results"]


def test_it_ends_at_its_moment_or_when_it_is_lifted(ada: Party, olga: User) -> None:
    stop(ada, olga, until=NOON + DAY)
    for at, is_stopped in (
        (NOON, True),
        (NOON + DAY - timedelta(seconds=1), True),
        (NOON + DAY, 0),
    ):
        assert bool(restrictions.unpaid([ada.pk], at)) is bool(is_stopped)
    other = stop(ada, olga, at=NOON + 2 * DAY)
    restrictions.lift(restriction=other, reason="A mistake.", by=olga, at=NOON + 3 * DAY)
    restrictions.require_active(ada, NOON + 3 * DAY)
    noted = Event.objects.filter(subject_kind="restriction").order_by("id")
    kinds = list(noted.values_list("kind", flat=True))
    assert kinds == ["suspension.set", "suspension.set", "suspension.lifted"]


def test_under_a_legal_hold_nothing_is_erased(
    adas: DatasetVersion, bens: DatasetVersion, olga: User
) -> None:
    stop(adas.dataset.owner, olga, Kind.LEGAL_HOLD, dataset=adas.dataset)
    stop(bens.dataset.owner, olga, Kind.LEGAL_HOLD)
    other = factories.version(factories.dataset(adas.dataset.owner, "other"), ["an own text"])
    for version in (adas, bens):
        with pytest.raises(restrictions.UnderLegalHold):
            registry.erase_version(version=version, at=NOON)
    registry.erase_version(version=other, at=NOON)
    restrictions.lift(
        restriction=Restriction.objects.get(dataset=adas.dataset), reason="Over.", by=olga,
        at=NOON + DAY,
    )  # fmt: skip
    registry.erase_version(version=adas, at=NOON + DAY)


@pytest.mark.parametrize("kind", list(Kind))
def test_nothing_is_paid_meanwhile_and_all_of_it_afterwards(
    kind: Restriction.Kind,
    ada: Party,
    ben: Party,
    euro: Asset,  # noqa: F811
    our_account,  # noqa: F811
    olga: User,
) -> None:
    for party, iban in ((ada, "DE89370400440532013000"), (ben, "FR1420041010050500013M02606")):
        account(party, euro, iban)
        earn(party, euro, 5_000_000)
    made = stop(ada, olga, kind, at=LATER)
    assert set(payees.payable_methods(asset=euro, at=LATER)) == {ben.pk}
    assert [one.party for one in run_of(euro).payouts.all()] == [ben]
    with pytest.raises(restrictions.PaymentStopped):
        settlement.claim(party=ada, asset=euro, at=LATER)
    with pytest.raises(payment_runs.NothingIsDue):
        run_of(euro)
    restrictions.lift(restriction=made, reason="Over.", by=olga, at=LATER + DAY)
    assert run_of(euro, LATER + DAY).payouts.get().amount_units == 5_000_000


def test_only_operators_restrict_and_only_with_a_reason(
    ada: Party, ben: Party, operator: Party, olga: User
) -> None:
    his = factories.dataset(ben, "notes")
    stranger = factories.user("ben@birch.example", party=ben)
    with pytest.raises(restrictions.NotForYou):
        stop(ada, stranger)
    for odd in (
        {"reason": "  "},
        {"until": NOON},
        {"dataset": his, "kind": Kind.LEGAL_HOLD},
        {"dataset": his},
    ):
        with pytest.raises(restrictions.BadRestriction):
            stop(ada, olga, **odd)
    with pytest.raises(restrictions.BadRestriction):
        stop(operator, olga)
    made = stop(ada, olga)
    assert stop(ada, olga) == made
    with pytest.raises(restrictions.BadRestriction):
        restrictions.lift(restriction=made, reason="", by=olga, at=NOON)


def test_the_database_keeps_what_was_restricted(ada: Party, olga: User) -> None:
    made = stop(ada, olga)
    for change in ({"reason": "x"}, {"ends_at": NOON + DAY}, {"lifted_at": NOON}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Restriction.objects.filter(pk=made.pk).update(**change)


def test_the_party_reads_why_and_nobody_else_does(
    ada: Party, ben: Party, operator: Party, olga: User
) -> None:
    client = Client()
    client.force_login(olga)
    page = reverse("admin:provenance_party_change", args=[ada.pk])
    told = {"suspend-reason": "An inquiry of 3 March.", "suspend-until": ""}
    client.post(f"{page}suspend/", told)
    made = Restriction.objects.get()
    own = reverse("admin:provenance_restriction_change", args=[made.pk])
    hers, his = Client(), Client()
    hers.force_login(factories.user("ada@aurora.example", party=ada))
    his.force_login(factories.user("ben@birch.example", party=ben))
    assert "An inquiry of 3 March." in hers.get(own).content.decode()
    assert own in hers.get("/admin/").content.decode()
    assert "Lift it" not in hers.get(own).content.decode()
    assert his.get(own).status_code == 404
    assert hers.post(f"{own}lift/", {"lift-reason": "x"}).status_code == 302
    assert Restriction.objects.get().lifted_at is None
    client.post(f"{own}lift/", {"lift-reason": "It is settled."})
    assert Restriction.objects.get().lifted_at <= timezone.now()


def test_the_api_says_so_with_a_code(ada: Party, ben: Party, operator: Party, olga: User) -> None:
    mine, theirs, door = doors.of(ada), doors.of(ben), doors.of(operator, by=olga)
    body = {"kind": "suspension", "party": str(ada.pk), "reason": "An inquiry."}
    assert mine.post("restrictions", body, 403)["code"] == "operators_only"
    made = door.post("restrictions", body, 201)
    answer = mine.post("datasets", {"name": "a", "title": "A"}, 403)
    assert answer["code"] == "party_suspended"
    assert mine.get("restrictions")["results"][0]["reason"] == "An inquiry."
    assert theirs.get("restrictions")["results"] == []
    assert theirs.get(f"restrictions/{made['id']}", 404)
    assert mine.post(f"restrictions/{made['id']}/lift", {"reason": "x"}, 403)
    door.post(f"restrictions/{made['id']}/lift", {"reason": "Settled."})
    mine.post("datasets", {"name": "a", "title": "A"}, 201)
