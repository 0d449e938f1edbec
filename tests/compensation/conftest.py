"""Money for tests: an asset, a dataset with a price, a lab with a deposit, runs that use it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from compensation import deposits
from compensation.models import Account, Asset, Balance
from provenance import licensing, usage
from provenance.models import DatasetVersion, Party, Rate, Usage
from tests import factories
from tests.cast import NOON


@pytest.fixture
def euro(db: None) -> Asset:
    return deposits.register_asset(code="iso4217:EUR", symbol="EUR", scale=6, name="euro")


def texts(count: int, word: str = "text") -> list[str]:
    return [f"{word} number {place} is here" for place in range(count)]


def priced(
    version: DatasetVersion,
    asset: Asset,
    *,
    price_units: int = 1_000_000,
    basis: str = Rate.Basis.PER_1K_RECORDS,
    at: datetime = NOON,
) -> DatasetVersion:
    """`version`, granted at once to any lab at this price."""
    licence = licensing.offer_licence(
        dataset=version.dataset,
        name="Training",
        text="You may train.",
        purposes=["pretrain"],
        is_automatic=True,
        at=at,
    )
    licensing.set_rate(
        licence=licence,
        basis=basis,
        price_units=price_units,
        asset=asset.code,
        valid_from=at,
        at=at,
    )
    return version


def grant(lab: Party, version: DatasetVersion, at: datetime = NOON) -> None:
    licence = version.dataset.licences.get()
    licensing.request_grant(lab=lab, licence=licence, purposes=["pretrain"], at=at)


def use(
    lab: Party,
    version: DatasetVersion | str,
    *,
    records: int = 0,
    tokens: int = 0,
    at: datetime = NOON,
    is_ended: bool = True,
) -> Usage:
    """A run of `lab` that used this much of `version`, and has ended unless it goes on."""
    run = usage.start_run(lab=lab, purpose="pretrain", at=at)
    subject = version if isinstance(version, str) else str(version.pk)
    made = more(run, subject, records=records, tokens=tokens, sequence=1, at=at)
    if is_ended:
        usage.end_run(run=run, at=at + timedelta(minutes=1))
    return made


def more(run, subject, *, records=0, tokens=0, sequence, at=NOON) -> Usage:
    return usage.report_usage(
        run=run,
        subject=str(subject),
        purpose="pretrain",
        stream="rank0",
        sequence=sequence,
        count=usage.Count(records=records, tokens=tokens, epochs=1),
        used_at=at,
        received_at=at,
    )


def held(asset: Asset, kind: str, party: Party | None = None, **more_filters) -> int:
    """What the account of this kind holds; 0 where there is none."""
    rows = Balance.objects.filter(account__asset=asset, account__kind=kind, **more_filters)
    return sum(row.posted for row in rows.filter(account__party=party))


def pending(asset: Asset, party: Party) -> int:
    return held(asset, Account.Kind.OWNER_PENDING, party)


@pytest.fixture
def essays(ada: Party, euro: Asset) -> DatasetVersion:
    """Ada's hundred essays, at ten euro for a thousand records."""
    return priced(
        factories.version(factories.dataset(ada), texts(100)), euro, price_units=10_000_000
    )


@pytest.fixture
def rich_lab(lab: Party, euro: Asset) -> Party:
    """The lab, with a hundred euro."""
    deposits.deposit(lab=lab, asset=euro, amount_units=100_000_000, reference="wire 1", at=NOON)
    return lab
