"""Cutting data up wins nobody a unit: splits, quality, pools and batches, held to one sentence.

For the same use of the same records, whatever an owner splits, merges, reorders, registers twice,
or registers under several names, and however it is batched: what its names are credited with in
all is never more than the floor of its exact entitlement, which is what its undivided data earns.
Where merging recovers what floors had left, it never passes that floor.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compensation import pricing
from compensation.derivation import WHOLE_PARTS, flow
from compensation.division import OWN_PLACE, PLATFORM, Division, Part, Payee, Place, Portion
from compensation.sharing import Use, shared_out
from provenance import contributors, quality
from provenance.debts import Debt, by_child
from provenance.models import Contributor
from provenance.quality import COPY_POINTS, FULL_POINTS, SHORT_POINTS, SHORT_TOKENS
from tests import factories
from tests.cast import NOON

FEES = st.integers(0, 3_000)
TOTALS = st.integers(0, 10**12)
SOURCE = "v1"
# The names of one owner: all of them are the same hands.
MINE = ["mine-1", "mine-2", "mine-3", "mine-4"]


def credited(division, fee, amounts):
    """What each payee has after these charges, one after the other."""
    shares = division.weights(fee)
    whole = sum(shares.values())
    earned, total = dict.fromkeys(shares, 0), 0
    for amount in amounts:
        for payee, weight in shares.items():
            earned[payee] += pricing.credit(amount, total, weight, whole)
        total += amount
    return earned


def mine(earned):
    return sum(units for payee, units in earned.items() if payee.id.startswith("mine"))


def plain(holders, cells=None, portions=()):
    own = Portion(SOURCE, WHOLE_PARTS - sum(one.parts for one in portions), tuple(holders))
    return Division((own, *portions), {SOURCE: cells or [Part(OWN_PLACE, 1)]})


@st.composite
def batches(draw, total):
    """`total` in pieces."""
    cuts = sorted(draw(st.lists(st.integers(0, total), max_size=6)))
    return [after - before for before, after in zip([0, *cuts], [*cuts, total], strict=True)]


@given(st.data(), TOTALS, FEES, st.integers(1, 10**6), st.integers(0, 10**6))
def test_shares_of_several_names_never_pass_the_share_of_one(data, total, fee, ours, theirs):
    """A weight split among names, in any order and any batches."""
    parts = data.draw(st.lists(st.integers(0, ours), min_size=0, max_size=3))
    parts = [min(part, ours - sum(parts[:place])) for place, part in enumerate(parts)]
    names = [part for part in [*parts, ours - sum(parts)] if part > 0]
    if sum(names) != ours:
        names = [ours]
    others = [("other", theirs)] if theirs else []
    cut = [*zip(MINE, names, strict=False), *others]
    cut = data.draw(st.permutations(cut))
    apart = mine(credited(plain(cut), fee, data.draw(batches(total))))
    whole = mine(credited(plain([("mine-1", ours), *others]), fee, [total]))
    exact = Fraction(total * ours * (10_000 - fee), (ours + theirs) * 10_000)
    assert apart <= whole == floor(exact)
    assert whole - apart < len(names)


@given(st.data(), TOTALS, FEES, st.lists(st.integers(1, 500), min_size=1, max_size=4))
def test_a_dataset_in_pieces_never_earns_more_than_the_whole(data, total, fee, sizes):
    """The same records in several datasets: each is charged by its own use, floor for floor."""
    price = data.draw(st.integers(1, 10**6))
    epochs = data.draw(st.integers(1, 5))
    whole = pricing.price("per_1k_records", price, sum(sizes) * epochs, 0)
    pieces = [pricing.price("per_1k_records", price, size * epochs, 0) for size in sizes]
    apart = sum(mine(credited(plain([("mine-1", 1)]), fee, [units])) for units in pieces)
    assert apart <= mine(credited(plain([("mine-1", 1)]), fee, [whole]))
    assert apart <= floor(Fraction(price * sum(sizes) * epochs * (10_000 - fee), 10_000 * 1_000))


@given(st.data(), TOTALS, st.integers(1, 60))
def test_a_pool_is_blind_to_how_an_owners_data_is_cut_merged_ordered_or_listed(data, total, used):
    """Subscriptions, minimums and reported revenue are shared by owner first."""
    owner, other = UUID(int=1), UUID(int=2)
    theirs = data.draw(st.integers(0, 100))
    cuts = sorted(data.draw(st.lists(st.integers(0, used), max_size=5)))
    pieces = [after - before for before, after in zip([0, *cuts], [*cuts, used], strict=True)]
    ids = data.draw(st.permutations(range(10, 10 + len(pieces))))
    uses = [Use(owner, UUID(int=key), piece) for key, piece in zip(ids, pieces, strict=True)]
    others = [Use(other, UUID(int=99), theirs)] if theirs else []
    shares = shared_out(total, data.draw(st.permutations([*uses, *others])), used + theirs)
    ours = sum(units for version, units in shares.items() if version != UUID(int=99))
    assert ours == total * used // (used + theirs)


@given(st.data(), TOTALS, st.integers(1, 60), st.integers(1, 60))
def test_several_owners_names_in_a_pool_never_pass_one(data, total, used, theirs):
    """Registered under other parties the floors fall one by one, and never the other way."""
    cuts = sorted(data.draw(st.lists(st.integers(0, used), max_size=3)))
    pieces = [after - before for before, after in zip([0, *cuts], [*cuts, used], strict=True)]
    # Who used nothing takes no part in a pool.
    pieces = [each for each in pieces if each]
    uses = [Use(UUID(int=n + 1), UUID(int=n + 100), each) for n, each in enumerate(pieces)]
    uses.append(Use(UUID(int=50), UUID(int=500), theirs))
    shares = shared_out(total, uses, used + theirs)
    apart = sum(units for version, units in shares.items() if version != UUID(int=500))
    assert apart <= total * used // (used + theirs)


# One record: its digest, its tokens, and whose label it bears.
RECORDS = st.lists(
    st.tuples(
        st.integers(0, 8), st.integers(0, 2 * SHORT_TOKENS), st.sampled_from([*MINE, "them"])
    ),
    min_size=1,
    max_size=25,
)


def points(records):
    """The published rule, in a second wording: points by contributor, in the records' order."""
    found, seen = {}, set()
    for digest, tokens, label in records:
        worth = SHORT_POINTS if tokens < SHORT_TOKENS else FULL_POINTS
        found[label] = found.get(label, 0) + (COPY_POINTS if digest in seen else worth)
        seen.add(digest)
    return found


@given(RECORDS, st.integers(1, 10_000), TOTALS, FEES, st.randoms(use_true_random=False))
def test_quality_gives_no_label_more_for_more_names_or_copies(records, part, total, fee, random):
    """Renaming, and handing in again what was handed in, raise no labeller's total."""

    def ours(listed):
        counted = points(listed)
        whole = sum(counted.values()) * 10_000
        holders = [(label, each * part) for label, each in counted.items() if each]
        rest = whole - sum(weight for _, weight in holders)
        holders += [("owner", rest)] if rest else []
        return mine(credited(plain(holders), fee, [total])), counted

    def of_all(counted):
        return sum(each for label, each in counted.items() if label in MINE)

    # Tokens go with the digest: the same content has the same length.
    records = [(digest, digest, label) for digest, _, label in records]
    one = [(digest, size, "mine-1" if label in MINE else label) for digest, size, label in records]
    undivided, whole = ours(one)
    apart, counted = ours(records)
    assert of_all(counted) == of_all(whole)
    assert apart <= undivided
    copied = [each for each in one if each[2] == "mine-1"]
    again = [*one, *(random.choices(copied, k=3) if copied else [])]
    assert points(again) == whole
    assert ours(again)[0] == undivided


@pytest.mark.django_db
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=RECORDS)
def test_the_database_counts_points_as_the_rule_says(records, ada):
    """The rule above, as it is computed: on records that were registered and credited."""
    texts = [" ".join([f"w{digest}"] * (digest + 1)) for digest, _, _ in records]
    version = factories.version(factories.dataset(ada, f"set-{uuid4()}"), texts)
    keys = [f"r{place}" for place in range(len(records))]
    labels = [label for _, _, label in records]
    contributors.credit(version=version, labels=dict(zip(keys, labels, strict=True)), at=NOON)
    counted = {
        Contributor.objects.get(pk=each.contributor_id).label: each.points
        for each in quality.points_of(version)
    }
    assert counted == points([(each, each + 1, label) for each, _, label in records])


@st.composite
def families(draw):
    """Debts above one dataset, some of its ancestors its owner's own; no stack over the whole."""
    count = draw(st.integers(2, 10))
    whose = st.lists(st.sampled_from(["mine-2", "mine-3", "them"]), min_size=count, max_size=count)
    owners = ["mine-1", *draw(whose)]
    debts = []
    for child in range(count - 1):
        left = 10_000
        for parent in range(child + 1, count):
            # Near relations above all, so that long lines of descent come up, too.
            is_owed = parent == child + 1 or draw(st.booleans())
            owed = draw(st.integers(0, left)) if is_owed else 0
            left -= owed
            if owed:
                debts.append((child, parent, owed))
    return owners, debts


@given(families(), TOTALS, FEES)
def test_a_family_of_datasets_never_earns_more_than_its_exact_part(family, total, fee):
    """Whoever puts its own datasets above its own gets what they pass to it, and no unit more."""
    owners, edges = family
    ids = [UUID(int=number + 1) for number in range(len(owners))]
    debts = [
        Debt(ids[child], ids[parent], ids[parent], "relative", owed, True, NOON, NOON, None,
             "accepted")
        for child, parent, owed in edges
    ]  # fmt: skip
    kept = flow(ids[0], ids[0], by_child(debts))
    portions = tuple(
        Portion(str(source), parts, ((owners[ids.index(source)], 1),))
        for source, parts in kept.items()
    )
    division = Division(portions, {str(ids[0]): [Part(OWN_PLACE, 1)]})
    earned = credited(division, fee, [total])
    income = {0: Fraction(1)}
    exact = Fraction(0)
    for node in range(len(owners)):
        given = sum(owed for child, _, owed in edges if child == node)
        got = income.get(node, Fraction(0))
        for child, parent, owed in edges:
            if child == node:
                income[parent] = income.get(parent, Fraction(0)) + got * owed / 10_000
        if owners[node].startswith("mine"):
            exact += got * (10_000 - given) / 10_000
    entitled = total * exact * (10_000 - fee) / 10_000
    assert mine(earned) <= floor(entitled)
    shares = division.weights(fee)
    assert Fraction(mine(shares), sum(shares.values())) <= exact * (10_000 - fee) / 10_000
    # What rounding leaves goes with the fee: less than a part in 10**23 for each debt.
    fee_only = Fraction(total * fee, 10_000)
    assert earned.get(PLATFORM, 0) <= floor(fee_only + Fraction(total * len(edges) * 10, 10**24))


@given(st.data(), TOTALS, FEES, st.integers(1, 200), st.integers(0, 200))
def test_what_is_held_and_what_is_free_never_add_up_to_more(data, total, fee, own, held):
    """A dispute's tenth is a tenth, whoever's names stand behind the rest and how it is batched."""
    place = Place((("mine-1", 1), ("them", 1)), "c1", "", is_held=True)
    cells = [Part(OWN_PLACE, own), *([Part(place, held, tuple(range(held)))] if held else [])]
    names = [("mine-1", data.draw(st.integers(1, 99))), ("mine-2", data.draw(st.integers(1, 99)))]
    division = plain(names, cells)
    earned = credited(division, fee, data.draw(batches(total)))
    exact = Fraction(total * (10_000 - fee), 10_000 * (own + held))
    assert mine(earned) <= floor(exact * own)
    assert earned.get(Payee("escrow", "c1"), 0) == floor(exact * held)
    assert total - sum(earned.values()) < len(division.weights(fee))
