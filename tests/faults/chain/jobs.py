"""What workers do on the way to the chain: the shipped use cases, as the tasks call them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests
from django.conf import settings

from compensation import payouts, settlement, tasks
from compensation.models import Asset
from provenance import anchor, evm, ledger, outbox, signers
from provenance.models import Party
from tests.faults.chain.proxy import BROADCAST
from tests.faults.failpoints import die
from tests.faults.money.workers import Job, Say

CALL_GAS = 120_000
ANCHOR_AT_MOST = 3


@dataclass(frozen=True)
class Wage:
    """Tokens sent once to an address of their own: nothing but the sender keeps them from going
    twice. One that asks for more than there is must revert and wait for a person."""

    number: int
    role: str
    address: str
    tokens: int
    is_doomed: bool = False

    @property
    def key(self) -> str:
        return f"wage:{self.number}"


def tell(wages: Sequence[Wage], token: str, at: datetime) -> Job:
    """Put wages into the outbox; each is acknowledged once it is there."""

    def job(_: random.Random, say: Say) -> None:
        for wage in wages:
            enqueue(wage, token, at)
            say(wage.number)

    return job


def enqueue(wage: Wage, token: str, at: datetime) -> None:
    """One wage into the outbox, minted by the deployer or paid by the treasury."""
    verb = "mint" if wage.role == "deployer" else "transfer"
    outbox.enqueue(
        purpose=f"wage {wage.number}",
        idempotency_key=wage.key,
        account=signers.address(wage.role),
        to_address=token,
        data=evm.encode_call(evm.development_token(), verb, wage.address, wage.tokens),
        gas_limit=CALL_GAS,
        chain_id=settings.CHAIN_ID,
        at=at,
    )


def send(at: datetime) -> Job:
    """One pass of the sender over every account."""
    return _while_the_chain_answers(
        lambda _: outbox.send_all(chain_id=settings.CHAIN_ID, at=at) and None
    )


def anchor_events(at: datetime, *, may_seal: bool = True) -> Job:
    """Seal what was recorded, make batches of any size, and note which are final."""

    def work(dice: random.Random) -> None:
        if may_seal:
            ledger.seal()
        for _ in range(ANCHOR_AT_MOST):
            if anchor.anchor_next(at=at, limit=dice.choice([1, 2, 10])) is None:
                break
        anchor.settle(at=at)

    return _while_the_chain_answers(work)


def pay(at: datetime, *, may_propose: bool = True) -> Job:
    """Propose what is payable, take it a step further, claim or push it, book what was paid."""

    def work(dice: random.Random) -> None:
        if may_propose:
            payouts.build_epochs(at=at)
            payouts.advance(at=at)
        dollar = Asset.objects.get()
        if dice.random() < 0.5:
            settlement.push(asset=dollar, at=at)
        else:
            for party in Party.objects.filter(payout_leaves__epoch__state="active").distinct():
                if settlement.claimable(party, dollar):
                    settlement.claim(party=party, asset=dollar, at=at)
        settlement.settle(at=at)

    return _while_the_chain_answers(work)


def dying_at_a_broadcast(job: Job, *, is_after: bool) -> Job:
    """The job of a worker that is killed as it broadcasts: before the bytes leave, or after the
    node has answered."""

    def dying(dice: random.Random, say: Say) -> None:
        honest = requests.Session.send

        def send(session: requests.Session, request: requests.PreparedRequest, **options: Any):
            is_broadcast = BROADCAST in (request.body or b"")
            if is_broadcast and not is_after:
                die()
            answer = honest(session, request, **options)
            if is_broadcast:
                die()
            return answer

        requests.Session.send = send
        job(dice, say)

    return dying


def _while_the_chain_answers(work: Callable[[random.Random], None]) -> Job:
    def job(dice: random.Random, _: Say) -> None:
        # A worker that was forked must not speak through its driver's connections.
        evm._connect.cache_clear()
        try:
            work(dice)
        except tasks.AWAY:
            # As the task does: the next one finds the same work again.
            return

    return job
