"""Use that no grant covers: the lab is told first, and has time to obtain a grant for all of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from provenance import coverage, edges, ledger, licensing, lineage, reminders, signals, tasks, usage
from provenance.access import Viewer
from provenance.licensing import grants
from provenance.models import (
    Dataset,
    DatasetVersion,
    Event,
    Grant,
    Licence,
    Notice,
    Party,
    Review,
    Run,
    RunEdge,
    Usage,
)
from provenance.streams import Count
from tests import doors, factories

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
WAIT = 14 * DAY
TICK = timedelta(microseconds=1)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def essays(ada: Party) -> DatasetVersion:
    return factories.version(factories.dataset(ada), [f"essay number {n}" for n in range(10)])


def offer(dataset: Dataset, at: datetime, *, price: int | None = None) -> Licence:
    licence = licensing.offer_licence(
        dataset=dataset, name="Training", text="You may train.", purposes=["pretrain"],
        is_automatic=True, at=at,
    )  # fmt: skip
    if price is not None:
        reprice(licence, price, at)
    return licence


def reprice(licence: Licence, price: int, at: datetime) -> None:
    licensing.set_rate(
        licence=licence, basis="per_1k_records", price_units=price, asset="iso4217:EUR",
        valid_from=at, at=at,
    )  # fmt: skip


def use(lab: Party, version: DatasetVersion, at: datetime, **given: Any) -> Usage:
    run = given.pop("run", None) or usage.start_run(
        lab=lab, purpose="pretrain", name="winter", at=at
    )
    said = {"sequence": 1, "count": Count(5, 50, 1), "used_at": at, "received_at": at, **given}
    return usage.report_usage(
        run=run, subject=str(version.pk), purpose="pretrain", stream="s", **said
    )


def obtain(lab: Party, licence: Licence, at: datetime) -> Grant:
    return licensing.request_grant(lab=lab, licence=licence, purposes=["pretrain"], at=at)


def seen_by(party: Party, used: Usage) -> set[str]:
    """Where a party's pages and answers show a use: by its id, its run's pseudonym or its edge."""
    door, viewer = doors.of(party), Viewer(party, "admin")
    name = used.run.pseudonym
    version = used.version
    assert version is not None
    ledger.seal()
    page, email = Client(), f"{timezone.now().timestamp()}@{party.pk}.example"
    page.force_login(factories.user(email, party=party))
    address = reverse("admin:provenance_usage_change", args=[used.pk])
    found = {
        "usages": bool(door.get("usages")["results"]),
        "usage": door.raw("GET", f"usages/{used.pk}").status_code == 200,
        "events": name in str(door.get("events")["results"]),
        "reviews": bool(door.get("reviews")["results"]),
        "page": page.get(address).status_code == 200,
        "list": used.run.name_for(party)
        in page.get(reverse("admin:provenance_usage_changelist")).content.decode(),
        "graph": name in str(lineage.graph(viewer=viewer, node_id=lineage.node_id(version))),
    }
    if party == version.dataset.owner:
        found["models"] = bool(lineage.models_of(version.dataset, viewer))
    return {where for where, is_shown in found.items() if is_shown}


def everything(lab: Party, version: DatasetVersion, at: datetime) -> Usage:
    """A use without a grant that shows wherever uses show: reviewed, and a model made of it."""
    used = use(lab, version, at, count=Count(5_000, 0, 1))
    usage.register_model(lab=lab, name="cobalt-1", run=used.run, at=at)
    signals.raise_reviews(since=at - DAY, at=at)
    assert Review.objects.get().usage == used
    return used


OWNERS = {"usages", "usage", "events", "reviews", "page", "list", "graph", "models"}


def test_for_14_days_the_lab_sees_its_ungranted_use_and_the_owner_sees_it_nowhere(
    lab: Party, ada: Party, essays: DatasetVersion, now: datetime
) -> None:
    used = everything(lab, essays, now - WAIT + timedelta(hours=1))
    assert used.is_ungranted
    assert used.awaits_grant_until == now + timedelta(hours=1)
    shown = doors.of(lab).get(f"usages/{used.pk}")
    assert datetime.fromisoformat(shown["awaits_grant_until"]) == used.awaits_grant_until
    assert seen_by(lab, used) == OWNERS - {"models"}
    assert seen_by(ada, used) == set()


def test_after_14_days_the_owner_sees_it_and_is_told(
    lab: Party, ada: Party, essays: DatasetVersion, now: datetime
) -> None:
    used = everything(lab, essays, now - WAIT)
    assert seen_by(ada, used) == OWNERS
    for _ in range(2):
        tasks.remind_of_deadlines()
    assert Notice.objects.filter(party=ada, kind__startswith="usage").count() == 1
    assert Notice.objects.filter(party=ada, kind="usage.without_grant").exists()


def test_a_use_that_is_granted_at_once_is_shown_at_once(
    lab: Party, ada: Party, essays: DatasetVersion, now: datetime
) -> None:
    obtain(lab, offer(essays.dataset, now - DAY), now - DAY)
    used = everything(lab, essays, now)
    assert used.awaits_grant_until is None
    assert seen_by(ada, used) == OWNERS


def test_of_two_uses_in_one_run_the_owner_sees_the_granted_one_alone(
    lab: Party, ada: Party, ben: Party, essays: DatasetVersion, now: datetime
) -> None:
    notes = factories.version(factories.dataset(ben, "notes"), ["a note", "and another"])
    obtain(lab, offer(essays.dataset, now - DAY), now - DAY)
    granted = use(lab, essays, now)
    waiting = use(lab, notes, now, run=granted.run)
    assert {"usages", "events", "graph"} <= seen_by(ada, granted)
    assert seen_by(ben, waiting) == set()
    consumed = Event.objects.filter(kind="run.consumed")
    assert consumed.visible_to(Viewer(ada, "admin")).count() == 1
    assert RunEdge.objects.known_to(Viewer(ben, "admin")).get().version == essays


def test_a_rank_of_a_job_gives_nothing_away_either(
    lab: Party, ada: Party, essays: DatasetVersion, now: datetime
) -> None:
    root = usage.start_run(lab=lab, purpose="pretrain", name="winter", at=now)
    rank = usage.start_run(lab=lab, purpose="pretrain", parent=root, at=now)
    used = use(lab, essays, now, run=rank)
    edges.add_edge(run=root, direction="consumed", version=essays, at=now)
    assert seen_by(ada, used) == set()
    assert rank.pseudonym not in str(doors.of(ada).get("events")["results"])


def test_a_grant_in_time_covers_all_of_it_and_shows_it_to_the_owner(
    lab: Party, ada: Party, essays: DatasetVersion, now: datetime
) -> None:
    used = everything(lab, essays, now - 2 * DAY)
    given = obtain(lab, offer(essays.dataset, now - 5 * DAY), now)
    used.refresh_from_db()
    assert (used.grant, used.is_ungranted, used.awaits_grant_until) == (given, False, None)
    assert used.revision == 2
    told = Event.objects.filter(kind="dataset.used").order_by("id").last()
    assert told is not None
    assert (told.body["revision"], told.body["grant"]) == (2, str(given.pk))
    assert told.body["records"] == 5_000
    assert seen_by(ada, used) == OWNERS
    reminders.pass_deadlines(at=now + WAIT)
    assert not Notice.objects.filter(party=ada, kind="usage.without_grant").exists()


def test_it_is_priced_by_the_list_price_of_when_its_run_started(
    lab: Party, essays: DatasetVersion, now: datetime
) -> None:
    licence = offer(essays.dataset, now - 9 * DAY, price=1_000)
    used = use(lab, essays, now - 3 * DAY)
    reprice(licence, 5_000, now - 2 * DAY)
    given = obtain(lab, licence, now - DAY)
    used.refresh_from_db()
    assert used.rate is not None
    assert given.rate is not None
    assert (used.rate.price_units, given.rate.price_units) == (1_000, 5_000)


def test_where_there_was_no_price_then_the_grants_own_holds(
    lab: Party, essays: DatasetVersion, now: datetime
) -> None:
    used = use(lab, essays, now - 3 * DAY)
    given = obtain(lab, offer(essays.dataset, now - 2 * DAY, price=5_000), now - DAY)
    used.refresh_from_db()
    assert used.rate == given.rate
    assert used.rate is not None


@pytest.mark.parametrize(("after", "is_covered"), [(WAIT - TICK, True), (WAIT, False)])
def test_the_time_ends_to_the_microsecond(
    lab: Party, essays: DatasetVersion, now: datetime, after: timedelta, is_covered: bool
) -> None:
    licence = offer(essays.dataset, now)
    used = use(lab, essays, now)
    obtain(lab, licence, now + after)
    used.refresh_from_db()
    assert (used.grant is not None) == is_covered
    assert used.is_ungranted != is_covered


def test_a_grant_for_another_purpose_or_another_lab_covers_nothing(
    lab: Party, essays: DatasetVersion, now: datetime
) -> None:
    rival = factories.party("Dune Labs", is_lab=True)
    licence = licensing.offer_licence(
        dataset=essays.dataset, name="Wide", text="Do.", purposes=["pretrain", "finetune"],
        is_automatic=True, at=now,
    )  # fmt: skip
    used = use(lab, essays, now)
    licensing.request_grant(lab=lab, licence=licence, purposes=["finetune"], at=now + DAY)
    obtain(rival, licence, now + DAY)
    used.refresh_from_db()
    assert used.is_ungranted


def test_the_time_is_counted_from_the_first_report_whatever_follows(
    lab: Party, essays: DatasetVersion, now: datetime
) -> None:
    used = use(lab, essays, now)
    again = use(lab, essays, now + 3 * DAY, run=used.run, sequence=2, count=Count(9, 90, 1))
    assert again.awaits_grant_until == now + WAIT
    assert Notice.objects.filter(kind="usage.ungranted").count() == 1


def test_a_use_before_the_grant_that_is_told_after_it_is_covered_at_once(
    lab: Party, ada: Party, essays: DatasetVersion, now: datetime
) -> None:
    licence = offer(essays.dataset, now - 9 * DAY, price=1_000)
    run = usage.start_run(lab=lab, purpose="pretrain", at=now - 3 * DAY)
    reprice(licence, 5_000, now - 2 * DAY)
    given = obtain(lab, licence, now - DAY)
    used = use(lab, essays, now - 3 * DAY, run=run, received_at=now)
    assert (used.grant, used.awaits_grant_until) == (given, None)
    assert used.rate is not None
    assert used.rate.price_units == 1_000


def test_what_a_grant_passed_by_is_covered_later_and_once(
    lab: Party, essays: DatasetVersion, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = use(lab, essays, now - DAY)
    with monkeypatch.context() as patch:
        # As where somebody else writes to the use in that moment.
        patch.setattr(grants.coverage, "cover", lambda grant, at: 0)
        given = obtain(lab, offer(essays.dataset, now), now)
    assert [coverage.cover_missed(at=now + DAY) for _ in range(2)] == [1, 0]
    used.refresh_from_db()
    assert (used.grant, used.revision) == (given, 2)
    tasks.cover_uses()
    assert coverage.cover(given, at=now + DAY) == 0
    assert Event.objects.filter(kind="dataset.used").count() == 2


def test_a_grant_of_the_last_moment_is_found_a_little_later(
    lab: Party, essays: DatasetVersion, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    used, late = use(lab, essays, now), use(lab, essays, now)
    with monkeypatch.context() as patch:
        patch.setattr(grants.coverage, "cover", lambda grant, at: 0)
        obtain(lab, offer(essays.dataset, now), now + WAIT - TICK)
    Usage.objects.filter(pk=late.pk).update(awaits_grant_until=now + WAIT - 2 * TICK)
    assert coverage.cover_missed(at=now + WAIT + timedelta(minutes=1)) == 1
    assert Usage.objects.get(is_ungranted=True) == late
    used.refresh_from_db()
    assert not used.is_ungranted


def test_a_grant_that_cannot_be_written_covers_nothing(
    lab: Party, essays: DatasetVersion, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = use(lab, essays, now)
    licence = offer(essays.dataset, now)

    def killed(*args: Any, **given: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(coverage, "record", killed)
        with pytest.raises(KeyboardInterrupt):
            obtain(lab, licence, now + DAY)
    used.refresh_from_db()
    assert (used.is_ungranted, Grant.objects.count()) == (True, 0)
    obtain(lab, licence, now + DAY)
    used.refresh_from_db()
    assert (used.is_ungranted, used.revision) == (False, 2)


def test_the_labs_page_leads_to_the_licences_that_would_cover_it(
    lab: Party, essays: DatasetVersion, now: datetime
) -> None:
    licence = offer(essays.dataset, now)
    used = use(lab, essays, now)
    client = Client()
    client.force_login(factories.user("lea@cobalt.example", party=lab))
    page = client.get(reverse("admin:provenance_usage_change", args=[used.pk])).content.decode()
    assert "Only the lab is told of this until" in page
    assert "Ask for a grant: Training" in page
    assert reverse("admin:provenance_licence_change", args=[licence.pk]) in page
    licensing.retire_licence(licence=licence, at=now)
    page = client.get(reverse("admin:provenance_usage_change", args=[used.pk])).content.decode()
    assert "No licence for this purpose is on offer now." in page


def test_the_wait_is_a_setting(
    lab: Party, essays: DatasetVersion, now: datetime, settings: Any
) -> None:
    settings.GRANT_WAIT_DAYS = 3
    assert use(lab, essays, now).awaits_grant_until == now + 3 * DAY


def test_use_of_ones_own_data_waits_for_nothing(ada: Party, essays: DatasetVersion, now) -> None:
    Party.objects.filter(pk=ada.pk).update(is_lab=True)
    used = use(Party.objects.get(pk=ada.pk), essays, now)
    assert (used.is_ungranted, used.awaits_grant_until) == (False, None)
    assert isinstance(used.run, Run)
