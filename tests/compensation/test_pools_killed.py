"""The settlement of a month's pools, killed before its statements: a pool is whole or not there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compensation import billing, pools
from compensation.models import Charge, Pool, Stage
from provenance import licensing
from provenance.models import Event
from tests.cast import NOON
from tests.compensation.conftest import grant, held, pending, use
from tests.compensation.killing import kills, sound
from tests.compensation.test_pools import APRIL, EURO, bundle, letters, minimum, notes

__all__ = ["bundle", "letters", "notes"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults]


def test_pools_that_are_killed_anywhere_are_owed_and_paid_once(
    rich_lab, essays, letters, notes, bundle, ada, ben, euro
):
    licensing.subscribe(lab=rich_lab, bundle=bundle, at=NOON)
    grant(rich_lab, minimum(notes, euro), at=NOON + timedelta(hours=1))
    for version, records in ((essays, 30), (letters, 10), (notes, 100)):
        use(rich_lab, version, records=records, at=NOON + timedelta(hours=1))
    billing.bill_batch(at=NOON + timedelta(hours=2))

    def each_is_whole() -> None:
        for pool in Pool.objects.all():
            numbers = [share.number for share in pool.shares.all()]
            charged = sum(
                Charge.objects.filter(usage__in=numbers).values_list("amount_units", flat=True)
            )
            assert numbers
            assert charged == (pool.amount_units if pool.settled_at else 0)
            assert Event.objects.filter(kind="pool.opened", subject_id=pool.pk).count() == 1
        assert not Stage.objects.exists()

    assert kills("pools", each_is_whole, stride=3) > 30
    assert Pool.objects.filter(settled_at=None).count() == 0
    assert sorted(Pool.objects.values_list("kind", flat=True)) == ["minimum", "subscription"]
    assert pending(euro, ada) == 10 * EURO
    assert pending(euro, ben) == EURO
    assert held(euro, "lab", rich_lab) == 89 * EURO
    assert pools.settle_due(at=APRIL) == 0
    sound()
