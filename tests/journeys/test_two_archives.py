"""A hundred of an archive's articles turn up in another dataset: from upload to statement.

Both orders of registration, on the labelled articles where they are at hand and on texts of our
own otherwise.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from compensation import billing, statements, weights
from compensation.models import Account, Asset
from compensation.statements import Period
from provenance import conflicts
from provenance.models import Conflict, DatasetVersion, Match, Overlap, Party, User
from tests import factories
from tests.cast import NOON
from tests.compensation.conftest import (  # noqa: F401  (fixtures)
    euro,
    grant,
    held,
    priced,
    rich_lab,
    use,
)
from tests.ingest.conftest import articles, sealed, sentence  # noqa: F401  (fixtures)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
COPIED, OTHERS = 100, 900
PRICE_PER_THOUSAND = 7_000_001
Rows = list[dict[str, Any]]


@pytest.fixture(params=["articles", "our own texts"])
def two_sets(request: pytest.FixtureRequest) -> tuple[Rows, Rows, set[str]]:
    """The archive, the mixed set, and the ids of what was copied."""
    if request.param == "articles":
        read: Callable[[str], Rows] = request.getfixturevalue("articles")
        ours, pool = read("articles_1000.jsonl"), read("articles_2500.jsonl")
        known = {row["id"] for row in ours}
        others = [row for row in pool if row["id"] not in known][:OTHERS]
        count = COPIED
    else:
        ours = [{"id": f"a{n}", "text": sentence(n)} for n in range(40)]
        others = [{"id": f"b{n}", "text": sentence(1000 + n)} for n in range(30)]
        count = 10
    draw = random.Random(3)
    copied = draw.sample(ours, count)
    mixed = copied + others
    draw.shuffle(mixed)
    return ours, mixed, {row["id"] for row in copied}


def contested(conflict: Conflict, version: DatasetVersion) -> int:
    return conflict.contested.filter(record__dataset=version.dataset_id).count()


def billed(lab: Party, version: DatasetVersion, asset: Asset) -> int:
    """One run over all of `version`, charged; what it cost."""
    priced(version, asset, price_units=PRICE_PER_THOUSAND, at=NOON + HOUR)
    grant(lab, version, at=NOON + HOUR)
    use(lab, version, records=version.record_count, at=NOON + HOUR)
    billing.bill_batch(at=NOON + 2 * HOUR)
    return version.record_count * PRICE_PER_THOUSAND // 1000


def statement_of(party: Party, asset: Asset, at: Any) -> statements.OwnerStatement:
    found = statements.owner_statement(
        party=party, asset=asset, period=Period.month("2026-03"), at=at
    )
    moved = sum(line.amount_units for line in found.movements)
    assert found.opening_units + moved == found.closing_units
    return found


@pytest.mark.slow
def test_the_copiers_share_is_held_and_goes_to_the_author(
    two_sets: tuple[Rows, Rows, set[str]],
    ada: Party,
    ben: Party,
    olga: User,
    rich_lab: Party,  # noqa: F811
    euro: Asset,  # noqa: F811
) -> None:
    ours, mixed, copied = two_sets
    first = sealed(factories.dataset(ada, "archive"), ours)
    second = sealed(factories.dataset(ben, "mixed"), mixed)
    overlap = Overlap.objects.get(later=second, earlier=first)
    assert overlap.exact_count == len(copied)
    exact = Match.objects.filter(overlap=overlap, kind="exact")
    assert set(exact.values_list("later__key", flat=True)) == copied
    conflict = Conflict.objects.get(overlap=overlap)
    in_question = contested(conflict, second)
    total = billed(rich_lab, second, euro)
    in_escrow = held(euro, Account.Kind.ESCROW, account__conflict=conflict)
    share = total * in_question // second.record_count
    assert abs(in_escrow - share) <= 1
    conflicts.claim(conflict=conflict, claimant=ada, statement="Ours.", at=NOON + DAY)
    conflicts.answer(conflict=conflict, party=ben, text="They are.", agrees=True, at=NOON + DAY)
    weights.apply_resolutions(at=NOON + DAY)
    assert held(euro, Account.Kind.ESCROW, account__conflict=conflict) == 0
    hers, his = (statement_of(party, euro, NOON + 2 * DAY) for party in (ada, ben))
    rounding = held(euro, Account.Kind.ROUNDING)
    assert hers.closing_units == in_escrow
    assert hers.closing_units + his.closing_units + rounding == total


@pytest.mark.slow
def test_the_author_who_registered_second_gets_its_share_by_an_admitted_claim(
    two_sets: tuple[Rows, Rows, set[str]],
    ada: Party,
    ben: Party,
    olga: User,
    rich_lab: Party,  # noqa: F811
    euro: Asset,  # noqa: F811
) -> None:
    ours, mixed, copied = two_sets
    copier = sealed(factories.dataset(ben, "mixed"), mixed)
    author = sealed(factories.dataset(ada, "archive"), ours)
    conflict = Conflict.objects.get(later=author.dataset, earlier=copier.dataset)
    assert contested(conflict, copier) >= len(copied)
    claim = conflicts.claim(
        conflict=conflict,
        claimant=ada,
        statement="We wrote these.",
        evidence="Drafts and publication dates.",
        at=NOON + HOUR,
    )
    conflicts.admit_claim(claim=claim, by=olga, at=NOON + HOUR)
    total = billed(rich_lab, copier, euro)
    in_escrow = held(euro, Account.Kind.ESCROW, account__conflict=conflict)
    assert abs(in_escrow - total * contested(conflict, copier) // copier.record_count) <= 1
    conflicts.answer(conflict=conflict, party=ben, text="No.", agrees=False, at=NOON + DAY)
    conflicts.reply(conflict=conflict, party=ada, text="See the dates.", at=NOON + DAY)
    conflicts.decide(
        conflict=conflict, outcome="to_later", reasons="Dated.", by=olga, at=NOON + DAY
    )
    weights.apply_resolutions(at=NOON + DAY)
    assert held(euro, Account.Kind.ESCROW, account__conflict=conflict) == 0
    hers, his = (statement_of(party, euro, NOON + 2 * DAY) for party in (ada, ben))
    assert hers.closing_units == in_escrow
    rounding = held(euro, Account.Kind.ROUNDING)
    assert hers.closing_units + his.closing_units + rounding == total
