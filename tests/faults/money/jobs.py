"""What workers do: the shipped use cases, in loops, at the time that they believe it is."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from unittest import mock

from django.conf import settings

from compensation import billing, deposits, holdback, payouts, settlement, tasks, weights
from compensation.models import Asset
from provenance import ledger, outbox, usage
from provenance.models import Party, Run
from tests.faults.money.changes import replaced
from tests.faults.money.workers import Job, Say

BATCHES = 4


@dataclass(frozen=True)
class Told:
    """Something a lab's client says, again and again until it is acknowledged."""

    number: int
    lab: str
    run: str
    at: datetime
    subject: str = ""
    stream: str = ""
    counts: tuple[int, int, int] = (0, 0, 0)
    """The report's number, records and tokens."""
    is_end: bool = False


@dataclass(frozen=True)
class Paid:
    """Money that a bank or a chain says has arrived, as often as it likes."""

    number: int
    lab: str
    asset: int
    units: int
    reference: str
    at: datetime


def report(told: Sequence[Told]) -> Job:
    """Send reports in their order; each is said to be sent once it is acknowledged."""

    def job(_: random.Random, say: Say) -> None:
        for one in told:
            _send(one)
            say(one.number)

    return job


def _send(one: Told) -> None:
    run = usage.start_run(
        lab=Party.objects.get(pk=one.lab),
        purpose="pretrain",
        run_id=uuid.UUID(one.run),
        at=one.at,
    )
    if one.is_end:
        usage.end_run(run=run, at=one.at)
        return
    sequence, records, tokens = one.counts
    usage.report_usage(
        run=Run.objects.get(pk=run.pk),
        subject=one.subject,
        purpose="pretrain",
        stream=one.stream,
        sequence=sequence,
        count=usage.Count(records=records, tokens=tokens, epochs=1),
        used_at=one.at,
        received_at=one.at,
    )


def deposit(paid: Sequence[Paid]) -> Job:
    """Book money that came in."""

    def job(_: random.Random, say: Say) -> None:
        for one in paid:
            deposits.deposit(
                lab=Party.objects.get(pk=one.lab),
                asset=Asset.objects.get(pk=one.asset),
                amount_units=one.units,
                reference=one.reference,
                at=one.at,
            )
            say(one.number)

    return job


def bill(at: datetime, *, batches: int = BATCHES) -> Job:
    """Charge what is due, in batches of any size, and tell the ledger how far the journal is."""

    def job(dice: random.Random, say: Say) -> None:
        for _ in range(batches):
            if not billing.bill_batch(dice.choice([1, 3, 10, 40]), at=at):
                break
        billing.seal_journal(at=at)
        ledger.seal()

    return job


def bill_again(at: datetime) -> Job:
    """Take up what is charged already, as a worker might that looked before another was done."""

    def job(_: random.Random, say: Say) -> None:
        looser = replaced(
            billing._STAGE, "(l.revision IS NULL OR l.revision < u.revision)", "true", "_STAGE"
        )
        with mock.patch.object(billing, "_STAGE", looser):
            billing.bill_batch(at=at)

    return job


def restate(at: datetime) -> Job:
    """Divide anew what decisions have changed."""

    def job(dice: random.Random, say: Say) -> None:
        while weights.apply_resolutions(at=at, limit=dice.choice([1, 200])):
            pass

    return job


def mature(at: datetime) -> Job:
    """Make payable what was held back long enough."""

    def job(dice: random.Random, say: Say) -> None:
        while holdback.mature_credits(at=at, limit=dice.choice([2, 200])):
            pass

    return job


def propose(at: datetime) -> Job:
    """Put what is payable into the next tree; nobody carries it to a chain."""

    def job(_: random.Random, say: Say) -> None:
        # Of the one asset that is paid on a chain: there is none here that could be asked.
        payouts.build_epoch(Asset.objects.get(token_decimals__isnull=False), at)

    return job


def pay(at: datetime, asset: int) -> Job:
    """Everything between what is payable and what the chain has paid, a step each."""

    def job(_: random.Random, say: Say) -> None:
        try:
            payouts.build_epochs(at=at)
            outbox.send_all(chain_id=settings.CHAIN_ID, at=at)
            payouts.advance(at=at)
            settlement.push(asset=Asset.objects.get(pk=asset), at=at)
            settlement.settle(at=at)
        except tasks.AWAY:
            # As the task does: the next one finds the same work again.
            return

    return job
