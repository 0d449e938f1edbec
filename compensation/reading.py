"""How logs are read: only from final blocks, in order, and never past a history that changed.

What is not final yet is not kept at all: it is read again at each pass until it is final, so that a
log which a reorganisation takes away was never in the books. Each log that is booked is compared
with the chain once more, because one address may be served by many nodes that disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from provenance import evm, signers

# What one pass reads at most, so that a long absence is made up for in steps.
SPAN_BLOCKS = 20_000


class HistoryChanged(evm.WrongChain):
    """A block that was final is another one now; what was booked from it may never have been."""


@dataclass(frozen=True)
class Span:
    """Final blocks that wait to be read, both ends included, and the hash of the last."""

    start: int
    end: int
    end_hash: str


def next_span(chain: evm.Chain, *, next_block: int, last_hash: str) -> Span | None:
    """What to read now; None where nothing new is final.

    Raises HistoryChanged. The development chain may be rebuilt: it is read anew from its first
    block, and what is booked already is known again.
    """
    final = chain.final_block()
    if not _is_the_same(chain, next_block - 1, last_hash, final):
        next_block = 0
    if next_block > final:
        return None
    end = min(final, next_block + SPAN_BLOCKS - 1)
    return Span(next_block, end, chain.block_hash(end))


def require_canonical(chain: evm.Chain, logs: Sequence[evm.Log]) -> None:
    """Raise evm.ChainUnreachable where a log stands in a block that the chain does not have."""
    hashes = {one.block_number: one.block_hash for one in logs}
    for number, block_hash in hashes.items():
        if chain.block_hash(number) != block_hash:
            raise evm.ChainUnreachable(
                f"The nodes behind this address disagree on block {number}: ask again later."
            )


def _is_the_same(chain: evm.Chain, last: int, last_hash: str, final: int) -> bool:
    """Whether the last block that was read still is what it was; False where to begin anew."""
    if not last_hash or last < 0:
        # Nothing was read, or from before hashes were kept: only a shorter chain is another one.
        return last <= final or chain.chain_id != signers.DEVELOPMENT_CHAIN
    is_ahead = last > final
    if is_ahead and chain.chain_id != signers.DEVELOPMENT_CHAIN:
        # The node still catches up.
        return True
    if not is_ahead and chain.block_hash(last) == last_hash:
        return True
    if chain.chain_id != signers.DEVELOPMENT_CHAIN:
        raise HistoryChanged(
            f"Block {last} of {evm.caip2(chain.chain_id)} was final and is another now. Nothing "
            "more is booked from this chain: is CHAIN_RPC_URL the right node? If the chain itself "
            "went back that far, raise TALLYMARK_CHAIN_CONFIRMATIONS and look at `./run manage "
            "reconcile` before anything else."
        )
    return False
