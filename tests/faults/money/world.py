"""A small world to bill in: owners, labs, prices, disputed records, a chain that can pay.

It is made by the use cases, once; each run of the harness begins with a copy of its database.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from compensation import deployment, deposits, payees
from compensation.models import Asset, PlatformFee
from provenance import conflicts, licensing, registry, signers
from provenance.models import Conflict, DatasetVersion, Party
from tests import factories
from tests.chain import Clock
from tests.faults.money.model import (
    FLAT_PER_RUN,
    PER_1K_RECORDS,
    PER_1M_TOKENS,
    Model,
    Terms,
    Version,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
FEE_BASIS_POINTS = 250
DISPUTED = 8
OPERATOR = "olga@operations.example"
UNKNOWN = "nobody/nothing"


class Plan(NamedTuple):
    """A version that will be registered; prices are primes, so that every floor counts."""

    name: str
    owner: str
    asset: str
    basis: str
    price_units: int
    size: int
    copies: str = ""
    """Of which version the first records are copies."""


PLANS = (
    Plan("essays", "Ada", "dollar", PER_1K_RECORDS, 1_000_003, 30),
    Plan("letters", "Ada", "euro", PER_1M_TOKENS, 15_485_863, 17),
    Plan("poems", "Ben", "dollar", FLAT_PER_RUN, 7_919, 11),
    Plan("notes", "Ben", "euro", PER_1K_RECORDS, 999_983, 23),
    Plan("mixed", "Cleo", "dollar", PER_1K_RECORDS, 1_299_709, 21, "essays"),
    Plan("digest", "Cleo", "dollar", PER_1M_TOKENS, 179_424_673, 19, "poems"),
    Plan("remix", "Cleo", "euro", PER_1K_RECORDS, 104_729, 29, "letters"),
    Plan("gift", "Dora", "euro", "", 0, 9),
)
# Registered, and licensed to nobody.
RESERVED = Plan("diary", "Dora", "euro", "", 0, 7)
LICENSED = frozenset(plan.name for plan in PLANS)
OWNERS = ("Ada", "Ben", "Cleo", "Dora")
LABS = ("Cobalt", "Delta")


@dataclass
class World:
    """What the harness knows of its world; ids are text."""

    owners: dict[str, str]
    labs: dict[str, str]
    assets: dict[str, int]
    versions: dict[str, dict[str, Any]]
    """By name: id, owner's id, asset's id, the terms, and tokens by record id."""
    disputes: list[dict[str, Any]]
    """The conflict, the names of the later and the earlier version, and the later's records."""

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> World:
        return cls(**json.loads(path.read_text()))

    def terms(self, name: str) -> Terms:
        """What the use of a version costs."""
        return Terms(**self.versions[name]["terms"])

    def model(self) -> Model:
        """The model of this world, to which nothing has happened yet."""
        versions = {
            one["id"]: Version(
                owner=one["owner"],
                terms=self.terms(name),
                asset=str(one["asset"]),
                token_counts={int(record): tokens for record, tokens in one["records"].items()},
            )
            for name, one in self.versions.items()
        }
        return Model(FEE_BASIS_POINTS, versions)


def build() -> World:
    """Make it all in the database and on the chain that the settings name."""
    clock = Clock(START - timedelta(days=1))
    deployment.deploy_all(
        token="", admin=signers.address("deployer"), clock=clock, say=lambda _: None
    )
    assets = {
        "dollar": Asset.objects.get(),
        "euro": deposits.register_asset(code="iso4217:EUR", symbol="EUR", scale=6, name="euro"),
    }
    PlatformFee.objects.create(basis_points=FEE_BASIS_POINTS, valid_from=clock())
    owners = {name: factories.party(name, is_owner=True) for name in OWNERS}
    labs = {name: factories.party(name, is_lab=True) for name in LABS}
    for number, owner in enumerate(owners.values(), 1):
        payees.add_method(
            party=owner, address=f"0x{number:040x}", chain_id=signers.DEVELOPMENT_CHAIN, at=clock()
        )
    made: dict[str, DatasetVersion] = {}
    for plan in (*PLANS, RESERVED):
        made[plan.name] = factories.version(
            factories.dataset(owners[plan.owner], plan.name), texts(plan), at=START
        )
    for plan in PLANS:
        _offer(made[plan.name], plan, assets[plan.asset], labs.values(), clock())
    return World(
        owners={name: str(one.pk) for name, one in owners.items()},
        labs={name: str(one.pk) for name, one in labs.items()},
        assets={name: one.pk for name, one in assets.items()},
        versions={
            plan.name: _described(made[plan.name], plan, assets) for plan in (*PLANS, RESERVED)
        },
        disputes=_disputes(made),
    )


def texts(plan: Plan) -> list[str]:
    """The records of a version: the first are copies, and each is as long as it is late."""
    copied = next((one for one in PLANS if one.name == plan.copies), None)
    shared = texts(copied)[:DISPUTED] if copied else []
    own = range(len(shared), plan.size)
    return [*shared, *(f"{plan.name} number {place}" + " word" * place for place in own)]


def _offer(version: DatasetVersion, plan: Plan, asset: Asset, labs: Any, at: datetime) -> None:
    """Licence a version to every lab at its price."""
    licence = licensing.offer_licence(
        dataset=version.dataset,
        name="Training",
        text="You may train.",
        purposes=["pretrain"],
        is_automatic=True,
        at=at,
    )
    if plan.basis:
        licensing.set_rate(
            licence=licence,
            basis=plan.basis,
            price_units=plan.price_units,
            asset=asset.code,
            valid_from=at,
            at=at,
        )
    for lab in labs:
        licensing.request_grant(lab=lab, licence=licence, purposes=["pretrain"], at=at)


def _described(version: DatasetVersion, plan: Plan, assets: dict[str, Asset]) -> dict[str, Any]:
    records = registry.records_of(version).values_list("pk", "token_count")
    terms = Terms(plan.basis, plan.price_units, version.record_count, version.token_count)
    return {
        "id": str(version.pk),
        "owner": str(version.dataset.owner_id),
        "asset": assets[plan.asset].pk,
        "terms": asdict(terms),
        "records": dict(records),
    }


def _disputes(made: dict[str, DatasetVersion]) -> list[dict[str, Any]]:
    """Every copy is claimed, answered and replied to: it waits for an operator's word."""
    operator = factories.party("Operations", is_operator=True)
    factories.user(OPERATOR, party=operator)
    found = []
    for plan in PLANS:
        if plan.copies:
            later, earlier = made[plan.name], made[plan.copies]
            conflict = _dispute(later, earlier, texts(plan)[:DISPUTED])
            records = [factories.record(later, text).pk for text in texts(plan)[:DISPUTED]]
            row = {"conflict": str(conflict.pk), "later": plan.name, "earlier": plan.copies}
            found.append({**row, "records": records})
    return found


def _dispute(later: DatasetVersion, earlier: DatasetVersion, shared: Sequence[str]) -> Conflict:
    overlap = factories.overlap(later, earlier, [(text, text) for text in shared])
    conflict = conflicts.open_from_overlap(overlap=overlap, at=START)
    assert conflict is not None, "copies of another owner's records open a conflict"
    mine: Party = earlier.dataset.owner
    theirs: Party = later.dataset.owner
    conflicts.claim(conflict=conflict, claimant=mine, statement="Ours.", at=START)
    conflicts.answer(conflict=conflict, party=theirs, text="No.", agrees=False, at=START)
    conflicts.reply(conflict=conflict, party=mine, text="Yes.", at=START)
    return conflict
