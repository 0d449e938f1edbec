"""Lineage: what came of what, as far as each viewer may know."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from provenance import derivation, edges, lineage, usage
from provenance.access import NotAllowed, Viewer
from provenance.admin import graphs
from provenance.models import DatasetVersion, Party, Run, RunEdge, TrainedModel
from tests import doors, factories
from tests.cast import NOON

DAY = timedelta(days=1)


def names(found: dict) -> set[str]:
    return {node["id"] for node in found["graph"]}


def see(viewer: Viewer, node_id: str, **more) -> dict:
    return lineage.graph(viewer=viewer, node_id=node_id, **more)


@pytest.fixture
def essays(ada: Party) -> DatasetVersion:
    return factories.version(factories.dataset(ada), ["one essay", "another essay"])


@pytest.fixture
def notes(ben: Party) -> DatasetVersion:
    return factories.version(factories.dataset(ben, "notes"), ["a note"])


@pytest.fixture
def training(lab: Party) -> Run:
    return usage.start_run(lab=lab, purpose="pretrain", name="train", at=NOON)


def use(run: Run, version: DatasetVersion, tokens: int = 100, at=NOON) -> None:
    usage.report_usage(
        run=run,
        subject=str(version.pk),
        purpose="pretrain",
        stream="rank-0",
        sequence=1,
        count=usage.Count(records=10, tokens=tokens, epochs=1),
        used_at=at,
        received_at=at,
    )


@pytest.fixture
def model(lab: Party, training: Run, essays: DatasetVersion, notes: DatasetVersion) -> TrainedModel:
    """Trained on Ada's essays and Ben's notes."""
    use(training, essays, 300)
    use(training, notes, 100)
    return usage.register_model(lab=lab, name="cobalt-1", run=training, at=NOON)


def test_a_lab_sees_what_went_into_its_model_and_how(model: TrainedModel, as_lab: Viewer) -> None:
    found = see(as_lab, "model:cobalt-labs:cobalt-1")
    assert names(found) == {
        "model:cobalt-labs:cobalt-1",
        "job:cobalt-labs:train",
        "dataset:aurora-archive:essays",
        "dataset:birch-books:notes",
    }
    [job] = [node for node in found["graph"] if node["type"] == "JOB"]
    assert {edge["origin"] for edge in job["inEdges"]} == {
        "dataset:aurora-archive:essays",
        "dataset:birch-books:notes",
    }
    assert job["outEdges"] == [
        {"origin": "job:cobalt-labs:train", "destination": "model:cobalt-labs:cobalt-1"}
    ]
    assert found["truncated"] is False


def test_an_owner_sees_pseudonyms_of_what_came_of_its_data_and_nothing_else(
    model: TrainedModel, training: Run, as_ada: Viewer
) -> None:
    found = see(as_ada, "dataset:aurora-archive:essays")
    [hidden] = [name for name in names(found) if name.startswith("model:")]
    assert hidden.startswith("model:cobalt-labs:model-")
    assert names(found) == {
        "dataset:aurora-archive:essays",
        f"job:cobalt-labs:{training.pseudonym}",
        hidden,
    }
    text = str(found)
    for secret in ("cobalt-1", "notes", "'train'", str(training.pk), str(model.pk)):
        assert secret not in text, secret


def test_two_owners_see_different_pseudonyms_of_one_model(
    model: TrainedModel, as_ada: Viewer, as_ben: Viewer
) -> None:
    adas = names(see(as_ada, "dataset:aurora-archive:essays"))
    bens = names(see(as_ben, "dataset:birch-books:notes"))
    assert {name for name in adas & bens if name.startswith("model")} == set()


def test_a_published_model_is_named(lab: Party, essays, training: Run, as_ada: Viewer) -> None:
    use(training, essays)
    usage.register_model(lab=lab, name="open-1", is_published=True, run=training, at=NOON)
    found = see(as_ada, "dataset:aurora-archive:essays")
    assert "model:cobalt-labs:open-1" in names(found)


def test_a_strangers_run_and_model_are_unknown(
    model: TrainedModel, training: Run, db: None
) -> None:
    stranger = factories.viewer(factories.party("Dune Data", is_owner=True, is_lab=True))
    for node_id in (
        "model:cobalt-labs:cobalt-1",
        "job:cobalt-labs:train",
        f"job:cobalt-labs:{training.pseudonym}",
        f"run:{training.pk}",
        "dataset:aurora-archive:unheard-of",
        "nonsense",
        "run:nonsense",
    ):
        with pytest.raises(lineage.NodeUnknown):
            see(stranger, node_id)


def test_a_catalogued_dataset_shows_a_lab_only_its_own_runs(
    model: TrainedModel, as_lab: Viewer, db: None
) -> None:
    stranger = factories.viewer(factories.party("Dune Data", is_lab=True))
    assert names(see(stranger, "dataset:aurora-archive:essays")) == {
        "dataset:aurora-archive:essays"
    }
    assert "job:cobalt-labs:train" in names(see(as_lab, "dataset:aurora-archive:essays"))


def test_an_operator_sees_all(model: TrainedModel, as_operator: Viewer) -> None:
    found = see(as_operator, "dataset:aurora-archive:essays", direction="downstream")
    assert names(found) == {
        "dataset:aurora-archive:essays",
        "job:cobalt-labs:train",
        "model:cobalt-labs:cobalt-1",
    }


def test_depth_direction_and_date_limit_the_walk(model: TrainedModel, as_lab: Viewer) -> None:
    start = "dataset:aurora-archive:essays"
    assert names(see(as_lab, start, depth=0)) == {start}
    assert len(names(see(as_lab, start, depth=1))) == 2
    assert names(see(as_lab, start, direction="upstream")) == {start}
    assert names(see(as_lab, start, as_of=NOON - DAY)) == {start}


def late(run: Run, version: DatasetVersion) -> None:
    """What the run used at noon, and reported two days later."""
    usage.report_usage(
        run=run, subject=str(version.pk), purpose="pretrain", stream="rank-0", sequence=1,
        count=usage.Count(records=1), used_at=NOON, received_at=NOON + 2 * DAY,
    )  # fmt: skip


def test_a_past_moment_shows_what_was_known_then_not_what_was_told_of_it_later(
    training: Run, essays: DatasetVersion, as_lab: Viewer
) -> None:
    late(training, essays)
    start = "dataset:aurora-archive:essays"
    assert names(see(as_lab, start, as_of=NOON + DAY)) == {start}
    assert "job:cobalt-labs:train" in names(see(as_lab, start, as_of=NOON + 2 * DAY))


def test_a_repeat_does_not_change_since_when_a_step_is_known(
    training: Run, essays: DatasetVersion
) -> None:
    for days in (0, 5):
        edges.add_edge(
            run=training, direction="consumed", version=essays, at=NOON,
            received_at=NOON + days * DAY,
        )  # fmt: skip
    assert RunEdge.objects.get().known_at == NOON


def test_the_api_shows_a_past_moment_and_refuses_those_to_come_and_those_that_are_none(
    training: Run, essays: DatasetVersion, lab: Party
) -> None:
    late(training, essays)
    door, path = doors.of(lab), "lineage?nodeId=dataset:aurora-archive:essays&as_of="

    def shown(moment: str) -> int:
        return len(door.get(path + moment)["graph"])

    assert shown((NOON + DAY).strftime("%Y-%m-%dT%H:%M:%SZ")) == 1
    assert shown((NOON + 3 * DAY).strftime("%Y-%m-%dT%H:%M:%SZ")) == 2
    soon = (timezone.now() + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    refused = door.get(path + soon, 400)
    assert "lies in the future" in str(refused)
    for nonsense in ("yesterday", "2026-02-30T00:00:00Z", "12"):
        assert door.get(path + nonsense, 400)["code"] == "invalid"


def test_graph_table_and_sheet_of_the_page_follow_the_chosen_day(
    training: Run, essays: DatasetVersion, lab: Party
) -> None:
    late(training, essays)
    client = Client()
    client.force_login(factories.user("cleo@cobalt.example", party=lab))
    start, address = lineage.node_id(essays.dataset), "/admin/provenance/run/lineage/"

    def page(day: datetime, **more: str) -> Any:
        asked = {"node": start, "as_of": day.strftime("%Y-%m-%d"), **more}
        return client.get(address, asked)

    job = "job:cobalt-labs:train"
    for day, is_known in ((NOON + DAY, False), (NOON + 2 * DAY, True), (timezone.now(), True)):
        answer = page(day)
        assert (job in {one["id"] for one in answer.context["elements"]["nodes"]}) == is_known
        assert (">Run train</a>" in answer.content.decode()) == is_known
        link = f'train&amp;as_of={day:%Y-%m-%d}"'
        assert (link in answer.content.decode()) == is_known
        assert (job in page(day, format="csv").content.decode()) == is_known


def test_the_slider_goes_from_the_day_before_the_first_step_until_today(
    training: Run, essays: DatasetVersion, lab: Party, ben: Party
) -> None:
    late(training, essays)
    client = Client()
    client.force_login(factories.user("cleo@cobalt.example", party=lab))
    address, day = "/admin/provenance/run/lineage/", timedelta(days=1)
    span = client.get(address).context["span"]
    assert span.first == (NOON + DAY).date()
    assert span.first + span.day_count * day == timezone.now().date()
    assert span.chosen == span.day_count
    chosen = client.get(address, {"as_of": (span.first + 3 * day).isoformat()}).context["span"]
    assert chosen.chosen == 3
    assert client.get(address, {"as_of": "1999-01-01"}).context["span"].chosen == 0
    stranger = Client()
    stranger.force_login(factories.user("ben@birch.example", party=ben))
    assert stranger.get(address).context["span"] is None


@pytest.mark.parametrize(
    ("day", "words"), [("2999-01-01", "lies in the future"), ("soon", "Enter a valid date")]
)
def test_the_page_says_what_is_wrong_with_a_day_and_makes_no_sheet_of_it(
    essays: DatasetVersion, lab: Party, ada: Party, day: str, words: str
) -> None:
    client = Client()
    client.force_login(factories.user("ada@aurora.example", party=ada))
    for more in ({}, {"format": "csv"}):
        answer = client.get("/admin/provenance/run/lineage/", {"as_of": day, **more})
        assert answer["Content-Type"].startswith("text/html")
        assert words in answer.content.decode()


def test_a_limit_is_said(model: TrainedModel, as_lab: Viewer) -> None:
    found = see(as_lab, "model:cobalt-labs:cobalt-1", limit=3)
    assert len(found["graph"]) == 3
    assert found["truncated"] is True


def test_one_versions_heirs_are_not_taken_for_anothers(
    ada: Party, lab: Party, as_operator: Viewer
) -> None:
    dataset = factories.dataset(ada)
    first = factories.version(dataset, ["first"])
    second = factories.version(dataset, ["second"])
    runs = [usage.start_run(lab=lab, purpose="pretrain", name=name, at=NOON) for name in "ab"]
    for run, version in zip(runs, (first, second), strict=True):
        use(run, version)
        usage.register_model(lab=lab, name=f"of-{version.number}", run=run, at=NOON)
    assert "model:cobalt-labs:of-2" not in names(see(as_operator, "model:cobalt-labs:of-1"))


def test_a_wide_graph_costs_a_few_queries_a_level(
    ada: Party, lab: Party, as_operator: Viewer, django_assert_max_num_queries
) -> None:
    version = factories.version(factories.dataset(ada), ["x"])
    for number in range(30):
        run = usage.start_run(lab=lab, purpose="pretrain", name=f"job-{number}", at=NOON)
        edges.add_edge(run=run, direction="consumed", version=version, at=NOON)
        usage.register_model(lab=lab, name=f"m-{number}", run=run, at=NOON)
    with django_assert_max_num_queries(15):
        found = see(as_operator, "dataset:aurora-archive:essays")
    assert len(found["graph"]) == 61


def test_ranks_of_a_job_are_one_node(lab: Party, essays: DatasetVersion, as_lab: Viewer) -> None:
    root = usage.start_run(lab=lab, purpose="pretrain", name="train", at=NOON)
    rank = usage.start_run(lab=lab, purpose="pretrain", parent=root, at=NOON)
    use(rank, essays)
    usage.register_model(lab=lab, name="cobalt-2", run=root, at=NOON)
    assert names(see(as_lab, "model:cobalt-labs:cobalt-2")) == {
        "model:cobalt-labs:cobalt-2",
        "job:cobalt-labs:train",
        "dataset:aurora-archive:essays",
    }


def test_ingredients_name_owners_shares_and_gaps(model: TrainedModel, as_lab: Viewer) -> None:
    """Tokens are those of the sealed count, as they are priced, and not the 400 of the lab."""
    found = lineage.ingredients(model, as_lab)
    assert {(row.owner, row.token_count, row.parts) for row in found.rows} == {
        ("Aurora Archive", 20, 500_000),
        ("Birch Books", 20, 500_000),
    }
    assert found.token_count == 40
    assert len([gap for gap in found.gaps if "unlicensed" in gap]) == 2


def test_ingredients_reach_through_what_the_lab_made_on_the_way(
    lab: Party, essays: DatasetVersion, training: Run, as_lab: Viewer
) -> None:
    lab.is_owner = True
    lab.save(update_fields=["is_owner"])
    use(training, essays)
    cleaned = factories.version(factories.dataset(lab, "cleaned"), ["an essay"])
    edges.add_edge(run=training, direction="produced", version=cleaned, at=NOON)
    tuning = usage.start_run(lab=lab, purpose="finetune", name="tune", at=NOON)
    use(tuning, cleaned)
    tuned = usage.register_model(lab=lab, name="tuned", run=tuning, at=NOON)
    found = lineage.ingredients(tuned, as_lab)
    assert {row.owner for row in found.rows} == {"Aurora Archive", "Cobalt Labs"}


def test_only_its_lab_sees_a_models_ingredients(model: TrainedModel, as_ada: Viewer) -> None:
    with pytest.raises(NotAllowed):
        lineage.ingredients(model, as_ada)


def test_an_owner_learns_of_models_by_pseudonymous_run(
    model: TrainedModel, training: Run, essays: DatasetVersion, as_ada: Viewer, as_ben: Viewer
) -> None:
    [row] = lineage.models_of(essays.dataset, as_ada)
    assert row["model"] is None
    assert (row["lab"], row["run"]) == ("Cobalt Labs", training.pseudonym)
    assert (row["records"], row["tokens"], row["is_direct"]) == (10, 300, True)
    with pytest.raises(NotAllowed):
        lineage.models_of(essays.dataset, as_ben)


def test_a_dataset_made_from_another_stands_between_it_and_the_runs(
    ada: Party, ben: Party, lab: Party, training: Run, essays: DatasetVersion, notes: DatasetVersion
) -> None:
    """With both owners' word; before that the parent's owner sees nothing of it."""
    made = derivation.declare(
        child=notes.dataset, source=essays, policy="relative", basis_points=1_000, at=NOON
    )
    use(training, notes)
    start = f"dataset:{ada.namespace}:essays"
    assert names(see(factories.viewer(ada), start)) == {start}
    derivation.accept(derivation=made, party=ada, at=NOON)
    child = f"dataset:{ben.namespace}:notes"
    assert {start, child} <= names(see(factories.viewer(ben), child))
    found = see(factories.viewer(ada), start)
    # Its own, the other's by a pseudonym, and the run by another.
    assert len(names(found)) == 3
    assert child not in names(found)
    assert names(see(factories.viewer(ada), start, as_of=NOON - DAY)) == {start}
    model = usage.register_model(lab=lab, name="cobalt-2", run=training, at=NOON)
    gaps = lineage.ingredients(model, factories.viewer(lab)).gaps
    assert not any("essays" in gap for gap in gaps)


def test_the_page_opens_one_level_and_more_where_it_is_asked(
    model: TrainedModel, training: Run, essays: DatasetVersion, lab: Party
) -> None:
    client = Client()
    client.force_login(factories.user("cleo@cobalt.example", party=lab))
    start = lineage.node_id(essays.dataset)
    address = "/admin/provenance/run/lineage/"
    near = client.get(address, {"node": start}).context["elements"]
    (job,) = {node["id"] for node in near["nodes"]} - {start}
    assert lineage.node_id(model) not in {node["id"] for node in near["nodes"]}
    opened = client.get(address, {"node": start, "open": job}).context["elements"]
    assert lineage.node_id(model) in {node["id"] for node in opened["nodes"]}
    path = client.get(address, {"node": start, "to": lineage.node_id(model)}).context["elements"]
    assert {node["id"] for node in path["nodes"]} == {start, job, lineage.node_id(model)}
    sheet = client.get(address, {"node": start, "format": "csv"})
    assert sheet["Content-Type"].startswith("text/csv")
    assert sheet.content.decode().startswith("from,from_kind,to,to_kind\r\n")


def test_a_path_is_the_shortest_and_none_where_nothing_joins() -> None:
    edges = [("a", "b"), ("b", "c"), ("c", "d"), ("b", "d"), ("e", "f")]
    found = {
        "nodes": [{"id": one} for one in "abcdef"],
        "edges": [{"source": source, "target": target} for source, target in edges],
    }
    assert [node["id"] for node in graphs.path(found, "d", "a")["nodes"]] == ["a", "b", "d"]
    assert graphs.path(found, "a", "f") == {"nodes": [], "edges": []}
