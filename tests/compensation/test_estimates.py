"""What a run will cost is told before it starts, with what there is to pay it."""

from __future__ import annotations

import pytest

from compensation import budgets, deposits
from compensation.models import Asset
from provenance import projects
from provenance.models import DatasetVersion, Party, Quote, Run
from tests import doors, factories
from tests.cast import NOON
from tests.compensation.conftest import grant

pytestmark = pytest.mark.django_db


def ask(version: DatasetVersion, **more) -> dict:
    items = [{"subject": str(version.pk), "epochs": 3}]
    return {"purpose": "pretrain", "items": items, **more}


def test_an_estimate_reckons_with_the_grants_price_and_keeps_nothing(
    rich_lab: Party, essays: DatasetVersion, euro: Asset
) -> None:
    grant(rich_lab, essays)
    found = doors.of(rich_lab).post("estimates", ask(essays))
    (total,) = found["totals"]
    # A hundred records three times, at ten euro for a thousand.
    assert total == {
        "asset": euro.code,
        "amount_units": 3_000_000,
        "spendable_units": 100_000_000,
        "budget_left_units": None,
        "is_covered": True,
    }
    assert (found["refusal"], found["cap_units"]) == (None, None)
    assert found["items"][0]["record_count"] == 300
    assert not Quote.objects.exists()
    assert not Run.objects.exists()


def test_an_estimate_says_what_budgets_leave_and_the_cap_that_would_be_accepted(
    rich_lab: Party, essays: DatasetVersion, euro: Asset
) -> None:
    chat = projects.make_project(lab=rich_lab, name="chat", at=NOON)
    budgets.set_budget(
        lab=rich_lab, project=chat, asset=euro, every="all", limit_units=2_000_000, at=NOON
    )
    found = doors.of(rich_lab).post("estimates", ask(essays, project="chat"))
    assert found["totals"][0]["budget_left_units"] == 2_000_000
    assert found["totals"][0]["is_covered"] is False
    assert (found["cap_units"], found["cap_asset"]) == (2_000_000, euro.code)
    without = doors.of(rich_lab).post("estimates", ask(essays))
    assert without["totals"][0]["budget_left_units"] is None


def test_an_estimate_says_why_a_run_would_be_refused(
    lab: Party, essays: DatasetVersion, euro: Asset
) -> None:
    grant(lab, essays)
    found = doors.of(lab).post("estimates", ask(essays))
    assert found["refusal"]["code"] == "no_funds"
    assert "Pay in" in found["refusal"]["hint"]
    assert found["totals"][0]["spendable_units"] == 0
    deposits.set_credit_limit(lab=lab, asset=euro, limit_units=10**7, reason="known", at=NOON)
    assert doors.of(lab).post("estimates", ask(essays))["refusal"] is None
    capped = ask(essays, cap_asset=euro.code, cap_units=5)
    budgets.set_budget(lab=lab, asset=euro, every="all", limit_units=4, at=NOON)
    assert doors.of(lab).post("estimates", capped)["refusal"]["code"] == "cap_over_budget"


def test_estimates_are_for_labs_and_their_own_projects(
    rich_lab: Party, essays: DatasetVersion, ada: Party, euro: Asset
) -> None:
    projects.make_project(lab=rich_lab, name="chat", at=NOON)
    other = factories.party("Dune Data", is_lab=True)
    body = ask(essays, project="chat")
    assert doors.of(other).post("estimates", body, 400)["code"] == "unknown_project"
    assert doors.of(ada).post("estimates", ask(essays), 403)["code"] == "not_a_lab"
    assert doors.read_only(rich_lab).post("estimates", ask(essays), 403)["code"] == "not_allowed"
    doors.Door().post("estimates", ask(essays), 401)
