"""The registry: a version costs what it changed, nothing is registered twice or half."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance import ledger, merkle, registry
from provenance.commitments import commitment, records_root
from provenance.models import Dataset, DatasetVersion, Event, Match, Party, Record
from provenance.registry import (
    EmptyVersion,
    NameTaken,
    NoBase,
    NotAnOwner,
    NotSealed,
    OrdinalTaken,
    VersionClosed,
    VersionInProgress,
)
from tests import factories
from tests.cast import NOON

State = DatasetVersion.State


@pytest.fixture
def essays(ada: Party) -> Dataset:
    return factories.dataset(ada)


def keys(version: DatasetVersion) -> list[str]:
    return [record.key for record in registry.records_of(version)]


def test_only_an_owner_registers(lab: Party) -> None:
    with pytest.raises(NotAnOwner):
        factories.dataset(lab)


def test_a_name_is_taken_once_per_owner(essays: Dataset, ada: Party, ben: Party) -> None:
    with pytest.raises(NameTaken):
        factories.dataset(ada)
    factories.dataset(ben)


def test_a_sealed_version_counts_its_records_and_commits_to_them(essays: Dataset) -> None:
    version = factories.version(essays, ["one essay", "another longer essay"])
    assert (version.record_count, version.token_count, version.byte_count) == (2, 5, 29)
    event = Event.objects.get(kind="version.sealed")
    assert event.body["records_root"] == bytes(version.records_root or b"").hex()
    assert version.sealed_sequence == event.sequence
    assert "essay" not in str(event.body)


def test_adding_records_twice_registers_nothing_twice(essays: Dataset) -> None:
    version = registry.open_version(dataset=essays, at=NOON)
    rows = factories.rows(["a", "b", "c"])
    first = registry.add_records(version=version, rows=rows[:2])
    again = registry.add_records(version=version, rows=rows)
    assert [record.pk for record in again[:2]] == [record.pk for record in first]
    assert registry.seal_version(version=version, at=NOON).record_count == 3


def test_another_content_at_the_same_place_is_refused(essays: Dataset) -> None:
    version = registry.open_version(dataset=essays, at=NOON)
    registry.add_records(version=version, rows=factories.rows(["a"]))
    with pytest.raises(OrdinalTaken):
        registry.add_records(version=version, rows=factories.rows(["b"]))


def test_an_unchanged_record_is_carried_into_a_full_version_without_a_new_row(
    essays: Dataset,
) -> None:
    first = factories.version(essays, ["a", "b", "c"])
    second = factories.version(essays, ["a", "changed b", "d"], keys=["r0", "r1", "r3"])
    assert Record.objects.count() == 5
    assert keys(first) == ["r0", "r1", "r2"]
    assert keys(second) == ["r0", "r1", "r3"]
    counts = (second.added_count, second.changed_count, second.withdrawn_count)
    assert counts == (1, 1, 1)
    assert second.record_count == 3


def test_a_delta_is_shown_before_it_is_sealed(essays: Dataset) -> None:
    factories.version(essays, ["a", "b", "c"])
    delta = registry.open_version(dataset=essays, mode="delta", at=NOON)
    rows = factories.rows(["changed b", "d", "a"], keys=["r1", "r3", "r0"])
    registry.add_records(version=delta, rows=rows)
    assert registry.withdraw_keys(version=delta, keys=["r2", "unknown"]) == 1
    registry.ready_version(version=delta, at=NOON)
    shown = registry.preview_delta(delta)
    assert (shown.added, shown.changed, shown.withdrawn, shown.unchanged) == (1, 1, 1, 1)
    assert shown.record_count == 3
    sealed = registry.seal_version(version=delta, at=NOON)
    assert sorted(keys(sealed)) == ["r0", "r1", "r3"]
    assert sealed.record_count == 3
    assert registry.preview_delta(sealed) == shown


def test_a_delta_needs_something_before_it(essays: Dataset) -> None:
    with pytest.raises(NoBase):
        registry.open_version(dataset=essays, mode="delta", at=NOON)


def test_one_version_is_registered_at_a_time(essays: Dataset) -> None:
    registry.open_version(dataset=essays, at=NOON)
    with pytest.raises(VersionInProgress):
        registry.open_version(dataset=essays, at=NOON)


def test_a_failed_version_leaves_nothing_behind(essays: Dataset) -> None:
    factories.version(essays, ["a", "b"])
    for mode in ("full", "delta"):
        failing = registry.open_version(dataset=essays, mode=mode, at=NOON)
        registry.add_records(version=failing, rows=factories.rows(["x", "b"]))
        failed = registry.fail_version(version=failing, reason="not_text: no", at=NOON)
        assert failed.state == State.FAILED
        with pytest.raises(VersionClosed):
            registry.add_records(version=failing, rows=factories.rows(["y"]))
    third = registry.open_version(dataset=essays, mode="delta", at=NOON)
    registry.add_records(version=third, rows=factories.rows(["c"], keys=["r9"]))
    sealed = registry.seal_version(version=third, at=NOON)
    assert sealed.number == 4
    assert sorted(keys(sealed)) == ["r0", "r1", "r9"]


def test_an_empty_version_is_not_sealed(essays: Dataset) -> None:
    version = registry.open_version(dataset=essays, at=NOON)
    with pytest.raises(EmptyVersion):
        registry.seal_version(version=version, at=NOON)


def test_sealing_and_withdrawing_twice_is_doing_it_once(essays: Dataset) -> None:
    version = factories.version(essays, ["a"])
    root = bytes(version.records_root or b"")
    assert bytes(registry.seal_version(version=version, at=NOON).records_root or b"") == root
    for _ in range(2):
        registry.withdraw_version(version=version, at=NOON, reason="A mistake.")
    assert Event.objects.filter(kind="version.withdrawn").count() == 1
    assert "mistake" not in str(Event.objects.get(kind="version.withdrawn").body)


def test_erasure_leaves_counts_and_a_ledger_that_verifies(essays: Dataset, ben: Party) -> None:
    version = factories.version(essays, ["secret one", "secret two"])
    copy = factories.version(factories.dataset(ben), ["secret one"])
    factories.overlap(copy, version, [("secret one", "secret one")])
    erased = registry.erase_version(version=version, at=NOON)
    ledger.seal()
    assert (erased.state, erased.salt, erased.record_count) == (State.ERASED, None, 2)
    for record in Record.objects.filter(dataset=essays):
        assert (record.key, bytes(record.digest)) == ("", bytes(32))
    assert Match.objects.get().evidence == {}
    assert Record.objects.filter(dataset=copy.dataset).get().key == "r0"
    assert ledger.first_break() is None
    with pytest.raises(NotSealed):
        list(registry.export_version(erased))


def test_erasing_one_version_keeps_what_another_holds(essays: Dataset) -> None:
    first = factories.version(essays, ["a", "b"])
    second = factories.version(essays, ["b", "c"], keys=["r1", "r2"])
    registry.erase_version(version=first, at=NOON)
    assert keys(second) == ["r1", "r2"]
    registry.erase_version(version=second, at=NOON)
    assert not Record.objects.exclude(key="").exists()


def test_an_erased_record_does_not_come_back_with_a_delta(essays: Dataset) -> None:
    registry.erase_version(version=factories.version(essays, ["a", "b"]), at=NOON)
    with pytest.raises(NoBase):
        registry.open_version(dataset=essays, mode="delta", at=NOON)
    again = factories.version(essays, ["a"], keys=["new"])
    assert keys(again) == ["new"]


def test_an_export_names_every_record_by_its_digest(essays: Dataset) -> None:
    version = factories.version(essays, ["a", "b"])
    rows = list(registry.export_version(version))
    assert [row["key"] for row in rows] == ["r0", "r1"]
    assert rows[0]["sha256"] == factories.digest("a").hex()


@given(digests=st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40))
def test_the_root_is_that_of_openzeppelins_tree(digests: list[bytes]) -> None:
    salt = hashlib.sha256(b"salt").digest()
    rows = [(commitment(salt, digest),) for digest in digests]
    assert records_root(salt, digests) == merkle.Tree.of(["bytes32"], rows).root


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    states=st.lists(
        st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["x", "y"]), min_size=1),
        min_size=1,
        max_size=4,
    )
)
def test_each_version_holds_exactly_what_was_uploaded_whatever_came_before(
    ada: Party, states: list[dict[str, str]]
) -> None:
    dataset = factories.dataset(ada, f"set-{Dataset.objects.count()}")
    versions = [
        factories.version(dataset, [f"{k} {v}" for k, v in state.items()], keys=list(state))
        for state in states
    ]
    for version, state in zip(versions, states, strict=True):
        held = {record.key: bytes(record.digest) for record in registry.records_of(version)}
        assert held == {key: factories.digest(f"{key} {value}") for key, value in state.items()}
        assert version.record_count == len(state)
