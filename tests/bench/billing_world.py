"""A world to bill in: labs with money, owners with priced data, some of it tiered or in dispute.

Made set by set, so that a million owners take minutes; only the conflicts are made one by one, by
the use cases.
"""

from __future__ import annotations

import itertools
import secrets
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LABS = 8
DEPOSIT_UNITS = 4 * 10**17
RECORDS, TOKENS = 1_000, 250_000
# Of the datasets: in dispute, and under a plan with tiers.
DISPUTED, TIERED = 0.01, 0.1
PER_BATCH, AT_ONCE = 5_000, 50_000
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)

# A staged usage as binary COPY reads it: how many fields, then the length and bytes of each.
FIELDS = (
    ("batch", "V16"), ("usage_id", "V16"), ("revision", ">i4"), ("kind", "S6"), ("lab_id", "V16"),
    ("version_id", "V16"), ("grant_id", "V16"), ("rate_id", ">i8"), ("record_count", ">i8"),
    ("token_count", ">i8"), ("used_at", ">i8"),
)  # fmt: skip
COLUMNS = ", ".join(name for name, _ in FIELDS)
ROW = np.dtype(
    [("fields", ">i2")]
    + [part for name, kind in FIELDS for part in ((f"{name}_size", ">i4"), (name, kind))]
)


class World:
    """Labs, and the dataset versions that they may use, with the rate and grants of each."""

    def __init__(self, owners: int, *, seed: int = 7) -> None:
        self.dice = np.random.default_rng(seed)
        self.versions: list[uuid.UUID] = []
        self.rates: list[int] = []
        self.labs: list[uuid.UUID] = []
        self._begin(owners)

    def _begin(self, owners: int) -> None:
        from compensation import deposits
        from compensation.models import PlatformFee

        self.asset = deposits.register_asset(code="iso4217:EUR", symbol="EUR", scale=9)
        PlatformFee.objects.create(basis_points=300, valid_from=AT - timedelta(days=400))
        self.labs = [self._lab(number) for number in range(LABS)]
        disputed = self._disputed(int(min(owners, 5_000) * DISPUTED))
        for version, rate in disputed:
            self.versions.append(version)
            self.rates.append(rate)
        self._add(len(disputed), min(PER_BATCH, owners - len(disputed)))
        self._add_alike(owners)
        self._versions = np.array([one.bytes for one in self.versions], "V16")
        self._rates = np.array(self.rates, np.int64)
        self._labs = np.array([one.bytes for one in self.labs], "V16")

    def _lab(self, number: int) -> uuid.UUID:
        from compensation import deposits
        from provenance import parties

        lab = parties.create_party(name=f"Lab {number}", is_owner=False, is_lab=True, at=AT)
        deposits.deposit(
            lab=lab, asset=self.asset, amount_units=DEPOSIT_UNITS, reference=f"{number}", at=AT
        )
        return lab.pk

    def _disputed(self, pairs: int) -> list[tuple[uuid.UUID, int]]:
        """Datasets of which a tenth is held for a conflict with another."""
        from provenance import conflicts
        from tests import factories

        found = []
        for pair in range(pairs // 2):
            texts = [f"text {pair} {number} of two archives" for number in range(20)]
            sides = {"earlier": texts, "later": [*texts[:2], *map(str.upper, texts)]}
            earlier, later = (
                factories.version(
                    factories.dataset(factories.party(f"{side} {pair}", is_owner=True)), some
                )
                for side, some in sides.items()
            )
            overlap = factories.overlap(later, earlier, [(one, one) for one in texts[:2]])
            conflicts.open_from_overlap(overlap=overlap, at=AT)
            found += [(one.pk, self._rate(one.dataset)) for one in (earlier, later)]
        return found

    def _rate(self, dataset: Any) -> int:
        from provenance.models import Licence, Rate

        licence = Licence.objects.create(
            dataset=dataset, name="Training", purposes=["pretrain"], created_at=AT
        )
        return Rate.objects.create(
            licence=licence, basis="per_1k_records", price_units=10**7, asset=self.asset.code,
            valid_from=AT,
        ).pk  # fmt: skip

    def _add(self, first: int, count: int) -> None:
        """More owners, each with one dataset and its price."""
        from provenance.models import Dataset, DatasetVersion, Licence, Party, Rate

        names = [f"owner-{first + place}" for place in range(count)]
        owners = Party.objects.bulk_create(
            Party(name=name, namespace=name, is_owner=True, salt=secrets.token_bytes(32),
                  created_at=AT)
            for name in names
        )  # fmt: skip
        datasets = Dataset.objects.bulk_create(
            Dataset(owner=owner, name="data", title="Data", created_at=AT) for owner in owners
        )
        versions = DatasetVersion.objects.bulk_create(
            DatasetVersion(
                dataset=one, number=1, state="sealed", record_count=RECORDS, token_count=TOKENS,
                created_at=AT, sealed_at=AT,
            )
            for one in datasets
        )  # fmt: skip
        licences = Licence.objects.bulk_create(
            Licence(dataset=one, name="Training", purposes=["pretrain"], created_at=AT)
            for one in datasets
        )
        tiered = self.dice.random(count) < TIERED
        plans = self._plans([one for one, has in zip(owners, tiered, strict=True) if has])
        rates = Rate.objects.bulk_create(
            Rate(
                licence=licence, basis="per_1k_records", asset=self.asset.code, valid_from=AT,
                price_units=1_000 + (first + place) * 7919 % 90_000,
                plan=next(plans) if tiered[place] else None,
            )
            for place, licence in enumerate(licences)
        )  # fmt: skip
        self.versions += [one.pk for one in versions]
        self.rates += [one.pk for one in rates]

    def _add_alike(self, owners: int) -> None:
        """The owners that are still missing, copied from the last."""
        from provenance.models import DatasetVersion, Rate, RatePlan
        from tests.bench.billing_copies import copies

        version = DatasetVersion.objects.select_related("dataset").get(pk=self.versions[-1])
        rate = Rate.objects.get(pk=self.rates[-1])
        like = {
            "party": version.dataset.owner_id, "dataset": version.dataset_id,
            "datasetversion": version.pk, "licence": rate.licence_id,
            "rateplan": RatePlan.objects.latest("pk").pk, "rate": rate.pk,
        }  # fmt: skip
        for first in range(len(self.versions), owners, AT_ONCE):
            made = copies(like, first, min(AT_ONCE, owners - first))
            self.versions += [one for one, _ in made]
            self.rates += [one for _, one in made]

    def _plans(self, owners: Sequence[Any]) -> Iterator[Any]:
        from provenance import plans
        from provenance.models import RatePlan

        tiers = [(0, 50_000), (100_000, 40_000), (10_000_000, 25_000)]
        made = plans.compiled(step=1_000, mode="graduated", tiers=tiers, free_quantity=500)
        return iter(
            RatePlan.objects.bulk_create(
                RatePlan(
                    owner=owner, basis="per_1k_records", tiers=tiers, free_quantity=500,
                    froms=list(made.froms), bases=list(made.bases), prices=list(made.prices),
                    digest=f"{owner.pk.hex:0>64}",
                )
                for owner in owners
            )
        )  # fmt: skip

    def staged(
        self, count: int, *, among: int = 5_000, keys: Sequence[uuid.UUID] = ()
    ) -> tuple[uuid.UUID, bytes]:
        """A batch of `count` new usages of the first `among` datasets: its id, and what COPY reads.

        Popular datasets are used more (the square of a uniform draw). `keys` are the usages' ids,
        if not as the service makes them.
        """
        batch, used = ids(1)[0], min(among, len(self.versions))
        picked = (self.dice.random(count) ** 2 * used).astype(np.int64)
        rows = np.zeros(count, ROW)
        rows["fields"] = len(FIELDS)
        for name, kind in FIELDS:
            rows[f"{name}_size"] = np.dtype(kind).itemsize
        rows["batch"] = np.void(batch.bytes)
        rows["usage_id"] = np.array([one.bytes for one in keys or ids(count)], "V16")
        rows["revision"], rows["kind"] = 1, b"priced"
        rows["lab_id"] = self._labs[self.dice.integers(0, len(self._labs), count)]
        rows["version_id"] = rows["grant_id"] = self._versions[picked]
        rows["rate_id"] = self._rates[picked]
        rows["record_count"] = self.dice.integers(1, 2_000, count)
        rows["token_count"] = rows["record_count"] * 250
        rows["used_at"] = (AT - POSTGRES_EPOCH) // timedelta(microseconds=1)
        return batch, HEADER + rows.tobytes() + b"\xff\xff"


def ids(count: int) -> list[uuid.UUID]:
    """New ids of usages, as the service makes them: in the order of time."""
    from provenance.models.ids import new_id

    return [new_id() for _ in range(count)]


def chance_ids(count: int) -> list[uuid.UUID]:
    """As many ids without any order."""
    return [uuid.uuid4() for _ in range(count)]


def copy(cursor: Any, table: str, data: bytes) -> None:
    """Load binary rows."""
    with cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as into:
        into.write(data)


def timed(act: Any) -> float:
    """Seconds that `act` takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def batches(world: World, size: int, *, among: int = 5_000) -> Iterator[tuple[uuid.UUID, bytes]]:
    """Batches without end."""
    return (world.staged(size, among=among) for _ in itertools.count())
