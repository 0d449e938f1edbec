"""What datasets owe those they were made from, from the declaration to the last unit."""

from datetime import timedelta
from fractions import Fraction
from time import perf_counter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compensation import holdback, invariants, weights
from compensation.derivation import WHOLE_PARTS, flow
from compensation.models import Account, Weight, WeightVersion
from provenance import conflicts, contributors, derivation
from provenance.debts import Debt, by_child
from provenance.models import Dataset, DatasetVersion, Derivation
from tests import factories
from tests.cast import NOON
from tests.compensation.conftest import held, pending, priced, texts
from tests.compensation.test_escrow import bill, conflict_over, decide, settle_for_ada

DAY = timedelta(days=1)
LATER = NOON + timedelta(hours=1)
Kind = Account.Kind
PRICE = 10_000_000


@pytest.fixture
def cleo(db):
    return factories.party("Cleo", is_owner=True)


def sealed(owner, name, word, euro=None):
    made = factories.version(factories.dataset(owner, name), texts(100, word))
    return priced(made, euro, price_units=PRICE) if euro else made


@pytest.fixture
def chain(ada, ben, cleo, euro):
    """Cleo's remix of Ben's mix of Ada's articles."""
    return (
        sealed(ada, "articles", "article", euro),
        sealed(ben, "mix", "mix", euro),
        sealed(cleo, "remix", "remix", euro),
    )


def made_from(child, source, policy="relative", points=2_000, *, at=NOON, **how):
    """`child` owes `source` this much, and the parent's owner has accepted."""
    found = derivation.declare(
        child=child.dataset, source=source, policy=policy, basis_points=points, at=at, **how
    )
    if found.state == "declared":
        derivation.accept(derivation=found, party=source.dataset.owner, at=at)
    return found


def test_relative_debts_pass_up_through_what_each_generation_gets(
    chain, ada, ben, cleo, rich_lab, euro
):
    adas, bens, cleos = chain
    made_from(bens, adas, points=5_000)
    made_from(cleos, bens, points=2_000)
    bill(rich_lab, cleos)
    assert [pending(euro, who) for who in (cleo, ben, ada)] == [800_000, 100_000, 100_000]
    bill(rich_lab, bens)
    assert [pending(euro, who) for who in (cleo, ben, ada)] == [800_000, 600_000, 600_000]
    assert list(invariants.broken()) == []


def test_an_absolute_debt_is_of_the_whole_however_far_below(chain, ada, ben, cleo, rich_lab, euro):
    adas, bens, cleos = chain
    made_from(bens, adas, "absolute", 1_000)
    made_from(cleos, bens, points=2_000)
    bill(rich_lab, cleos)
    assert [pending(euro, who) for who in (cleo, ben, ada)] == [700_000, 200_000, 100_000]


def test_a_debt_that_a_parent_takes_on_later_never_takes_from_what_stood_before(
    chain, ada, ben, cleo, rich_lab, euro
):
    adas, bens, cleos = chain
    made_from(cleos, bens, points=2_000)
    made_from(bens, adas, "absolute", 9_000, at=LATER)
    bill(rich_lab, cleos, at=LATER)
    assert [pending(euro, who) for who in (cleo, ben, ada)] == [800_000, 200_000, 0]


def test_a_stack_over_the_whole_is_refused_with_its_sum(chain, cleo, ada):
    adas, bens, cleos = chain
    made_from(bens, adas, "absolute", 6_000)
    with pytest.raises(derivation.StackExceedsWhole, match=r"110 % of its revenue"):
        made_from(cleos, bens, points=5_000)
    made_from(cleos, bens, points=4_000)
    assert derivation.owed(cleos.dataset) == 10_000
    other = sealed(ada, "others", "other")
    with pytest.raises(derivation.StackExceedsWhole, match=r"100\.01 %"):
        made_from(cleos, other, points=1)


def test_a_stack_is_summed_over_what_held_in_the_past_too(chain, cleo, ada):
    adas, bens, cleos = chain
    first = made_from(cleos, bens, points=8_000)
    derivation.end(derivation=first, party=bens.dataset.owner, reason="Enough.", at=LATER)
    with pytest.raises(derivation.StackExceedsWhole):
        made_from(cleos, adas, points=8_000, at=LATER)
    made_from(cleos, adas, points=8_000, at=LATER, from_the_start=False)


def test_cycles_are_refused(chain):
    adas, bens, cleos = chain
    made_from(bens, adas)
    made_from(cleos, bens)
    with pytest.raises(derivation.DerivationCycle):
        made_from(adas, cleos)
    with pytest.raises(derivation.DerivationCycle):
        made_from(adas, adas)


def test_what_is_accepted_late_is_paid_from_the_start_and_else_from_then(
    chain, ada, ben, rich_lab, euro
):
    adas, bens, _ = chain
    bill(rich_lab, bens, at=NOON)
    declared = derivation.declare(
        child=bens.dataset, source=adas, policy="relative", basis_points=2_500, at=LATER
    )
    assert weights.apply_resolutions(at=LATER) == 0
    derivation.accept(derivation=declared, party=ada, at=LATER)
    assert weights.apply_resolutions(at=LATER) == 1
    assert (pending(euro, ben), pending(euro, ada)) == (750_000, 250_000)
    derivation.end(derivation=declared, party=ada, reason="Enough.", at=LATER + DAY)
    bill(rich_lab, bens, at=LATER + DAY)
    assert (pending(euro, ben), pending(euro, ada)) == (1_750_000, 250_000)
    made_from(bens, adas, points=1_000, at=LATER + 2 * DAY, from_the_start=False)
    bill(rich_lab, bens, at=LATER + 2 * DAY)
    assert (pending(euro, ben), pending(euro, ada)) == (2_650_000, 350_000)
    assert list(invariants.broken()) == []


def test_a_late_acceptance_takes_from_later_payouts_what_was_payable_already(
    chain, ada, ben, rich_lab, euro
):
    adas, bens, _ = chain
    bill(rich_lab, bens, at=NOON)
    holdback.mature_credits(at=NOON + 31 * DAY)
    assert pending(euro, ben) == 0
    made_from(bens, adas, points=2_500, at=NOON + 31 * DAY)
    weights.apply_resolutions(at=NOON + 31 * DAY)
    assert held(euro, Kind.RECEIVABLE, ben) == -250_000
    assert held(euro, Kind.AWAITED, ada) == 250_000
    assert list(invariants.broken()) == []


def test_only_the_other_owner_accepts_and_ends(chain, ada, ben, cleo):
    adas, bens, _ = chain
    declared = derivation.declare(
        child=bens.dataset, source=adas, policy="relative", basis_points=1, at=NOON
    )
    for act in (derivation.accept, derivation.end):
        for party in (ben, cleo):
            how = {"reason": "no"} if act is derivation.end else {}
            with pytest.raises((derivation.NotYourDecision, derivation.DecidedAlready)):
                act(derivation=declared, party=party, at=NOON, **how)
    with pytest.raises(derivation.NotYourDecision):
        derivation.withdraw(derivation=declared, party=ada, at=NOON)
    derivation.refuse(derivation=declared, party=ada, reason="Too little.", at=NOON)
    with pytest.raises(derivation.DecidedAlready):
        derivation.accept(derivation=declared, party=ada, at=NOON)
    assert derivation.owed(bens.dataset) == 0


def test_a_licence_that_asks_for_a_part_accepts_whoever_gives_it(chain, ada, ben, cleo):
    adas, bens, cleos = chain
    licence = adas.dataset.licences.get()
    derivation.offer_terms(licence=licence, policy="relative", basis_points=1_000, at=NOON)
    terms = {"source": adas, "policy": "relative", "at": LATER}
    assert derivation.declare(child=bens.dataset, basis_points=1_000, **terms).state == "accepted"
    less = derivation.declare(child=cleos.dataset, basis_points=999, **terms)
    assert less.state == "declared"
    derivation.withdraw(derivation=less, party=cleo, at=LATER)
    derivation.end_terms(licence=licence, at=LATER)
    assert derivation.declare(child=cleos.dataset, basis_points=5_000, **terms).state == "declared"


def test_matches_with_an_accepted_parent_are_no_conflict(adas_copy, ada, ben, rich_lab, euro):
    adas, bens = adas_copy
    conflict = conflict_over(bens, adas)
    bill(rich_lab, bens)
    assert held(euro, Kind.ESCROW, account__conflict=conflict) == 100_000
    made_from(bens, adas, points=2_000, at=LATER)
    weights.apply_resolutions(at=LATER + DAY)
    assert held(euro, Kind.ESCROW, account__conflict=conflict) == 0
    assert (pending(euro, ben), pending(euro, ada)) == (800_000, 200_000)
    conflict.refresh_from_db()
    assert conflict.state == "closed"
    assert {one.party for one in conflict.statements.filter(kind="derived")} == {ada, ben}
    newer = priced(
        factories.version(factories.dataset(ben, "again"), texts(100)), euro, price_units=PRICE
    )
    made_from(newer, bens, at=LATER)
    found = factories.overlap(newer, adas, [(text, text) for text in texts(10)])
    assert conflicts.open_from_overlap(overlap=found, at=LATER) is None


@pytest.fixture
def adas_copy(ada, ben, euro):
    """Ada's hundred articles, and Ben's hundred, ten of which are hers."""
    mixed = [*texts(10), *texts(90, "own")]
    return (
        priced(
            factories.version(factories.dataset(ada, "articles"), texts(100)),
            euro,
            price_units=PRICE,
        ),
        priced(factories.version(factories.dataset(ben, "mixed"), mixed), euro, price_units=PRICE),
    )


def test_a_parents_dispute_holds_its_share_of_the_parents_part_and_moves_it(
    adas_copy, ada, ben, cleo, olga, rich_lab, euro
):
    """A tenth of Ben's records is in question: so is a tenth of what he gets of Cleo's."""
    adas, bens = adas_copy
    cleos = sealed(cleo, "remix", "remix", euro)
    made_from(cleos, bens, points=5_000)
    conflict = conflict_over(bens, adas)
    bill(rich_lab, cleos)
    assert (pending(euro, cleo), pending(euro, ben)) == (500_000, 450_000)
    assert held(euro, Kind.ESCROW, account__conflict=conflict) == 50_000
    settle_for_ada(conflict, ada, ben, olga, LATER + DAY)
    weights.apply_resolutions(at=LATER + DAY)
    assert held(euro, Kind.ESCROW, account__conflict=conflict) == 0
    assert [pending(euro, who) for who in (cleo, ben, ada)] == [500_000, 450_000, 50_000]
    bill(rich_lab, cleos, at=LATER + 2 * DAY)
    assert [pending(euro, who) for who in (cleo, ben, ada)] == [1_000_000, 900_000, 100_000]
    assert list(invariants.broken()) == []


def test_records_decide_with_contributors_and_parents_present(
    adas_copy, ada, ben, cleo, olga, rich_lab, euro
):
    """Exactly the matching tenth is held; the rest is divided among Ben, his labeller and Cleo."""
    adas, bens = adas_copy
    cleos = sealed(cleo, "source", "source", euro)
    labeller = contributors.name(owner=ben, label="ann-1", at=NOON)
    contributors.divide(dataset=bens.dataset, owner_weight=3, weights={labeller: 1}, at=NOON)
    made_from(bens, cleos, points=2_000)
    conflict = conflict_over(bens, adas)
    bill(rich_lab, bens)
    assert held(euro, Kind.ESCROW, account__conflict=conflict) == 100_000
    shared = [pending(euro, who) for who in (ben, labeller.party, cleo)]
    assert shared == [540_000, 180_000, 180_000]
    conflicts.claim(conflict=conflict, claimant=ada, statement="Ours.", at=LATER)
    conflicts.answer(conflict=conflict, party=ben, text="No.", agrees=False, at=LATER)
    conflicts.reply(conflict=conflict, party=ada, text="Yes.", at=LATER)
    decide(conflict, "shared", olga, LATER + DAY, earlier_basis_points=5_000)
    weights.apply_resolutions(at=LATER + DAY)
    # Half of the tenth is Ada's; Ben's half is divided as his dataset is.
    assert pending(euro, ada) == 50_000
    shared = [pending(euro, who) for who in (ben, labeller.party, cleo)]
    assert shared == [570_000, 190_000, 190_000]
    assert held(euro, Kind.ESCROW, account__conflict=conflict) == 0
    assert list(invariants.broken()) == []


def test_a_split_from_the_start_divides_the_past_and_one_from_a_date_does_not(
    chain, ada, rich_lab, euro
):
    adas = chain[0]
    bill(rich_lab, adas, at=NOON)
    one, two = (contributors.name(owner=ada, label=each, at=NOON) for each in ("one", "two"))
    contributors.divide(dataset=adas.dataset, owner_weight=1, weights={one: 1}, at=LATER)
    bill(rich_lab, adas, at=LATER)
    assert (pending(euro, ada), pending(euro, one.party)) == (1_500_000, 500_000)
    contributors.divide(
        dataset=adas.dataset, owner_weight=0, weights={one: 1, two: 3}, from_the_start=True,
        at=LATER + DAY,
    )  # fmt: skip
    weights.apply_resolutions(at=LATER + DAY)
    assert [pending(euro, who) for who in (ada, one.party, two.party)] == [0, 500_000, 1_500_000]
    contributors.divide(
        dataset=adas.dataset, owner_weight=1, weights={}, applies_at=LATER + 9 * DAY,
        at=LATER + 2 * DAY,
    )  # fmt: skip
    bill(rich_lab, adas, at=LATER + 3 * DAY)
    assert pending(euro, ada) == 0
    bill(rich_lab, adas, at=LATER + 10 * DAY)
    assert pending(euro, ada) == 1_000_000
    assert list(invariants.broken()) == []


def lines(count, *, is_wide):
    """Debts of `count` datasets: one behind the other, or all of one."""
    ids = [UUID(int=number + 1) for number in range(count + 1)]
    for number in range(count):
        child = ids[0] if is_wide else ids[number]
        yield Debt(
            child=child,
            parent=ids[number + 1],
            source=UUID(int=10_000 + number),
            policy="relative",
            basis_points=10_000 // count if is_wide else 9_900,
            from_the_start=True,
            declared_at=NOON,
            accepted_at=NOON,
            ended_at=None,
            state="accepted",
        )


@pytest.mark.parametrize("is_wide", [True, False])
def test_a_thousand_ancestors_are_flattened_at_once_and_nothing_is_lost(is_wide):
    owed = by_child(lines(1_000, is_wide=is_wide))
    began = perf_counter()
    kept = flow(UUID(int=1), UUID(int=9_999), owed)
    assert perf_counter() - began < 0.5
    assert len(kept) == 1_001
    # Each of a thousand debts, and each of those who keep something, rounds down once.
    assert 0 <= WHOLE_PARTS - sum(kept.values()) <= (0 if is_wide else 2_000)


def ancestors(owner, root, count, *, is_wide):
    """`count` sealed versions of `owner`, which `root` comes from, one by one or all at once."""
    datasets = [
        Dataset(owner=owner, name=f"part-{number}", title="Part", created_at=NOON)
        for number in range(count)
    ]
    Dataset.objects.bulk_create(datasets)
    versions = [
        DatasetVersion(
            dataset=each, number=1, state="sealed", record_count=1, created_at=NOON, sealed_at=NOON
        )
        for each in datasets
    ]
    DatasetVersion.objects.bulk_create(versions)
    children = [root.dataset, *([root.dataset] * count if is_wide else datasets)]
    Derivation.objects.bulk_create(
        Derivation(
            child=child,
            parent=source.dataset,
            source=source,
            policy="relative",
            basis_points=10_000 // count if is_wide else 9_990,
            state="accepted",
            declared_at=NOON,
            accepted_at=NOON,
        )
        for child, source in zip(children, versions, strict=False)
    )


@pytest.mark.parametrize("is_wide", [True, False])
@pytest.mark.django_db
def test_a_thousand_ancestors_open_and_bill_fast(is_wide, ada, ben, cleo, rich_lab, euro):
    root = sealed(ben, "root", "root", euro)
    ancestors(ada, root, 1_000, is_wide=is_wide)
    began = perf_counter()
    remix = sealed(cleo, "remix", "remix", euro)
    made_from(remix, root, points=5_000)
    assert perf_counter() - began < 5
    began = perf_counter()
    weights.ensure([weights.Revenue(remix, euro, "records")], at=NOON)
    assert perf_counter() - began < 5
    row = WeightVersion.objects.get(version=remix)
    assert row.weight_sum < 10**60
    assert sum(one.weight for one in Weight.objects.filter(weight_version=row)) == row.weight_sum
    assert row.portions.count() == (1_002 if not is_wide else 1_001)
    bill(rich_lab, remix, at=NOON)
    assert pending(euro, cleo) == 500_000
    assert pending(euro, ben) == (0 if is_wide else 500)
    # Ada's thousand parts are one account's, so that no unit is lost between them.
    assert 0 <= 500_000 - pending(euro, ben) - pending(euro, ada) <= 1
    began = perf_counter()
    assert weights.apply_resolutions(at=NOON) == 0
    assert perf_counter() - began < 3


@st.composite
def graphs(draw):
    """Debts of some datasets that come from those after them, no stack over the whole."""
    count = draw(st.integers(2, 8))
    ids = [UUID(int=number + 1) for number in range(count)]
    found = []
    for number in range(count - 1):
        left = 10_000
        for parent in range(number + 1, count):
            points = draw(st.integers(0, left)) if draw(st.booleans()) else 0
            if points:
                left -= points
                found.append((ids[number], ids[parent], points))
    return ids, found


@given(graphs())
def test_each_version_gets_no_more_than_its_exact_part_and_hardly_less(graph):
    ids, edges = graph
    debts = [
        Debt(child, parent, parent, "relative", points, True, NOON, NOON, None, "accepted")
        for child, parent, points in edges
    ]
    kept = flow(ids[0], ids[0], by_child(debts))
    income = {ids[0]: Fraction(1)}
    for node in ids:
        for child, parent, points in edges:
            if child == node:
                gained = income.get(node, Fraction(0)) * points / 10_000
                income[parent] = income.get(parent, Fraction(0)) + gained
    for node in ids:
        given = sum(points for child, _, points in edges if child == node)
        exact = income.get(node, Fraction(0)) * (10_000 - given) / 10_000 * WHOLE_PARTS
        # Each debt on the way rounds down once, and so does what is kept.
        assert 0 <= exact - kept.get(node, 0) <= len(edges) + 1
    assert sum(kept.values()) <= WHOLE_PARTS
