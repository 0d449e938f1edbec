"""Whose a version's records are: always all of them, each once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance import conflicts
from provenance.models import Conflict, Party, Resolution, User
from tests import factories
from tests.cast import NOON

WORDS = ["ash", "birch", "cedar", "elder", "fir", "hazel", "larch", "maple"]
TEXTS = [f"the {word} stands " + "tall " * place for place, word in enumerate(WORDS)]


def whole(version) -> tuple[int, int]:
    shares = conflicts.claimant_shares(version)
    return (
        sum(share.record_count for share in shares),
        sum(share.token_count for share in shares),
    )


def test_without_conflicts_everything_is_the_registrants(ada: Party) -> None:
    version = factories.version(factories.dataset(ada), TEXTS)
    [share] = conflicts.claimant_shares(version)
    assert share.holders == ((ada.pk, 1),)
    assert (share.conflict_id, share.resolution_id) == (None, None)
    assert (share.record_count, share.token_count) == (8, version.token_count)


actions = st.lists(
    st.tuples(
        st.sampled_from(["ada-ben", "ben-cy", "ada-cy"]),
        st.sets(st.sampled_from(TEXTS), min_size=1),
        st.sampled_from(["nothing", "claim", "agree", *Resolution.Outcome.values]),
        st.integers(1, 9_999),
        st.booleans(),
    ),
    max_size=5,
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=actions)
def test_shares_add_up_to_the_version_whatever_happened(
    ada: Party, ben: Party, olga: User, actions: list
) -> None:
    with transaction.atomic():
        cy = factories.party("Cypress", is_owner=True)
        versions = {
            "ada": factories.version(factories.dataset(ada), TEXTS),
            "ben": factories.version(factories.dataset(ben), TEXTS),
            "cy": factories.version(factories.dataset(cy), TEXTS),
        }
        for pair, texts, what, parts, from_the_start in actions:
            earlier, later = (versions[name] for name in pair.split("-"))
            act(later, earlier, sorted(texts), what, parts, from_the_start, olga)
            for version in versions.values():
                assert whole(version) == (version.record_count, version.token_count)
                at = NOON - timedelta(days=1)
                past = conflicts.claimant_shares(version, at)
                assert sum(share.record_count for share in past) == version.record_count
                assert all(share.record_count > 0 for share in past)
                keys = [(share.holders, share.conflict_id, share.resolution_id) for share in past]
                assert len(keys) == len(set(keys))
        transaction.set_rollback(True)


def act(later, earlier, texts, what, parts, from_the_start, olga) -> None:
    """Find an overlap between the two versions, and settle it as `what` says."""
    found = factories.overlap(
        later, earlier, [(text, text) for text in texts], detector=f"d{parts}{len(texts)}"
    )
    conflict = conflicts.open_from_overlap(overlap=found, at=NOON)
    assert conflict is not None
    conflict.refresh_from_db()
    if what == "nothing" or conflict.state != Conflict.State.OPEN:
        return
    owner, respondent = conflict.earlier.owner, conflict.later.owner
    conflicts.claim(conflict=conflict, claimant=owner, statement="Ours.", at=NOON)
    if what == "claim":
        return
    if what == "agree":
        conflicts.answer(conflict=conflict, party=respondent, text="", agrees=True, at=NOON)
        return
    conflicts.answer(conflict=conflict, party=respondent, text="No.", agrees=False, at=NOON)
    conflicts.reply(conflict=conflict, party=owner, text="Yes.", at=NOON)
    conflicts.decide(
        conflict=conflict,
        outcome=what,
        reasons="Looked at both.",
        by=olga,
        at=NOON,
        earlier_basis_points=parts,
        from_the_start=from_the_start,
    )


@pytest.fixture
def contested_twice(ada: Party, ben: Party) -> tuple:
    """Cy's record is found with Ada and with Ben, who registered it in that order."""
    cy = factories.party("Cypress", is_owner=True)
    first = factories.version(factories.dataset(ada), TEXTS[:2])
    second = factories.version(factories.dataset(ben), TEXTS[:3])
    third = factories.version(factories.dataset(cy), TEXTS[:4])
    one = conflicts.open_from_overlap(
        overlap=factories.overlap(third, first, [(TEXTS[0], TEXTS[0])]), at=NOON
    )
    two = conflicts.open_from_overlap(
        overlap=factories.overlap(third, second, [(TEXTS[0], TEXTS[0]), (TEXTS[2], TEXTS[2])]),
        at=NOON + timedelta(hours=1),
    )
    return third, one, two


def test_a_record_in_two_conflicts_is_held_by_the_oldest(contested_twice: tuple) -> None:
    version, oldest, newest = contested_twice
    held = {share.conflict_id: share.record_count for share in conflicts.claimant_shares(version)}
    assert held == {None: 2, oldest.pk: 1, newest.pk: 1}


def test_once_the_oldest_conflict_is_settled_the_other_still_holds(
    contested_twice: tuple, ada: Party
) -> None:
    version, oldest, newest = contested_twice
    conflicts.claim(conflict=oldest, claimant=ada, statement="Ours.", at=NOON)
    conflicts.answer(conflict=oldest, party=oldest.later.owner, text="Yes.", agrees=True, at=NOON)
    held = {share.conflict_id: share.record_count for share in conflicts.claimant_shares(version)}
    assert held == {None: 2, newest.pk: 2}
