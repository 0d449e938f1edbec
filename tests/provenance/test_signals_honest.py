"""Honest labs are left in peace: what jobs do every day raises no review, or hardly any."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance import signals, usage
from provenance.models import DatasetVersion, Party, Review, Run, Usage
from provenance.signals import Planned
from provenance.streams import Count
from tests import factories
from tests.cast import NOON

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SIZE = 100


@pytest.fixture
def essays(ada: Party) -> DatasetVersion:
    texts = [f"essay number {place}" for place in range(SIZE)]
    return factories.version(factories.dataset(ada), texts)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ranks=st.integers(1, 4),
    epochs=st.integers(1, 4),
    part=st.integers(0, SIZE),
    drift=st.integers(-8, 8),
    shuffle=st.randoms(use_true_random=False),
    ends=st.booleans(),
)
def test_an_honest_job_raises_nothing(
    lab: Party,
    essays: DatasetVersion,
    ranks: int,
    epochs: int,
    part: int,
    drift: int,
    shuffle: random.Random,
    ends: bool,
) -> None:
    """Ranks share `epochs` passes and a part of another; a second meter counts a little else.

    What they send arrives in any order and twice; the plan was about right.
    """
    with transaction.atomic():
        run = usage.start_run(lab=lab, purpose="pretrain", at=NOON)
        total = epochs * SIZE + part
        planned = Planned(str(essays), records=total * (100 + drift) // 100, epochs=epochs)
        signals.declare(run=run, planned=[planned], at=NOON)
        sent = []
        for rank in range(ranks):
            share = total // ranks + (rank < total % ranks)
            for number in range(1, 5):
                sent.append((f"rank-{rank}", number, share * number // 4, "native"))
        sent.append(("job", 1, total * (100 + drift) // 100, "mlflow"))
        sent.append(("worker", 1, SIZE, "hub"))
        heard = sent * 2
        shuffle.shuffle(heard)
        for stream, number, records, meter in heard:
            usage.report_usage(
                run=run, subject=str(essays), purpose="pretrain", stream=stream, sequence=number,
                count=Count(records=records, epochs=epochs), used_at=NOON, received_at=NOON,
                meter=meter,
            )  # fmt: skip
        if ends:
            usage.end_run(run=run, at=NOON + HOUR)
        signals.raise_reviews(since=NOON - DAY, at=NOON + 2 * HOUR)
        assert not Review.objects.exists()
        transaction.set_rollback(True)


def a_year(
    lab: Party, version: DatasetVersion, draw: random.Random, runs: int, habit: dict[str, Any]
) -> list[tuple[Run, Usage]]:
    """Runs as a lab of this habit makes them: how long they go on decides what they use."""
    rows = []
    for number in range(runs):
        began = NOON - timedelta(days=360) + number * timedelta(days=360 / runs)
        passes = habit["passes"] * draw.lognormvariate(0, habit["spread"])
        if draw.random() < habit["trials"]:
            passes *= 0.02
        hours = 10 * passes / habit["passes"] * draw.lognormvariate(0, 0.2)
        if draw.random() < habit["cut_short"]:
            cut = draw.random()
            passes, hours = passes * cut, hours * cut
        run = Run(
            lab=lab, pseudonym=f"run-{lab.pk.hex[:4]}-{number}", purpose="pretrain", state="ended",
            started_at=began, last_heard_at=began, ended_at=began + timedelta(hours=hours),
        )  # fmt: skip
        rows.append(
            (
                run,
                Usage(
                    run=run, version=version, subject=str(version.pk), purpose="pretrain",
                    record_count=max(1, round(passes * SIZE)), used_at=began, reported_at=began,
                ),
            )
        )  # fmt: skip
    return rows


HABITS = [
    {"passes": 3, "spread": 0.0, "trials": 0.0, "cut_short": 0.0},
    {"passes": 3, "spread": 0.3, "trials": 0.0, "cut_short": 0.1},
    {"passes": 20, "spread": 0.7, "trials": 0.0, "cut_short": 0.2},
    {"passes": 5, "spread": 1.0, "trials": 0.0, "cut_short": 0.1},
    {"passes": 50, "spread": 0.4, "trials": 0.4, "cut_short": 0.1},
]


def test_a_year_of_runs_of_honest_labs_is_hardly_ever_questioned(
    db: None, essays: DatasetVersion
) -> None:
    draw = random.Random(7)
    rows, habits = [], {}
    for number in range(25):
        lab = factories.party(f"Lab {number}", is_lab=True)
        habits[lab.pk] = number % len(HABITS)
        rows += a_year(lab, essays, draw, 60, HABITS[number % len(HABITS)])
    Run.objects.bulk_create(run for run, _ in rows)
    Usage.objects.bulk_create(used for _, used in rows)
    signals.raise_reviews(since=NOON - 400 * DAY, at=NOON)
    found = Counter(habits[one.run.lab_id] for one in Review.objects.select_related("run"))
    assert sum(found.values()) <= len(rows) // 500, found


def test_a_lab_that_starts_to_report_a_tenth_is_asked_by_its_third_such_run(
    db: None, essays: DatasetVersion
) -> None:
    draw = random.Random(11)
    rows = []
    for number in range(10):
        lab = factories.party(f"Lab {number}", is_lab=True)
        rows += a_year(lab, essays, draw, 30, HABITS[1])
        for run, used in a_year(lab, essays, draw, 3, {**HABITS[1], "cut_short": 0.0}):
            used.record_count //= 10
            rows.append((run, used))
    Run.objects.bulk_create(run for run, _ in rows)
    Usage.objects.bulk_create(used for _, used in rows)
    signals.raise_reviews(since=NOON - 400 * DAY, at=NOON)
    labs = set(Review.objects.filter(rule=Review.Rule.HISTORY).values_list("run__lab", flat=True))
    assert len(labs) == 10
