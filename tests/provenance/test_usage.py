"""Usage: streams add up, counters never go back, and what should not be is kept and flagged."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance import edges, ledger, licensing, registry, usage
from provenance.edges import NotOurs
from provenance.models import DatasetVersion, Event, Party, Run, Usage, UsageReport
from provenance.streams import BadReport, Count
from provenance.usage import RunIdTaken
from tests import factories
from tests.cast import NOON

DAY = timedelta(days=1)


@pytest.fixture
def essays(ada: Party) -> DatasetVersion:
    return factories.version(factories.dataset(ada), ["one essay", "another essay"])


@pytest.fixture
def run(lab: Party) -> Run:
    return usage.start_run(lab=lab, purpose="pretrain", name="train", at=NOON)


def report(run: Run, subject: object, **given) -> Usage:
    settings = {
        "purpose": "pretrain",
        "stream": "rank-0",
        "sequence": 1,
        "count": Count(records=10, tokens=100, epochs=1),
        "used_at": NOON,
        "received_at": NOON,
        **given,
    }
    return usage.report_usage(run=run, subject=str(getattr(subject, "pk", subject)), **settings)


def grant(lab: Party, version: DatasetVersion):
    licence = licensing.offer_licence(
        dataset=version.dataset,
        name="Training",
        spdx="CC-BY-4.0",
        purposes=["pretrain"],
        is_automatic=True,
        at=NOON,
    )
    return licensing.request_grant(lab=lab, licence=licence, purposes=["pretrain"], at=NOON)


def test_ranks_add_up(run: Run, essays: DatasetVersion) -> None:
    report(run, essays, stream="rank-0", count=Count(10, 100, 1))
    kept = report(run, essays, stream="rank-1", count=Count(20, 150, 1))
    assert (kept.record_count, kept.token_count, kept.epoch_count) == (30, 250, 1)
    assert Usage.objects.count() == 1
    assert kept.revision == 2


def test_a_repeat_is_harmless(run: Run, essays: DatasetVersion) -> None:
    first = report(run, essays)
    again = report(run, essays)
    assert (again.record_count, again.revision) == (first.record_count, first.revision)
    assert Event.objects.filter(kind="dataset.used").count() == 1


def test_events_name_a_run_to_owners_by_its_pseudonym_alone(
    run: Run, essays: DatasetVersion
) -> None:
    report(run, essays)
    edges.add_edge(run=run, direction="consumed", version=essays, at=NOON)
    seen = Event.objects.filter(other_party=essays.dataset.owner)
    assert {event.kind for event in seen} >= {"dataset.used", "run.consumed"}
    for event in seen.filter(party=run.lab):
        told = ledger.canonical_event(event)
        assert str(run.pk) not in json.dumps(told, default=str)
        assert told["body"].get("run", run.pseudonym) == run.pseudonym


def test_counters_never_go_back(run: Run, essays: DatasetVersion) -> None:
    report(run, essays, sequence=1, count=Count(10, 100, 1))
    kept = report(run, essays, sequence=2, count=Count(5, 50, 0))
    assert (kept.record_count, kept.token_count) == (10, 100)
    with pytest.raises(Exception, match="never go back"), transaction.atomic():
        Usage.objects.filter(pk=kept.pk).update(record_count=1)


def test_a_missing_report_shows_and_costs_nothing(run: Run, essays: DatasetVersion) -> None:
    report(run, essays, sequence=1)
    kept = report(run, essays, sequence=4, count=Count(40, 400, 1))
    assert kept.record_count == 40
    assert UsageReport.objects.get().has_gap


def test_a_report_that_comes_late_changes_nothing(run: Run, essays: DatasetVersion) -> None:
    report(run, essays, sequence=1, count=Count(10))
    report(run, essays, sequence=2, count=Count(30))
    assert report(run, essays, sequence=1, count=Count(10)).record_count == 30
    assert report(run, essays, sequence=3, count=Count(40)).record_count == 40
    assert not UsageReport.objects.get().has_gap


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    streams=st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=4), min_size=1, max_size=3),
    seed=st.randoms(use_true_random=False),
)
def test_any_order_with_repeats_gives_the_same_total(
    run: Run, essays: DatasetVersion, streams: list[list[int]], seed
) -> None:
    """Each stream sends growing sums; what arrives is shuffled and doubled."""
    sent = []
    for number, growths in enumerate(streams):
        total = 0
        for sequence, growth in enumerate(growths, start=1):
            total += growth
            sent.append((f"rank-{number}", sequence, total))
    heard = sent * 2
    seed.shuffle(heard)
    with transaction.atomic():
        for stream, sequence, total in heard:
            kept = report(run, essays, stream=stream, sequence=sequence, count=Count(total))
        assert kept.record_count == sum(map(sum, streams))
        transaction.set_rollback(True)


def test_a_version_is_named_by_id_or_by_name(run: Run, essays: DatasetVersion) -> None:
    names = [str(essays.pk), "aurora-archive/essays@1", "aurora-archive/essays"]
    for sequence, name in enumerate(names, start=1):
        report(run, name, sequence=sequence, count=Count(sequence))
    assert Usage.objects.get().version == essays


@pytest.mark.parametrize("subject", ["nobody/nothing@1", "essays", "a/b@99999999999999", "@", "/"])
def test_something_unknown_is_kept_and_flagged(run: Run, subject: str) -> None:
    kept = report(run, subject)
    assert kept.is_unknown
    assert kept.subject == subject
    assert kept.version is None


def test_use_without_a_grant_is_kept_and_flagged(run: Run, essays: DatasetVersion) -> None:
    assert report(run, essays).is_ungranted


def test_a_granted_use_names_its_grant(run: Run, lab: Party, essays: DatasetVersion) -> None:
    given = grant(lab, essays)
    kept = report(run, essays)
    assert (kept.grant, kept.is_ungranted) == (given, False)


def test_a_grant_for_another_purpose_does_not_cover(
    run: Run, lab: Party, essays: DatasetVersion
) -> None:
    grant(lab, essays)
    assert report(run, essays, purpose="finetune").is_ungranted


def test_a_started_run_keeps_its_grant_when_that_is_revoked(
    run: Run, lab: Party, essays: DatasetVersion
) -> None:
    given = grant(lab, essays)
    report(run, essays)
    licensing.revoke_grant(grant=given, reason="Enough.", at=NOON + DAY)
    later = {"used_at": NOON + 2 * DAY, "received_at": NOON + 2 * DAY}
    kept = report(run, essays, sequence=2, count=Count(20), **later)
    assert kept.grant == given
    other = usage.start_run(lab=lab, purpose="pretrain", at=NOON + 2 * DAY)
    assert report(other, essays, **later).is_ungranted
    assert not report(other, essays, purpose="pretrain", stream="late", **later).grant


def test_use_before_a_revocation_is_covered_however_late_it_is_told(
    run: Run, lab: Party, essays: DatasetVersion
) -> None:
    given = grant(lab, essays)
    licensing.revoke_grant(grant=given, reason="Enough.", at=NOON + DAY)
    assert report(run, essays, used_at=NOON, received_at=NOON + 2 * DAY).grant == given


def test_use_after_a_withdrawal_is_kept_and_flagged(run: Run, essays: DatasetVersion) -> None:
    registry.withdraw_version(version=essays, at=NOON + DAY, reason="A mistake.")
    assert not report(run, essays, used_at=NOON).is_of_withdrawn
    assert report(run, essays, sequence=2, count=Count(20), used_at=NOON + 2 * DAY).is_of_withdrawn


def test_a_more_trusted_meter_takes_over_and_nothing_is_counted_twice(
    run: Run, essays: DatasetVersion
) -> None:
    report(run, essays, meter="hub", count=Count(10))
    kept = report(run, essays, meter="native", count=Count(12))
    assert (kept.record_count, kept.meter) == (12, "native")
    kept = report(run, essays, meter="hub", sequence=2, count=Count(500))
    assert (kept.record_count, kept.meter) == (12, "native")
    assert UsageReport.objects.filter(usage=kept, meter="hub").get().record_count == 500


def test_a_silent_run_lapses_and_a_late_report_reopens_it(run: Run, essays: DatasetVersion) -> None:
    assert usage.lapse_silent_runs(NOON + timedelta(hours=23)) == 0
    assert usage.lapse_silent_runs(NOON + timedelta(hours=25)) == 1
    run.refresh_from_db()
    assert (run.state, run.ended_at) == (Run.State.LAPSED, NOON)
    report(run, essays, received_at=NOON + 2 * DAY)
    run.refresh_from_db()
    assert (run.state, run.ended_at) == (Run.State.RUNNING, None)


def test_an_ended_run_stays_ended_and_still_counts(run: Run, essays: DatasetVersion) -> None:
    usage.end_run(run=run, at=NOON)
    kept = report(run, essays)
    assert kept.record_count == 10
    assert Run.objects.get(pk=run.pk).state == Run.State.ENDED


def test_ranks_and_children_are_counted_under_their_root(
    run: Run, lab: Party, essays: DatasetVersion
) -> None:
    child = usage.start_run(lab=lab, purpose="pretrain", parent=run, at=NOON)
    grandchild = usage.start_run(lab=lab, purpose="pretrain", parent=child, at=NOON)
    assert grandchild.root == run
    assert report(grandchild, essays).run == run


def test_every_rank_may_start_the_same_run(run: Run, lab: Party, ada: Party) -> None:
    again = usage.start_run(lab=lab, purpose="pretrain", run_id=run.pk, at=NOON)
    assert again == run
    with pytest.raises(RunIdTaken):
        usage.start_run(lab=ada, purpose="pretrain", run_id=run.pk, at=NOON)


@pytest.mark.parametrize(
    "wrong",
    [
        {"purpose": "fun"},
        {"stream": ""},
        {"sequence": -1},
        {"count": Count(records=-1)},
        {"count": Count(tokens=2**60)},
    ],
)
def test_a_report_that_cannot_be_is_refused(run: Run, wrong: dict) -> None:
    with pytest.raises(BadReport):
        report(run, uuid.uuid4(), **wrong)


def test_a_run_is_tied_only_to_what_its_lab_has(
    run: Run, essays: DatasetVersion, ada: Party
) -> None:
    with pytest.raises(NotOurs):
        edges.add_edge(run=run, direction="produced", version=essays, at=NOON)
    with pytest.raises(NotOurs):
        usage.register_model(lab=ada, name="mine", at=NOON)


def test_two_workers_reporting_at_once_lose_nothing(
    transactional_db: None, lab: Party, ada: Party
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    version = factories.version(factories.dataset(ada), ["one essay"])
    run = usage.start_run(lab=lab, purpose="pretrain", at=NOON)

    def rank(number: int) -> None:
        try:
            for sequence in range(1, 6):
                count = Count(records=sequence)
                report(run, version, stream=f"rank-{number}", sequence=sequence, count=count)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(rank, range(4)))
    assert Usage.objects.get().record_count == 20
