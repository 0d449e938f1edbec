"""Budgets warn, then stop new runs; a run under way goes on to its cap, and nothing is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from compensation import billing, budgets, deposits, spending
from compensation.models import (
    Account,
    Asset,
    Budget,
    BudgetNotice,
    Charge,
    Spending,
    Waiting,
)
from provenance import projects
from provenance.models import DatasetVersion, Event, Party, Project, Run
from provenance.projects import Cap
from tests import doors, factories
from tests.cast import NOON
from tests.compensation.conftest import grant, held, more, priced, texts

pytestmark = pytest.mark.django_db

Every = Budget.Every
# At ten euro for a thousand records, ten cents are ten records.
TEN_RECORDS = 100_000


@pytest.fixture
def chat(lab: Party) -> Project:
    return projects.make_project(lab=lab, name="chat", at=NOON)


@pytest.fixture
def granted(rich_lab: Party, essays: DatasetVersion) -> DatasetVersion:
    grant(rich_lab, essays)
    return essays


def start(lab: Party, *, project: str = "", cap: Cap | None = None, at=NOON, **more_facts) -> Run:
    return budgets.start_run(
        lab=lab, purpose="pretrain", project=project, cap=cap, at=at, asked_at=at, **more_facts
    )


def report(run: Run, version, records: int, *, sequence: int = 1, at=NOON) -> None:
    more(run, version.pk, records=records, sequence=sequence, at=at)


def bill(at=NOON + timedelta(days=2)) -> None:
    billing.bill_batch(at=at)
    budgets.add_up(at=at)


def set_budget(lab: Party, euro: Asset, units: int, *, every=Every.ALL, project=None) -> Budget:
    return budgets.set_budget(
        lab=lab, asset=euro, every=every, limit_units=units, project=project, at=NOON
    )


# ---- spending ----


def test_spending_is_added_up_by_project_and_month(
    rich_lab: Party, granted: DatasetVersion, chat: Project, euro: Asset
) -> None:
    report(start(rich_lab, project="chat"), granted, 10)
    report(start(rich_lab), granted, 20)
    bill()
    rows = Spending.objects.order_by("spent_units").values_list(
        "project__name", "month", "spent_units"
    )
    assert list(rows) == [("chat", "2026-03", TEN_RECORDS), (None, "2026-03", 2 * TEN_RECORDS)]
    budgets.add_up(at=NOON)
    assert sum(row.spent_units for row in Spending.objects.all()) == 3 * TEN_RECORDS


@examples(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=1, max_size=6))
def test_spending_is_what_charges_add_up_to_however_they_come(
    rich_lab: Party, granted: DatasetVersion, chat: Project, steps
) -> None:
    for records, is_now in steps:
        report(start(rich_lab, project="chat"), granted, records)
        if is_now:
            bill(at=timezone.now())
    bill(at=timezone.now())
    charged = sum(Charge.objects.values_list("amount_units", flat=True))
    assert sum(row.spent_units for row in Spending.objects.all()) == charged


# ---- budgets ----


def test_a_spent_budget_stops_new_runs_and_not_the_one_under_way(
    rich_lab: Party, granted: DatasetVersion, chat: Project, euro: Asset
) -> None:
    set_budget(rich_lab, euro, TEN_RECORDS, project=chat)
    run = start(rich_lab, project="chat", cap=Cap(euro.code, TEN_RECORDS))
    report(run, granted, 10)
    bill()
    with pytest.raises(budgets.BudgetSpent, match=r"0\.10 of 0\.10 EUR") as refusal:
        start(rich_lab, project="chat")
    assert "finance" in refusal.value.next_step
    assert start(rich_lab, project="chat", run_id=run.pk) == run
    assert start(rich_lab, parent=run).root == run
    start(rich_lab)
    set_budget(rich_lab, euro, 2 * TEN_RECORDS, project=chat)
    assert start(rich_lab, project="chat").cap_units == TEN_RECORDS


def test_a_budget_of_all_runs_counts_every_project(
    rich_lab: Party, granted: DatasetVersion, chat: Project, euro: Asset
) -> None:
    set_budget(rich_lab, euro, TEN_RECORDS)
    report(start(rich_lab, project="chat"), granted, 10)
    bill()
    for project in ("", "chat"):
        with pytest.raises(budgets.BudgetSpent):
            start(rich_lab, project=project)


def test_a_month_that_begins_has_its_budget_again(
    rich_lab: Party, granted: DatasetVersion, euro: Asset
) -> None:
    set_budget(rich_lab, euro, TEN_RECORDS, every=Every.MONTH)
    report(start(rich_lab), granted, 10)
    bill()
    with pytest.raises(budgets.BudgetSpent):
        start(rich_lab)
    april = NOON + timedelta(days=31)
    assert start(rich_lab, at=april).cap_units == TEN_RECORDS


@pytest.mark.parametrize(
    ("every", "months"),
    [
        (Every.MONTH, ("2026-08", "2026-08")),
        (Every.QUARTER, ("2026-07", "2026-09")),
        (Every.YEAR, ("2026-01", "2026-12")),
        (Every.ALL, ("0000-00", "9999-99")),
    ],
)
def test_periods_are_those_of_the_calendar(lab: Party, euro: Asset, every, months) -> None:
    budget = set_budget(lab, euro, 5, every=every)
    assert budgets.look(budget, NOON.replace(month=8)).months == months


def test_a_lab_is_told_once_at_each_level(
    rich_lab: Party, granted: DatasetVersion, euro: Asset
) -> None:
    set_budget(rich_lab, euro, 10 * TEN_RECORDS)
    run = start(rich_lab)
    told = []
    for step, records in enumerate((49, 50, 79, 90, 100), 1):
        report(run, granted, records, sequence=step)
        bill(at=NOON + timedelta(days=2 * step))
        told.append(sorted(BudgetNotice.objects.filter(run=None).values_list("percent", flat=True)))
    assert told == [[], [50], [50], [50, 80], [50, 80, 100]]
    assert BudgetNotice.objects.filter(run=run).count() == 3


def test_a_raised_budget_is_told_of_anew_and_a_lowered_one_at_once(
    rich_lab: Party, granted: DatasetVersion, euro: Asset
) -> None:
    set_budget(rich_lab, euro, TEN_RECORDS)
    report(start(rich_lab), granted, 10)
    bill()
    raised = set_budget(rich_lab, euro, 4 * TEN_RECORDS)
    assert not raised.notices.exists()
    lowered = set_budget(rich_lab, euro, 2 * TEN_RECORDS)
    assert [notice.percent for notice in lowered.notices.all()] == [50]
    assert Budget.objects.in_force().get() == lowered


def test_only_one_budget_of_a_kind_is_in_force(lab: Party, chat: Project, euro: Asset) -> None:
    first = set_budget(lab, euro, 5)
    assert set_budget(lab, euro, 5) == first
    other = set_budget(lab, euro, 6)
    set_budget(lab, euro, 6, project=chat)
    assert set(Budget.objects.in_force().filter(project=None)) == {other}
    budgets.end_budget(budget=other, at=NOON)
    budgets.end_budget(budget=other, at=NOON)
    assert Event.objects.filter(kind="budget.ended").count() == 1


def test_a_budget_of_another_labs_project_is_refused(chat: Project, euro: Asset) -> None:
    other = factories.party("Dune Data", is_lab=True)
    with pytest.raises(budgets.BadBudget):
        set_budget(other, euro, 5, project=chat)


# ---- caps ----


def test_usage_over_the_cap_waits_until_the_lab_raises_it(
    rich_lab: Party, granted: DatasetVersion, euro: Asset
) -> None:
    run = start(rich_lab, cap=Cap(euro.code, TEN_RECORDS))
    report(run, granted, 10)
    bill()
    report(run, granted, 30, sequence=2)
    bill(NOON + timedelta(days=4))
    waiting = Waiting.objects.get()
    assert (waiting.reason, waiting.needed_units) == ("over_cap", 3 * TEN_RECORDS)
    assert spending.charged(run, euro) == TEN_RECORDS
    projects.raise_cap(run=run, cap=Cap(euro.code, 3 * TEN_RECORDS), at=NOON)
    bill(NOON + timedelta(days=4, seconds=1))
    assert not Waiting.objects.exists()
    assert spending.charged(run, euro) == 3 * TEN_RECORDS


def test_what_is_over_a_cap_takes_no_money_from_other_runs(
    rich_lab: Party, granted: DatasetVersion, euro: Asset
) -> None:
    capped = start(rich_lab, cap=Cap(euro.code, TEN_RECORDS))
    report(capped, granted, 9_900)
    report(start(rich_lab), granted, 9_900)
    bill()
    assert Waiting.objects.get().reason == "over_cap"
    assert Charge.objects.filter(amount_units=990 * TEN_RECORDS).count() == 1


def test_a_cap_is_of_the_run_however_many_datasets_it_uses(
    rich_lab: Party, granted: DatasetVersion, ben: Party, euro: Asset
) -> None:
    poems = priced(
        factories.version(factories.dataset(ben, "poems"), texts(50, "poem")),
        euro,
        price_units=10_000_000,
    )
    grant(rich_lab, poems)
    run = start(rich_lab, cap=Cap(euro.code, 3 * TEN_RECORDS // 2))
    report(run, granted, 10)
    report(run, poems, 10)
    bill()
    assert spending.charged(run, euro) == TEN_RECORDS
    assert Waiting.objects.get().needed_units == 2 * TEN_RECORDS


def test_a_cap_over_what_the_budget_has_left_is_refused(
    rich_lab: Party, granted: DatasetVersion, euro: Asset
) -> None:
    set_budget(rich_lab, euro, 2 * TEN_RECORDS, every=Every.MONTH)
    set_budget(rich_lab, euro, 9 * TEN_RECORDS)
    with pytest.raises(budgets.CapOverBudget, match=r"0\.20 EUR are left"):
        start(rich_lab, cap=Cap(euro.code, 2 * TEN_RECORDS + 1))
    assert start(rich_lab).cap_units == 2 * TEN_RECORDS


def test_a_cap_only_rises_and_the_first_word_stands(lab: Party, euro: Asset) -> None:
    run = start(lab, cap=Cap(euro.code, 500))
    assert start(lab, cap=Cap(euro.code, 900), run_id=run.pk).cap_units == 500
    for units in (499, -1, 2**63):
        with pytest.raises(projects.BadCap):
            projects.raise_cap(run=run, cap=Cap(euro.code, units), at=NOON)
    with pytest.raises(projects.BadCap):
        projects.raise_cap(run=run, cap=Cap("iso4217:USD", 900), at=NOON)
    with pytest.raises(projects.BadCap):
        projects.raise_cap(run=start(lab), cap=Cap(euro.code, 900), at=NOON)
    projects.raise_cap(run=run, cap=Cap(euro.code, 500), at=NOON)
    projects.raise_cap(run=run, cap=Cap(euro.code, 501), at=NOON)
    assert Event.objects.filter(kind="run.capped").count() == 2


def test_ranks_and_children_have_the_cap_of_their_root(lab: Party, euro: Asset) -> None:
    run = start(lab, cap=Cap(euro.code, 500))
    with pytest.raises(budgets.BadStart):
        start(lab, parent=run, cap=Cap(euro.code, 500))


# ---- funds ----


def test_without_funds_new_runs_stop_and_what_waits_is_charged_when_money_comes(
    lab: Party, essays: DatasetVersion, euro: Asset
) -> None:
    deposits.deposit(lab=lab, asset=euro, amount_units=TEN_RECORDS, reference="a", at=NOON)
    grant(lab, essays)
    run = start(lab)
    report(run, essays, 30)
    bill()
    with pytest.raises(budgets.NoFunds, match=r"0\.20 EUR that are missing"):
        start(lab)
    assert start(lab, run_id=run.pk) == run
    deposits.deposit(lab=lab, asset=euro, amount_units=5 * TEN_RECORDS, reference="b", at=NOON)
    start(lab)
    bill(NOON + timedelta(days=2, seconds=1))
    assert held(euro, Account.Kind.LAB, lab) == 3 * TEN_RECORDS


def test_a_lab_with_nothing_left_starts_only_what_costs_nothing(
    lab: Party, essays: DatasetVersion, euro: Asset
) -> None:
    start(lab)
    grant(lab, essays)
    with pytest.raises(budgets.NoFunds, match="priced in"):
        start(lab)
    budgets.start_run(lab=lab, purpose="evaluate", at=NOON, asked_at=NOON)
    deposits.set_credit_limit(lab=lab, asset=euro, limit_units=1, reason="known", at=NOON)
    start(lab)


def test_a_debt_after_a_refund_stops_new_runs(lab: Party, euro: Asset) -> None:
    from compensation import debts

    debts.take_back(lab=lab, asset=euro, units=7, key="k", reference="r", at=NOON)
    with pytest.raises(budgets.NoFunds, match="refund"):
        start(lab)


# ---- doors ----


def test_projects_budgets_and_caps_through_the_api(
    rich_lab: Party, granted: DatasetVersion, euro: Asset
) -> None:
    door = doors.of(rich_lab)
    door.post("projects", {"name": "chat"}, 201)
    assert door.post("projects", {"name": "chat"}, 201)["name"] == "chat"
    body = {"project": "chat", "asset": euro.code, "every": "month", "limit_units": 5_000}
    budget = door.post("budgets", body, 201)
    assert (budget["project"], budget["spent_units"]) == ("chat", 0)
    run = door.post("runs", {"purpose": "pretrain", "project": "chat"}, 201)
    assert (run["project"], run["cap_units"], run["cap_asset"]) == ("chat", 5_000, euro.code)
    assert door.get(f"budgets/{budget['id']}")["open_caps_units"] == 5_000
    raised = door.post(f"runs/{run['id']}/cap", {"cap_units": 6_000, "cap_asset": euro.code})
    assert raised["cap_units"] == 6_000
    door.post(f"budgets/{budget['id']}/end", {})
    assert door.get("budgets?is_in_force=true")["results"] == []
    assert door.get("budget-notices")["results"] == []


def test_a_start_without_money_is_answered_402_with_what_to_do(
    rich_lab: Party, granted: DatasetVersion, euro: Asset
) -> None:
    set_budget(rich_lab, euro, 0)
    answer = doors.of(rich_lab).post("runs", {"purpose": "pretrain"}, 402)
    assert answer["code"] == "budget_spent"
    assert "finance" in answer["hint"]
    assert not Run.objects.exists()


def test_unknown_projects_and_half_caps_are_refused(lab: Party, euro: Asset) -> None:
    door = doors.of(lab)
    for body, code in (
        ({"project": "chta"}, "unknown_project"),
        ({"cap_units": 5}, "bad_cap"),
        ({"cap_asset": euro.code}, "bad_cap"),
        ({"cap_asset": "iso4217:XXX", "cap_units": 5}, "bad_cap"),
    ):
        assert door.post("runs", {"purpose": "pretrain", **body}, 400)["code"] == code


def test_nobody_sees_or_spends_another_labs_budget(
    rich_lab: Party, chat: Project, euro: Asset, ada: Party
) -> None:
    budget = set_budget(rich_lab, euro, 500, project=chat)
    run = start(rich_lab, project="chat")
    other = factories.party("Dune Data", is_lab=True)
    for party in (other, ada):
        door = doors.of(party)
        for path in ("budgets", "projects", "budget-notices", "runs"):
            assert door.get(path)["results"] == []
        door.get(f"budgets/{budget.pk}", 404)
        door.get(f"projects/{chat.pk}", 404)
        door.post(f"budgets/{budget.pk}/end", {}, 404)
        door.post(f"runs/{run.pk}/cap", {"cap_units": 900, "cap_asset": euro.code}, 404)
    door = doors.of(other)
    body = {"purpose": "pretrain", "project": "chat"}
    assert door.post("runs", body, 400)["code"] == "unknown_project"
    body = {"project": "chat", "asset": euro.code, "every": "all", "limit_units": 5}
    assert door.post("budgets", body, 400)["code"] == "unknown_project"


def test_money_is_for_those_with_the_right_to_it(lab: Party, euro: Asset) -> None:
    door = doors.of(lab, "develop")
    body = {"asset": euro.code, "every": "all", "limit_units": 5}
    assert door.post("budgets", body, 403)["code"] == "not_allowed"
    assert door.post("projects", {"name": "x"}, 403)["code"] == "not_allowed"
    run = start(lab, cap=Cap(euro.code, 5))
    cap = {"cap_units": 9, "cap_asset": euro.code}
    assert door.post(f"runs/{run.pk}/cap", cap, 403)["code"] == "not_allowed"


def test_an_operator_sees_budgets_and_changes_none(
    operator: Party, olga, lab: Party, euro: Asset
) -> None:
    budget = set_budget(lab, euro, 5)
    door = doors.of(operator, by=olga)
    assert len(door.get("budgets")["results"]) == 1
    assert door.post(f"budgets/{budget.pk}/end", {}, 403)["code"] == "owners_only"
