"""Prices in Python, in SQL and in our documents are the same prices."""

from __future__ import annotations

import random
import re
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from compensation import money, pricing
from compensation.pricing import Count
from compensation.sharing import Use, shared_out
from provenance.models import Rate, RatePlan
from provenance.plans import STEPS, compiled

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "pricing.md"
SCALE = 6

counts = st.builds(Count, *(st.integers(0, 2**53 - 1) for _ in range(4)))


def units(text: str) -> int:
    return money.to_units(text.replace(",", ""), SCALE)


def examples() -> dict[str, list[tuple[str, str]]]:
    """The rows of each table of the document that an example heads."""
    found = {}
    pattern = r"<!-- example: (.*?) -->\n\|.*\n\|[-:|]*\n((?:\|.*\n)+)"
    for words, table in re.findall(pattern, DOCUMENT.read_text("utf-8")):
        rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()]
        found[words] = [(one, two) for one, two in rows]
    return found


def test_the_worked_plans_of_the_document_are_what_plans_cost():
    checked = 0
    for words, rows in examples().items():
        mode, _, terms = words.partition(" ")
        if mode not in RatePlan.Mode.values:
            continue
        said = dict(term.split("=") for term in terms.split())
        tiers = [tier.split(":") for tier in said["tiers"].split(",")]
        schedule = compiled(
            step=1_000,
            mode=mode,
            tiers=[(int(start), units(price)) for start, price in tiers],
            free_quantity=int(said.get("free", 0)),
            cap_units=units(said["cap"]) if "cap" in said else None,
        )
        for quantity, price in rows:
            assert schedule.price(int(quantity.replace(",", ""))) == units(price), (words, quantity)
            checked += 1
    assert checked == 10


def test_the_worked_revenue_of_the_document_is_what_owners_get():
    ((words, rows),) = [pair for pair in examples().items() if pair[0].startswith("revenue=")]
    said = dict(term.split("=") for term in words.split())
    parts = {
        name: [int(number) for number in text.split("x")]
        for name, text in said.items()
        if name != "revenue"
    }
    ids = {name: UUID(int=place) for place, name in enumerate(parts, 1)}
    uses = [Use(ids[name], ids[name], used * points) for name, (used, points) in parts.items()]
    whole = 10_000 * sum(used for used, _ in parts.values())
    shares = shared_out(units(said["revenue"]), uses, whole)
    assert {name: shares[ids[name]] for name in parts} == {name: units(said) for name, said in rows}


@given(st.sampled_from(Rate.Basis.values), counts, st.integers(0, 2**63 - 1))
def test_a_straight_price_is_the_floor_of_quantity_times_price(basis, count, price_units):
    rate = Rate(basis=basis, price_units=price_units)
    quantity = pricing.quantity(basis, count)
    exact = Decimal(quantity) * price_units / rate.step if quantity * price_units < 10**27 else None
    found = pricing.schedule(rate).price(quantity)
    assert found == quantity * price_units // STEPS[basis]
    assert exact is None or found <= exact


def plan_of(source: random.Random) -> dict:
    starts = sorted(source.sample(range(1, 10**6), source.randrange(4)))
    return {
        "step": source.choice(list(STEPS.values())),
        "mode": source.choice(RatePlan.Mode.values),
        "tiers": [(start, source.randrange(10**9)) for start in (0, *starts)],
        "free_quantity": source.choice([0, source.randrange(10**6)]),
        "cap_units": source.choice([None, source.randrange(10**12)]),
    }


def test_the_database_prices_every_plan_as_python_does(as_table_owner):
    source = random.Random(4)
    for _ in range(200):
        plan = plan_of(source)
        schedule = compiled(**plan)
        near = [
            start + more for start in schedule.froms for more in (-1, 0, 1) if start + more >= 0
        ]
        asked = [*near, source.randrange(2 * 10**6), 2**53 - 1]
        found = as_table_owner.execute(
            "SELECT compensation_planned(%s::bigint[], %s::numeric[], %s::bigint[], %s, q)"
            " FROM unnest(%s::bigint[]) WITH ORDINALITY AS u(q, place) ORDER BY place",
            [
                list(schedule.froms),
                list(schedule.bases),
                list(schedule.prices),
                schedule.step,
                asked,
            ],
        ).fetchall()
        assert [int(row[0]) for row in found] == [schedule.price(one) for one in asked], plan


def test_the_database_counts_what_python_counts(as_table_owner):
    count = Count(records=3, tokens=5, epochs=7, fetches=11)
    for basis in Rate.Basis.values:
        asked = "SELECT compensation_quantity(%s, 3, 5, 7, 11), compensation_step(%s)"
        found = as_table_owner.execute(asked, [basis, basis]).fetchone()
        assert found == (pricing.quantity(basis, count), STEPS[basis])
