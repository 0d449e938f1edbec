"""A conflict between Ada and Ben, and the verbs that take it through its steps."""

from __future__ import annotations

from datetime import timedelta

import pytest

from provenance import conflicts
from provenance.models import Conflict, DatasetVersion, Party, User
from tests import factories
from tests.cast import NOON

DAY = timedelta(days=1)
SAME = ["the elder stands tall", "a fir grows slowly", "larches lose their needles"]
ADAS = [*SAME, "only Ada wrote this"]
BENS = [*SAME, "only Ben wrote this", "and this is Ben's as well"]


@pytest.fixture
def adas(ada: Party) -> DatasetVersion:
    return factories.version(factories.dataset(ada), ADAS)


@pytest.fixture
def bens(adas: DatasetVersion, ben: Party) -> DatasetVersion:
    """Registered after Ada's."""
    return factories.version(factories.dataset(ben, "notes"), BENS)


@pytest.fixture
def conflict(adas: DatasetVersion, bens: DatasetVersion) -> Conflict:
    """Ben is the newcomer; three of his records are Ada's, found today."""
    return opened(bens, adas)


def opened(later: DatasetVersion, earlier: DatasetVersion, texts=SAME, at=NOON) -> Conflict:
    found = factories.overlap(later, earlier, [(text, text) for text in texts])
    conflict = conflicts.open_from_overlap(overlap=found, at=at)
    assert conflict is not None
    return conflict


def fresh(conflict: Conflict) -> Conflict:
    return Conflict.objects.get(pk=conflict.pk)


def held(version: DatasetVersion) -> int:
    """How many records of the version are held."""
    shares = conflicts.claimant_shares(version)
    return sum(share.record_count for share in shares if share.conflict_id)


def earned(version: DatasetVersion, party: Party) -> int:
    """How many records earn for `party` alone."""
    shares = conflicts.claimant_shares(version)
    return sum(
        share.record_count
        for share in shares
        if share.holders == ((party.pk, 1),) and not share.conflict_id
    )


def claimed(conflict: Conflict, by: Party, at=NOON, evidence="") -> None:
    conflicts.claim(
        conflict=conflict, claimant=by, statement="We wrote these.", evidence=evidence, at=at
    )


def to_decide(conflict: Conflict, at=NOON) -> None:
    """Ada claims, Ben denies, Ada replies."""
    claimed(conflict, conflict.earlier.owner, at)
    conflicts.answer(
        conflict=conflict, party=conflict.later.owner, text="Ours.", agrees=False, at=at
    )
    conflicts.reply(conflict=conflict, party=conflict.earlier.owner, text="No.", at=at)


def decided(conflict: Conflict, by: User, outcome="to_earlier", at=NOON, **more):
    return conflicts.decide(
        conflict=conflict, outcome=outcome, reasons="Ada's was published.", by=by, at=at, **more
    )
