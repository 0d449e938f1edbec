"""Signals: what looks wrong in reports of use is looked at by a person, and moves no money."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from provenance import sequences, signals, usage
from provenance.models import DatasetVersion, Event, Party, Review, Run, User
from provenance.signals import Planned
from provenance.streams import BadReport, Count
from tests import factories
from tests.cast import NOON

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Rule = Review.Rule


@pytest.fixture
def essays(ada: Party) -> DatasetVersion:
    """A hundred essays."""
    texts = [f"essay number {place}" for place in range(100)]
    return factories.version(factories.dataset(ada), texts)


def start(lab: Party, at: datetime = NOON, **more) -> Run:
    return usage.start_run(lab=lab, purpose="pretrain", at=at, **more)


def report(run: Run, subject: object, records: int = 0, **given) -> None:
    settings = {
        "purpose": "pretrain",
        "stream": "rank-0",
        "sequence": 1,
        "count": Count(records=records, epochs=given.pop("epochs", 1)),
        "used_at": run.started_at,
        "received_at": run.started_at,
        **given,
    }
    usage.report_usage(run=run, subject=str(getattr(subject, "pk", subject)), **settings)


def whole_run(
    lab: Party, subject: object, records: int, *, at: datetime, lasting: timedelta = HOUR, epochs=0
) -> Run:
    run = start(lab, at)
    report(run, subject, records, epochs=epochs)
    usage.end_run(run=run, at=at + lasting)
    return run


def found(at: datetime = NOON + 2 * HOUR) -> list[Review]:
    """The reviews there are after a look at the last three days."""
    signals.raise_reviews(since=at - 3 * DAY, at=at)
    return list(Review.objects.order_by("raised_at", "rule"))


# Gaps.


@given(st.permutations(range(1, 13)), st.sets(st.integers(1, 12)))
def test_the_missing_numbers_are_those_that_never_came(order, lost) -> None:
    missing: list[list[int]] = []
    last = 0
    heard = [number for number in order if number not in lost]
    for number in heard + heard:
        missing = sequences.heard(missing, last, number)
        last = max(last, number)
    said = {number for first, end in missing for number in range(first, end + 1)}
    assert said == {number for number in lost if number < last}
    assert sequences.count(missing) == len(said)


def test_a_gap_that_nothing_fills_is_reviewed_with_its_numbers(
    lab: Party, essays: DatasetVersion
) -> None:
    run = start(lab)
    report(run, essays, 10, sequence=3)
    report(run, essays, 20, sequence=7)
    assert found(NOON + 59 * MINUTE) == []
    (review,) = found(NOON + HOUR)
    assert (review.rule, review.measure, review.version) == (Rule.GAP, 5, essays)
    said = signals.say_evidence(review)
    assert "never came: 5" in said
    assert "Stream rank-0 (native) came to number 7 without 1 to 2, 4 to 6" in said


def test_a_report_that_comes_late_fills_its_gap(lab: Party, essays: DatasetVersion) -> None:
    run = start(lab)
    for sequence, records in ((1, 10), (4, 40)):
        report(run, essays, records, sequence=sequence)
    (review,) = found()
    report(run, essays, 20, sequence=2, received_at=NOON + 2 * HOUR)
    assert found()[0].measure == 1
    report(run, essays, 30, sequence=3, received_at=NOON + 2 * HOUR)
    (kept,) = found(NOON + 3 * HOUR)
    assert (kept.pk, kept.state, kept.gone_at) == (review.pk, "open", NOON + 3 * HOUR)
    assert not kept.usage.reports.get().has_gap


def test_reports_out_of_order_and_twice_are_no_gap(lab: Party, essays: DatasetVersion) -> None:
    run = start(lab)
    for sequence in (3, 1, 2, 2, 5, 4, 5):
        report(run, essays, sequence * 10, sequence=sequence)
    assert found() == []


# The plan.


def planned(lab: Party, *plan: Planned) -> Run:
    run = start(lab)
    signals.declare(run=run, planned=plan, at=NOON)
    return run


@pytest.mark.parametrize(("records", "is_found"), [(240, False), (360, False), (100, True)])
def test_less_than_planned_is_reviewed_when_the_run_is_over(
    lab: Party, essays: DatasetVersion, records: int, is_found: bool
) -> None:
    run = planned(lab, Planned(str(essays), records=300, epochs=3))
    report(run, essays, records, epochs=3)
    assert found() == []
    usage.end_run(run=run, at=NOON + HOUR)
    assert bool(found()) == is_found


def test_more_than_planned_is_reviewed_while_the_run_lasts(
    lab: Party, essays: DatasetVersion
) -> None:
    run = planned(lab, Planned(str(essays), epochs=2))
    report(run, essays, 500, epochs=6)
    (review,) = found()
    assert (review.rule, review.measure) == (Rule.PLAN, 300)
    assert signals.say_evidence(review) == (
        "The run's plan said 200 records; 500 were reported, which is more."
    )


def test_a_dataset_that_was_planned_and_never_reported_is_reviewed(
    lab: Party, essays: DatasetVersion, ada: Party
) -> None:
    run = planned(lab, Planned(str(essays), records=300))
    usage.end_run(run=run, at=NOON + HOUR)
    (review,) = found()
    assert (review.usage, review.version, review.measure) == (None, essays, 300)
    assert Review.objects.visible_to(factories.viewer(ada)).get() == review
    report(run, essays, 300, epochs=3, received_at=NOON + 2 * HOUR)
    (kept,) = found(NOON + 3 * HOUR)
    assert kept.gone_at == NOON + 3 * HOUR


def test_epochs_are_held_against_the_plan_where_records_are_not_counted(
    lab: Party, essays: DatasetVersion
) -> None:
    run = planned(lab, Planned(str(essays), epochs=10))
    report(run, essays, 0, epochs=4)
    usage.end_run(run=run, at=NOON + HOUR)
    (review,) = found()
    assert review.evidence["counted"] == "epochs"


def test_a_plan_is_declared_once_and_before_anything_is_used(
    lab: Party, essays: DatasetVersion
) -> None:
    run = planned(lab, Planned(str(essays), records=300))
    child = start(lab, parent=run)
    signals.declare(run=child, planned=[Planned(str(essays.pk), records=300)], at=NOON)
    assert run.plan.count() == 1
    with pytest.raises(signals.PlanStands):
        signals.declare(run=run, planned=[Planned(str(essays), records=10)], at=NOON)
    other = start(lab)
    report(other, essays, 10)
    with pytest.raises(signals.PlanTooLate):
        signals.declare(run=other, planned=[Planned(str(essays), records=10)], at=NOON)


@pytest.mark.parametrize(
    "wrong",
    [
        [Planned("a/b")],
        [Planned("", records=1)],
        [Planned("a/b", records=-1)],
        [Planned("a/b", records=1, purpose="fun")],
        [Planned("a/b", records=1), Planned("a/b", epochs=1)],
    ],
)
def test_a_plan_that_cannot_be_is_refused(lab: Party, wrong: list[Planned]) -> None:
    with pytest.raises(BadReport):
        signals.declare(run=start(lab), planned=wrong, at=NOON)


# Earlier runs.


def with_history(lab: Party, version: DatasetVersion, runs: int = 12) -> None:
    for number in range(runs):
        whole_run(lab, version, 280 + number * 4, at=NOON - (runs + 2 - number) * DAY)


@pytest.mark.parametrize(
    ("records", "lasting", "is_found"),
    [
        (3_000, HOUR, True),
        (900, HOUR, False),
        (30, HOUR, True),
        (30, 10 * MINUTE, False),
        (100, HOUR, False),
    ],
)
def test_a_run_unlike_the_labs_earlier_ones_is_reviewed(
    lab: Party, essays: DatasetVersion, records: int, lasting: timedelta, is_found: bool
) -> None:
    with_history(lab, essays)
    whole_run(lab, essays, records, at=NOON, lasting=lasting)
    reviews = [one for one in found() if one.run.started_at == NOON]
    assert [one.rule for one in reviews] == [Rule.HISTORY] * is_found
    if is_found:
        assert reviews[0].evidence["runs"] == 12
        assert 290 <= reviews[0].evidence["usual"] <= 310
        assert "other runs on this dataset" in signals.say_evidence(reviews[0])


def test_too_few_earlier_runs_say_nothing(lab: Party, essays: DatasetVersion) -> None:
    with_history(lab, essays, runs=11)
    whole_run(lab, essays, 30_000, at=NOON)
    assert found() == []


def test_another_labs_runs_are_no_history(lab: Party, essays: DatasetVersion) -> None:
    with_history(factories.party("Other Lab", is_lab=True), essays)
    whole_run(lab, essays, 30_000, at=NOON)
    assert found() == []


def test_a_dataset_used_for_the_first_time_is_held_against_the_purpose(
    lab: Party, essays: DatasetVersion, ben: Party
) -> None:
    with_history(lab, essays)
    notes = factories.version(factories.dataset(ben, "notes"), [f"note {n}" for n in range(1_000)])
    whole_run(lab, notes, 3_100, at=NOON)
    assert found() == []
    whole_run(lab, notes, 200, at=NOON + MINUTE)
    (review,) = found()
    assert not review.evidence["same_dataset"]
    assert "by the dataset's size" in signals.say_evidence(review)


# The size of the dataset.


@pytest.mark.parametrize(
    ("count", "is_found"),
    [
        (Count(records=300, epochs=3), False),
        (Count(records=390, epochs=3), False),
        (Count(records=410, epochs=3), True),
        (Count(records=5_000, epochs=0), False),
        (Count(tokens=1_100, epochs=1), False),
        (Count(tokens=30_000, epochs=1), True),
    ],
)
def test_more_than_the_dataset_holds_is_reviewed(
    lab: Party, essays: DatasetVersion, count: Count, is_found: bool
) -> None:
    run = start(lab)
    report(run, essays, count=count)
    assert [one.rule for one in found()] == [Rule.SIZE] * is_found


# Two names.


def test_two_versions_with_the_same_records_in_one_run_are_reviewed_once(
    lab: Party, essays: DatasetVersion, ben: Party
) -> None:
    texts = [f"essay number {place}" for place in range(95)]
    copy = factories.version(factories.dataset(ben, "copy"), texts)
    factories.overlap(copy, essays, [(text, text) for text in texts])
    other = factories.version(factories.dataset(ben, "other"), ["quite", "different"])
    run = start(lab)
    for version in (essays, copy, other):
        report(run, version, 2)
    (review,) = found()
    assert review.rule == Rule.TWO_NAMES
    assert {review.version, review.other_version} == {essays, copy}
    assert "95 of 95 records are the same" in signals.say_evidence(review)
    apart = start(lab, NOON + MINUTE)
    report(apart, copy, 2)
    assert len(found()) == 1


def test_two_versions_of_one_dataset_in_one_run_are_reviewed_if_they_hold_the_same(
    lab: Party, ada: Party
) -> None:
    dataset = factories.dataset(ada)
    texts = [f"essay number {place}" for place in range(20)]
    first = factories.version(dataset, texts)
    nearly = factories.version(dataset, [*texts[:19], "a new one"])
    other = factories.version(dataset, [f"another text {place}" for place in range(20)])
    run = start(lab)
    report(run, first, 5)
    report(run, other, 5)
    assert found() == []
    report(run, nearly, 5)
    (review,) = found()
    assert "19 of 20" in signals.say_evidence(review)


def test_a_labs_own_copy_of_what_another_registered_is_reviewed(
    essays: DatasetVersion, ada: Party, ben: Party
) -> None:
    texts = [f"essay number {place}" for place in range(100)]
    both = factories.party("Delta Data", is_owner=True, is_lab=True)
    own = factories.version(factories.dataset(both, "own"), texts)
    factories.overlap(own, essays, [(text, text) for text in texts])
    report(start(both), own, 100)
    (review,) = found()
    assert (review.evidence["how"], review.other_version) == ("own_copy", essays)
    assert Review.objects.visible_to(factories.viewer(ada)).get() == review
    assert not Review.objects.visible_to(factories.viewer(ben)).exists()


@pytest.mark.parametrize(
    ("name", "is_found"),
    [
        ("Aurora_Archive/Essays", True),
        ("datasets/aurora-archive.essays@1", True),
        ("aurora-archive/letters", False),
        ("/", False),
    ],
)
def test_a_name_that_reads_like_a_registered_one_is_reviewed(
    lab: Party, essays: DatasetVersion, name: str, is_found: bool
) -> None:
    report(start(lab), name, 100)
    reviews = found()
    assert [one.rule for one in reviews] == [Rule.TWO_NAMES] * is_found
    if is_found:
        assert reviews[0].other_version == essays
        assert "reads like 'aurora-archive/essays'" in signals.say_evidence(reviews[0])


# Meters.


@pytest.mark.parametrize(
    ("meter", "native", "other", "is_found"),
    [
        ("mlflow", 100, 110, False),
        ("mlflow", 100, 160, True),
        ("mlflow", 160, 100, True),
        ("openlineage", 0, 100, True),
        ("hub", 25, 100, False),
        ("hub", 300, 100, False),
        ("hub", 12, 300, True),
    ],
)
def test_meters_that_disagree_are_reviewed_when_the_run_is_over(
    lab: Party, essays: DatasetVersion, meter: str, native: int, other: int, is_found: bool
) -> None:
    run = start(lab)
    report(run, essays, native, epochs=2)
    report(run, essays, other, meter=meter, epochs=2)
    assert found() == []
    usage.end_run(run=run, at=NOON + HOUR)
    reviews = found()
    assert [one.rule for one in reviews] == [Rule.METERS] * is_found
    if is_found:
        assert f"the {meter} meter {other}" in signals.say_evidence(reviews[0])


# What becomes of a review.


@pytest.fixture
def review(lab: Party, essays: DatasetVersion) -> Review:
    report(start(lab), essays, 1_000)
    (made,) = found()
    return made


def test_the_same_finding_again_changes_the_review_that_is_there(
    review: Review, essays: DatasetVersion
) -> None:
    assert signals.raise_reviews(since=NOON - DAY, at=NOON + 3 * HOUR) == 0
    report(review.run, essays, 1_500, sequence=2)
    (kept,) = found(NOON + 4 * HOUR)
    assert (kept.pk, kept.raised_at, kept.found_at) == (
        review.pk, review.raised_at, NOON + 4 * HOUR,
    )  # fmt: skip
    assert (review.measure, kept.measure) == (800, 1_300)
    assert Event.objects.filter(kind="review.opened").count() == 1


def test_a_closed_review_opens_again_only_when_it_grows_by_more_than_half(
    review: Review, essays: DatasetVersion, olga: User
) -> None:
    signals.close(review=review, outcome="explained", reason="Padded.", by=olga, at=NOON)
    report(review.run, essays, 1_300, sequence=2)
    assert found()[0].state == "closed"
    report(review.run, essays, 2_000, sequence=3)
    (again,) = found(NOON + 3 * HOUR)
    assert (again.state, again.reason, again.measure) == ("open", "", 1_800)
    kinds = list(Event.objects.filter(subject_id=review.pk).values_list("kind", flat=True))
    assert kinds == ["review.opened", "review.closed", "review.opened"]


def test_a_review_is_closed_with_an_outcome_and_a_reason(review: Review, olga: User) -> None:
    for wrong in ({"outcome": "fine", "reason": "x"}, {"outcome": "explained", "reason": " "}):
        with pytest.raises(signals.BadClosing):
            signals.close(review=review, by=olga, at=NOON, **wrong)
    signals.close(review=review, outcome="misreported", reason="As said.", by=olga, at=NOON)
    with pytest.raises(signals.ReviewClosed):
        signals.say(review=review, party=review.run.lab, text="But", by=None, at=NOON)
    with pytest.raises(signals.ReviewClosed):
        signals.assign(review=review, to=olga)


def test_a_review_moves_no_money_and_changes_no_usage(review: Review, olga: User) -> None:
    from compensation.models import Charge, Entry, Waiting

    before = list(type(review.usage).objects.values())
    signals.close(review=review, outcome="misreported", reason="As said.", by=olga, at=NOON)
    assert list(type(review.usage).objects.values()) == before
    assert not Entry.objects.exists()
    assert not Charge.objects.exists()
    assert not Waiting.objects.exists()


def test_the_owner_reads_that_there_is_a_review_and_nothing_of_the_labs(
    review: Review, ada: Party, ben: Party
) -> None:
    assert Review.objects.visible_to(factories.viewer(ada)).get() == review
    assert not Review.objects.visible_to(factories.viewer(ben)).exists()
    event = Event.objects.get(kind="review.opened")
    assert event.other_party == ada
    assert event.body["run"] == review.run.pseudonym
    for text in (signals.for_owner(review), str(event.body)):
        assert "1,000" not in text
        assert "1000" not in text
        assert str(review.run_id) not in text


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM provenance_review",
        "UPDATE provenance_review SET rule = 'gap'",
        "UPDATE provenance_reviewnote SET text = 'other'",
        "DELETE FROM provenance_runplan",
        "UPDATE provenance_runplan SET record_count = 1",
    ],
)
def test_what_was_said_and_planned_stays(
    review: Review, lab: Party, essays: DatasetVersion, statement: str
) -> None:
    planned(lab, Planned(str(essays), records=300))
    signals.say(review=review, party=lab, text="We pad.", by=None, at=NOON)
    said = pytest.raises(Exception, match=r"denied|refused|fact")
    with said, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
