"""Weight versions: which of a batch are wanting, and how fast many are opened."""

from datetime import timedelta
from uuid import uuid4

import pytest

from compensation import weights
from compensation.models import PlatformFee, Stage
from provenance import conflicts
from provenance.models import Rate
from tests import factories
from tests.cast import NOON
from tests.compensation.conftest import priced, texts

LATER = NOON + timedelta(hours=1)


def stage(lab, version, *, count=1):
    """Usages of `version` that wait in the stage; the name of their batch."""
    batch = uuid4()
    rate = Rate.objects.get(licence__dataset=version.dataset)
    Stage.objects.bulk_create(
        Stage(
            batch=batch,
            usage_id=uuid4(),
            revision=1,
            kind="priced",
            lab=lab,
            version=version,
            rate=rate,
            record_count=1,
            token_count=0,
            used_at=NOON,
        )
        for _ in range(count)
    )
    return batch


@pytest.mark.django_db
def test_a_batch_asks_for_weights_until_they_are_there(lab, essays, euro):
    batch = stage(lab, essays, count=3)
    wanting = weights.stale(batch, at=NOON)
    assert wanting == [weights.Revenue(essays, euro, "records")]
    weights.ensure(wanting, at=NOON)
    assert weights.stale(batch, at=NOON) == []


@pytest.mark.django_db
def test_another_fee_and_a_new_dispute_make_weights_stale(lab, essays, ada, ben, euro):
    batch = stage(lab, essays)
    weights.ensure(weights.stale(batch, at=NOON), at=NOON)
    PlatformFee.objects.create(basis_points=500, valid_from=LATER)
    assert weights.stale(batch, at=NOON) == []
    assert len(weights.stale(batch, at=LATER)) == 1
    weights.ensure(weights.stale(batch, at=LATER), at=LATER)
    theirs = priced(factories.version(factories.dataset(ben), texts(10)), euro, at=NOON)
    found = factories.overlap(theirs, essays, [(one, one) for one in texts(3)])
    bens = stage(lab, theirs)
    weights.ensure(weights.stale(bens, at=LATER), at=LATER)
    conflicts.open_from_overlap(overlap=found, at=LATER)
    for of_batch in (batch, bens):
        assert len(weights.stale(of_batch, at=LATER)) == 1
        weights.ensure(weights.stale(of_batch, at=LATER), at=LATER)
        assert weights.stale(of_batch, at=LATER) == []
