"""Every address and method of the web, tried by every role on its own things and on others'.

A cell is the status of the answer, or where it leads: `sign in`, or `reason` where an operator must
say why it looks. Each request is rolled back, so that no cell depends on another.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.core.cache import cache as buckets
from django.db import transaction
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from compensation import models as money
from provenance import models as facts
from provenance.admin.base import ReadOnlyFacts
from provenance.admin.site import site
from tests.matrix.world import Belongings, World

FILE = Path(__file__).resolve().parents[2] / "docs" / "matrix.csv"
ROLES = ("anonymous", "owner", "other owner", "lab", "other lab", "contributor", "operator")
OWN = {
    "owner": "aurora, cobalt",
    "lab": "aurora, cobalt",
    "contributor": "aurora, cobalt",
    "other owner": "birch, delta",
    "other lab": "birch, delta",
}
# The two sets are made alike, and so each cell of the second has its like in the first.
FIRST, SECOND = OWN["owner"], OWN["other owner"]
LIKE = {"owner": "other owner", "other owner": "owner", "lab": "other lab", "other lab": "lab"}
# Whoever contributed to Aurora's data has joined; whoever did to Birch's has not.
UNLIKE = ("/admin/provenance/contributor/<str:object_id>/invite/",)
# Served by Django or a library without a look at who asks; tried with the pages that use them.
NOT_OURS = ("admin/jsi18n/", "admin/autocomplete/", "admin/search/", "admin/r/")
PLACE = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")
# What a noun means where it is not the model's own name in the plural.
NOUNS: dict[str, type[Model]] = {
    "keys": facts.ApiKey,
    "models": facts.TrainedModel,
    "reconciliation": money.Difference,
    "statements": money.Entry,
    "versions": facts.DatasetVersion,
    "webauthn": Authenticator,
}
# Parts of addresses that name no row of a party, and those that name it in another way.
VALUES: dict[str, Callable[[Belongings], Any]] = {
    "sequence": lambda own: own.row(facts.Event).sequence,
    "number": lambda own: own.row(money.Entry).pk,
    "reference": lambda own: own.row(money.BankPayout).reference,
    "name": lambda own: own.row(money.Period).pk,
    "namespace": lambda own: own.owner.namespace,
    "datasets/name": lambda own: own.row(facts.Dataset).name,
}
FIXED = {
    "period": "2026-03",
    "token": "not-a-token",
    "key": "not-a-key",
    "uidb36": "1",
    "provider": "stripe",
    "chain_id": "31337",
    "contract": "0x0",
    "epoch": "1",
    "app_label": "provenance",
}


@dataclass(frozen=True)
class Door:
    """One address, with the verb in it, and the methods that are tried."""

    pattern: str
    methods: tuple[str, ...]
    model: type[Model] | None

    @property
    def names_a_row(self) -> bool:
        """Whether something of a party stands in the address."""
        names = {found[1] or found[2] for found in PLACE.finditer(self.pattern)}
        return bool(names - set(FIXED))

    def address(self, own: Belongings) -> str:
        """The address for the things of these parties."""

        def fill(found: re.Match[str]) -> str:
            name = found[1] or found[2]
            if name in FIXED:
                return FIXED[name]
            value = VALUES.get(f"{self.pattern.partition('/')[0]}/{name}", VALUES.get(name))
            if value is not None:
                return str(value(own))
            assert self.model is not None, f"{self.pattern}: add its noun to NOUNS in {__name__}"
            return str(own.row(self.model).pk)

        return "/" + PLACE.sub(fill, self.pattern)


def doors() -> list[Door]:
    """All addresses, by pattern."""
    found = [door for pattern, entry in _entries() for door in _doors_of(pattern, entry)]
    return sorted(found, key=lambda door: door.pattern)


def _entries() -> Iterator[tuple[str, URLPattern]]:
    def walk(entries: Any, before: str) -> Iterator[tuple[str, URLPattern]]:
        for entry in entries:
            pattern = before + str(entry.pattern).removeprefix("^").removesuffix("$")
            if isinstance(entry, URLResolver):
                yield from walk(entry.url_patterns, pattern)
            elif not pattern.startswith(NOT_OURS) and pattern != "admin/(?P<url>.*)":
                yield pattern, entry

    return walk(get_resolver().url_patterns, "")


def _doors_of(pattern: str, entry: URLPattern) -> Iterator[Door]:
    admin = _admin_of(pattern)
    if pattern.endswith("<slug:verb>/") and admin is not None:
        verbs = admin.list_verbs_of() if "/do/" in pattern else _verbs_of(admin)
        for verb in verbs:
            named = pattern.replace("<slug:verb>", verb.slug)
            yield Door(named, ("GET", "POST"), admin.model)
        return
    parts = pattern.split("/")
    has_noun = pattern.startswith(("api/v1/", "accounts/2fa/"))
    model = admin.model if admin else _noun(parts[2]) if has_noun else None
    if "/charges/<" in pattern:
        model = money.Charge
    yield Door(pattern, _methods(entry), model)


@cache
def _noun(noun: str) -> type[Model] | None:
    """The model of which rows are named behind a noun of the API, or of the second factor."""
    named = {model._meta.model_name: model for model in apps.get_models()}
    name = noun.replace("-", "")
    found = [name, name.removesuffix("s"), name.removesuffix("es"), f"{name[:-3]}y"]
    return NOUNS.get(noun) or next((named[one] for one in found if one in named), None)


def _admin_of(pattern: str) -> ReadOnlyFacts | None:
    parts = pattern.split("/")
    if parts[0] != "admin" or len(parts) < 4:
        return None
    for model, admin in site._registry.items():
        if [model._meta.app_label, model._meta.model_name] == parts[1:3]:
            assert isinstance(admin, ReadOnlyFacts)
            return admin
    return None


def _verbs_of(admin: ReadOnlyFacts) -> list[Any]:
    return [*admin.verbs, *site.verbs(admin.model)]


def _methods(entry: URLPattern) -> tuple[str, ...]:
    """Those that the API's view answers; GET and POST of a page."""
    view = getattr(entry.callback, "cls", None)
    if view is None:
        return ("GET", "POST")
    actions = getattr(entry.callback, "actions", None)
    names = actions or [name for name in view.http_method_names if hasattr(view, name)]
    return tuple(sorted(name.upper() for name in names if name not in ("options", "head")))


# (door, method, whose things)
Row = tuple[Door, str, str]


def key_of(row: Row) -> tuple[str, str, str]:
    """By what a row is found in the table."""
    door, method, whose = row
    return method, f"/{door.pattern}", whose


def like(key: tuple[str, str, str], role: str) -> tuple[tuple[str, str, str], str] | None:
    """The cell, as key and role, that must be the same; None where a cell stands for itself.

    Of what is nobody's the two owners meet the same, and the two labs. A contributor is alone, and
    meets what is its owner's and what is another's.
    """
    method, address, whose = key
    if address in UNLIKE:
        return None
    if whose == SECOND and role != "contributor":
        return (method, address, FIRST), LIKE.get(role, role)
    if not whose and role.startswith("other "):
        return key, LIKE[role]
    return None


def rows(world: World) -> list[Row]:
    """All that the table should have."""
    return [
        (door, method, whose)
        for door in doors()
        for method in door.methods
        for whose in (world.sets if door.names_a_row else [""])
    ]


def furnish(world: World) -> None:
    """Everything that an address names, made before the first cell: each sees no less."""
    for door, _, whose in rows(world):
        door.address(_own(world, whose))


def column(world: World, role: str, asked: list[Row]) -> list[str]:
    """The cells of a role, in the order of the rows that are asked for."""
    client = Client(raise_request_exception=False)
    person = world.people[role]
    if person is not None:
        client.force_login(person)
    if role == "operator":
        client.post("/admin/reason/", {"reason": "the matrix"})
    return [_cell(client, world, *row) for row in asked]


def _cell(client: Client, world: World, door: Door, method: str, whose: str) -> str:
    address = door.address(_own(world, whose))
    kept = client.cookies.copy()
    buckets.clear()
    with transaction.atomic():
        answer = client.generic(method, address, content_type="application/x-www-form-urlencoded")
        transaction.set_rollback(True)
    answer.close()
    client.cookies = kept
    if answer.status_code in (301, 302):
        target = answer.headers["Location"]
        is_sign_in = "/login/" in target or "/reauthenticate/" in target
        return "sign in" if is_sign_in else "reason" if "/reason/" in target else "302"
    return str(answer.status_code)


def _own(world: World, whose: str) -> Belongings:
    return world.sets[whose or next(iter(world.sets))]


def read() -> dict[tuple[str, str, str], dict[str, str]]:
    """The committed table: cells by role, by (method, pattern, whose)."""
    with FILE.open(newline="") as file:
        return {(row["method"], row["address"], row["whose"]): row for row in csv.DictReader(file)}


def write(world: World, *, missing_only: bool) -> None:
    """The table as it is now; or as it was, with the rows that it lacks and without those gone."""
    kept = read() if missing_only else {}
    asked = [row for row in rows(world) if key_of(row) not in kept]
    made = {role: column(world, role, asked) for role in ROLES}
    for place, row in enumerate(asked):
        kept[key_of(row)] = {role: made[role][place] for role in ROLES}
    with FILE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["method", "address", "whose", *ROLES])
        for row in rows(world):
            writer.writerow([*key_of(row), *(kept[key_of(row)][role] for role in ROLES)])
