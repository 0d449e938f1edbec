"""Ways to write the one writer wrong, each of which the harness must notice.

A mutant lives in this process and in the workers that it forks, never in the shipped files. One
that no longer fits the code it changes is an error, not a mutant that was caught.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.faults.money.changes import InPython

if TYPE_CHECKING:
    from tests.faults.chain.__main__ import Campaign

STEPS = 120
# Some faults need two workers, or a fault of the chain, at the same place: chance gets more tries.
TRIES = 8


def _in_the_sender(good: str, bad: str) -> tuple[InPython, ...]:
    return (InPython("provenance.outbox", "_Pass", good, bad),)


MUTANTS: dict[str, tuple[InPython, ...]] = {
    "the nonce comes from the node": _in_the_sender(
        "row.nonce, row.state = self.account.next_nonce - 1, State.SENT",
        "row.nonce = self.chain.transaction_count(self.account.address)\n"
        "                row.state = State.SENT",
    ),
    "bytes are broadcast before they are stored": _in_the_sender(
        "                attempt = self._sign(row, fees, None)\n",
        "                attempt = self._sign(row, fees, None)\n"
        "                self._broadcast(attempt)\n",
    ),
    "bytes are never stored": _in_the_sender(
        "return OutboxAttempt.objects.create(", "return OutboxAttempt("
    ),
    "no answer is taken for a no": _in_the_sender(
        '            answer = "no answer"\n',
        '            answer = "no answer"\n'
        '            queue_anew(row=attempt.transaction, reason="no answer")\n',
    ),
    "an error is taken for a no": _in_the_sender(
        '        if answer not in ("accepted", "already known"):\n',
        '        if answer not in ("accepted", "already known"):\n'
        "            queue_anew(row=attempt.transaction, reason=answer)\n",
    ),
    "no lock: two senders write for one account": (
        InPython("provenance.outbox", "only_writer", "yield is_ours", "yield True"),
    ),
    "what the node forgot is never sent again": _in_the_sender(
        "elif self.at - dearest.sent_at >= STUCK_AFTER:", "elif False:"
    ),
    "the fee is never raised": _in_the_sender("if (is_too_cheap or is_left) and", "if False and"),
    "a raised fee takes a new nonce": _in_the_sender(
        "            attempt = self._sign(row, fees, dearest)\n",
        '            queue_anew(row=row, reason="too cheap")\n            return\n',
    ),
    "the first receipt is the verdict": _in_the_sender(
        "is_final = receipt.block_number <= self.final_block",
        "is_final = True",
    ),
    "a block that was taken back is not noticed": _in_the_sender(
        "state__in=[State.SENT, State.MINED]", "state__in=[State.SENT]"
    ),
    "what reverted is sent again by itself": _in_the_sender(
        "        if row.state == State.REVIEW:\n",
        "        if row.state == State.REVIEW:\n"
        '            queue_anew(row=row, reason="it reverted")\n',
    ),
    "the key is forgotten: what is said twice is sent twice": (
        InPython(
            "provenance.outbox",
            "enqueue",
            "idempotency_key=idempotency_key,",
            "idempotency_key=f'{idempotency_key}/{at}',",
        ),
    ),
    "a restored backup goes on at its old nonce": (
        InPython("provenance.restore", "_step_up", "account.next_nonce = count", "pass"),
    ),
    "a restored backup numbers its batches anew": (
        InPython("provenance.restore", "reconcile", "if contract is not None:", "if False:"),
    ),
}


def caught(name: str, campaign: Campaign) -> str:
    """What gave a mutant away, in the harness's words; empty if nothing did."""
    for number in range(TRIES):
        with ExitStack() as stack:
            for change in MUTANTS[name]:
                stack.enter_context(change.applied(None))
            words = unchanged(campaign, number)
        if words:
            return words
    return ""


def unchanged(campaign: Campaign, number: int = 0) -> str:
    """What the harness finds where mutants are looked for, in the code as it is: nothing."""
    tally = campaign.chapter(campaign.seed * 1_000 + 900 + number, STEPS, is_busy=True)
    return tally.outcome.faults[0].strip() if tally.outcome.faults else ""
