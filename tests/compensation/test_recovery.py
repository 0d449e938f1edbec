"""The database is lost; chain, published trees and exports give back what was owed and paid."""

from __future__ import annotations

import stat
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone
from tallymark.watching import files

from compensation import holdback, invariants, payouts, proofs, publication, settlement
from compensation.models import (
    Account,
    Asset,
    Balance,
    Payout,
    PayoutEpoch,
    PayoutLeaf,
    PayoutMethod,
    PayoutTotals,
)
from provenance.models import ChainAccount, Party
from tests.paying import ADAS_ADDRESS, BENS_ADDRESS, address, earn, earn_again

pytestmark = pytest.mark.django_db(transaction=True)

Kind = Account.Kind


def keep(folder) -> None:
    """What a watcher elsewhere has kept."""
    for epoch in PayoutEpoch.objects.all():
        contract = epoch.contract.caip10
        leaves = folder / files.name_of("leaves", contract, epoch.number)
        leaves.write_bytes(b"".join(publication.leaves_file(epoch)))
        totals = folder / files.name_of("totals", contract, epoch.number)
        totals.write_bytes(bytes(PayoutTotals.objects.get(epoch=epoch).file))


def owed() -> dict[tuple[str, str], int]:
    """What every party is owed or has, by kind of account."""
    rows = Balance.objects.exclude(posted=0).filter(account__party__isnull=False)
    return {(one.account.kind, str(one.account.party_id)): one.posted for one in rows}


def paid() -> set[tuple[str, int, str]]:
    return {
        (one.tx_hash, int(one.token_cumulative), str(one.party_id)) for one in Payout.objects.all()
    }


@pytest.fixture
def world(ada, ben, paid_lab, dollar, clock, drive, settings, tmp_path):
    """Ada was paid once and is owed more in the tree; Ben never claimed; both earned since.

    Returns the folder with the copies, and the contract.
    """
    essays = earn(paid_lab, ada, dollar, clock)
    notes = earn(paid_lab, ben, dollar, clock, name="notes")
    address(ada, ADAS_ADDRESS, clock)
    address(ben, BENS_ADDRESS, clock)
    payouts.build_epoch(dollar, clock())
    drive()
    settlement.claim(party=ada, asset=dollar, at=clock())
    drive()
    earn_again(paid_lab, essays, clock, records=4)
    payouts.build_epoch(dollar, clock())
    drive()
    keep(tmp_path)
    settings.HOLD_BACK_DAYS = 30
    earn_again(paid_lab, notes, clock, records=2)
    call_command("export_payees", tmp_path / "payees.jsonl", stdout=StringIO())
    call_command("verify_journal", export=tmp_path / "journal.jsonl", stdout=StringIO())
    return tmp_path, PayoutEpoch.objects.last().contract.caip10


@pytest.fixture
def lose(cluster, world):
    """Lose the database: a new one, migrated and empty, takes its place."""

    def now() -> None:
        name = connections["default"].settings_dict["NAME"]
        connections.close_all()
        cluster.renew(name)
        assert not Party.objects.exists()

    return now


def recover(folder, contract: str, *names: str) -> str:
    said = StringIO()
    copies = {name: folder / f"{name}.jsonl" for name in names}
    call_command("recover_from_chain", contract=[contract], trees=folder, stdout=said, **copies)
    return said.getvalue()


def test_books_are_rebuilt_and_the_next_payout_pays_only_the_rest(
    world, lose, clock, drive, settings, ada, ben, lab
):
    folder, contract = world
    assert stat.S_IMODE((folder / "payees.jsonl").stat().st_mode) == 0o600
    before, payments = owed(), paid()
    lose()
    words = recover(folder, contract, "payees", "journal")
    assert owed() == before
    assert before[Kind.OWNER_PENDING, str(ben.pk)] == 50_000
    assert before[Kind.PAYOUTS_IN_FLIGHT, str(ada.pk)] == 100_000
    assert paid() == payments
    assert len(payments) == 1
    assert list(invariants.broken()) == []
    assert "not rebuilt: The ledger's events" in words
    assert Party.objects.get(pk=ada.pk).name == ada.name
    with pytest.raises(CommandError, match="has books already"):
        recover(folder, contract, "payees")
    with pytest.raises(proofs.RecoveredFromChain):
        proofs.payout_proof(Payout.objects.get())
    goes_on(clock, drive, settings, ada, ben)


def goes_on(clock, drive, settings, ada, ben) -> None:
    """What was owed in the tree is pushed, and only that; a new tree adds what matured."""
    dollar = Asset.objects.get()
    assert settlement.push(asset=dollar, at=clock()) == 2
    drive()
    got = {
        one.party_id: int(one.amount_units) for one in Payout.objects.order_by("token_cumulative")
    }
    assert got == {ada.pk: 100_000, ben.pk: 250_000}
    assert not Balance.objects.filter(account__kind=Kind.PAYOUTS_IN_FLIGHT, posted__gt=0).exists()
    clock.now = timezone.now() + timedelta(days=31)
    holdback.mature_credits(at=clock())
    epoch = payouts.build_epoch(dollar, clock())
    assert (epoch.number, int(epoch.total)) == (3, 650_000)
    drive()
    assert settlement.push(asset=dollar, at=clock()) == 1
    drive()
    assert Payout.objects.filter(party=ben).count() == 2
    assert list(invariants.broken()) == []
    assert ChainAccount.objects.exclude(alarm="").count() == 0


def test_without_the_payees_file_the_chain_still_pays_pseudonyms(world, lose, clock, drive):
    folder, contract = world
    total = sum(units for (kind, _), units in owed().items() if kind == Kind.PAYOUTS_IN_FLIGHT)
    lose()
    words = recover(folder, contract)
    assert words.count("the payees' file does not have it") == 2
    assert "no export of the journal was given" in words
    held = Balance.objects.filter(account__kind=Kind.PAYOUTS_IN_FLIGHT)
    assert sum(one.posted for one in held) == total
    assert {one.chain_address.lower() for one in PayoutMethod.objects.all()} == {
        ADAS_ADDRESS, BENS_ADDRESS,
    }  # fmt: skip
    assert settlement.push(asset=Asset.objects.get(), at=clock()) == 2
    drive()
    assert not held.filter(posted__gt=0).exists()


def test_a_copy_that_is_missing_or_changed_stops_the_recovery_and_changes_nothing(world, lose):
    folder, contract = world
    name = folder / files.name_of("leaves", contract, 2)
    whole = name.read_bytes()
    lose()
    name.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(CommandError, match="does not give the root that the chain followed"):
        recover(folder, contract, "payees")
    name.unlink()
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        recover(folder, contract, "payees")
    with pytest.raises(CommandError, match="No contract stands at"):
        recover(folder, contract[:-4] + "dead", "payees")
    with pytest.raises(CommandError, match="This service is not on chain 1"):
        recover(folder, "eip155:1:" + ADAS_ADDRESS, "payees")
    assert not Party.objects.exists()
    assert not PayoutLeaf.objects.exists()
