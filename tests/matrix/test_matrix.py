"""Who may open what: the committed table of addresses, methods, roles and whose things.

Each door is tried by every role, on its own and on others' things. What has its like, such as
Birch on Aurora's things and Aurora on Birch's, is tried once; `./run matrix --try` tries all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import TransactionTestCase, override_settings

from deploy import checks
from deploy.celery import app
from tests.matrix import table, world
from tests.matrix.world import World

COMMAND = "run ./run matrix (or --missing for new addresses alone), then read each new cell"
CLOSED = {"404", "403", "401", "405", "sign in"}
# What is for everybody, or for every member of an owner or a lab, whoever made it.
ON_OFFER = "what an owner offers is on show to those who may ask for it"
OPEN_TO_OTHERS: dict[str, str] = {
    "/datasets/": "its owner has published it",
    "/admin/provenance/bundle/": ON_OFFER,
    "/admin/provenance/licence/": ON_OFFER,
    "/api/v1/bundles/<uuid:pk>": ON_OFFER,
    "/api/v1/licences/<uuid:pk>": ON_OFFER,
    "/api/v1/rates/<int:pk>": ON_OFFER,
    "/api/v1/periods/<str:name>": "a month is closed for everybody, and holds nobody's figures",
}
# Of what is on offer another party may see the page and its forms; its verbs send it back.
SEEN = {"200", "302", "422"}


@pytest.fixture(scope="module")
def cast(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """The world, committed: each request is rolled back alone; the database is renewed after."""
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        # Neither a broker nor a node is there, and nobody waits for them.
        patch.setattr(checks, "BROKER_TIMEOUT_SECONDS", 0.05)
        patch.setitem(app.conf.broker_transport_options, "pool_timeout", 0.05)
        try:
            with override_settings(CHAIN_RPC_URL="http://127.0.0.1:9"):
                cast = world.build()
                table.furnish(cast)
                yield cast
        finally:
            TransactionTestCase._fixture_teardown(None)


@pytest.mark.skipif("TALLYMARK_WRITE_MATRIX" not in os.environ, reason="writes the table")
def test_the_table_is_written_anew(cast: World) -> None:
    table.write(cast, missing_only=os.environ["TALLYMARK_WRITE_MATRIX"] == "missing")


def test_the_table_has_every_address_and_no_other(cast: World) -> None:
    now = {table.key_of(row) for row in table.rows(cast)}
    missing, gone = sorted(now - set(table.read())), sorted(set(table.read()) - now)
    assert not missing, COMMAND
    assert not gone, COMMAND


@pytest.mark.parametrize("role", table.ROLES)
def test_every_door_opens_to_whom_the_table_says(cast: World, role: str) -> None:
    kept, is_whole = table.read(), "TALLYMARK_TRY_MATRIX" in os.environ
    asked = [
        row for row in table.rows(cast) if is_whole or table.like(table.key_of(row), role) is None
    ]
    wrong = []
    for row, cell in zip(asked, table.column(cast, role, asked), strict=True):
        due = kept.get(table.key_of(row), {}).get(role, cell)
        if due != cell:
            wrong.append(f"{' '.join(table.key_of(row))}: {due} is now {cell}")
    assert not wrong, COMMAND


def test_the_table_is_the_same_from_both_sides() -> None:
    kept = table.read()
    pairs = [(key, role, table.like(key, role)) for key in kept for role in table.ROLES]
    alike = [(key, role, found) for key, role, found in pairs if found]
    wrong = [
        f"{' '.join(key)} by {role}: {kept[key][role]}, and {kept[other][its_role]} by {its_role}"
        for key, role, (other, its_role) in alike
        if kept[key][role] != kept[other][its_role]
    ]
    assert len(alike) > len(kept)
    assert not wrong, "one side is treated differently, or name it in UNLIKE"


def test_the_table_lets_nobody_at_what_is_anothers() -> None:
    wrong = [
        f"{method} {address} by {role}: {row[role]}"
        for (method, address, whose), row in table.read().items()
        for role, own in table.OWN.items()
        if whose and own != whose and row[role] not in CLOSED
        if not (row[role] in SEEN and address.startswith(tuple(OPEN_TO_OTHERS)))
    ]
    assert not wrong, "a second party opens it: close it, or say in OPEN_TO_OTHERS why not"


def test_the_table_lets_a_stranger_nowhere_but_at_what_is_public() -> None:
    wrong = [
        f"{method} {address}: {row['anonymous']}"
        for (method, address, _), row in table.read().items()
        if address.startswith(("/admin/", "/api/v1/")) and row["anonymous"] not in CLOSED
        if not address.startswith(("/api/v1/payout-trees", "/api/v1/hooks/", "/admin/logout/"))
    ]
    assert not wrong


def test_no_door_breaks() -> None:
    broken = [
        f"{method} {address} by {role}"
        for (method, address, _), row in table.read().items()
        for role in table.ROLES
        if row[role].startswith("5") and address != "/readyz"
    ]
    assert not broken
