"""Block 0 and the rules: fixed for good, because equal logs must give equal hashes."""

from pathlib import Path
from typing import Any, Final

from eth.chains.base import MiningChain
from eth.constants import (
    POST_MERGE_DIFFICULTY,
    POST_MERGE_MIX_HASH,
    POST_MERGE_NONCE,
    ZERO_ADDRESS,
)
from eth.db.atomic import AtomicDB
from eth.vm.forks.prague import PragueVM
from eth_typing import BlockNumber

from deploy.embedded.chain.store import Store

CHAIN_ID: Final = 31337
TIMESTAMP: Final = 1_767_225_600
GAS_LIMIT: Final = 30_000_000
FUNDS: Final = 10_000 * 10**18
# Accounts 0 to 9 of the public phrase "test ... junk", funded as on other development chains.
FUNDED: Final = (
    "f39fd6e51aad88f6f4ce6ab8827279cfffb92266",
    "70997970c51812dc3a010c7d01b50e0d17dc79c8",
    "3c44cdddb6a900fa2b585dd299e03d12fa4293bc",
    "90f79bf6eb2c4f870365e785982e1f101e93b906",
    "15d34aaf54267db7d7c367839aaf71a00a2c6a65",
    "9965507d1a55bcc2695c58ba16fb37d819b0a4dc",
    "976ea74026e726554db657fa54763abd0c3a0aa9",
    "14dc79964da2c08b23698b3d3cc7ca32193d9955",
    "23618e81e3f5cdf7f54c3d65f7fbc0abf5b21e8f",
    "a0ee7a142d267c1f36714e4a8f75612f20a79720",
)


class DevelopmentChain(MiningChain):
    """Prague rules from the first block on."""

    chain_id = CHAIN_ID
    vm_configuration = ((BlockNumber(0), PragueVM),)


def open_chain(path: Path | None) -> tuple[Store, Any]:
    """The store at `path`, or in memory, and its chain; block 0 is written if it is empty."""
    store = Store(path)
    try:
        return store, _chain(store)
    except BaseException:
        store.close()
        raise


def _chain(store: Store) -> Any:
    base = AtomicDB(store)
    if store.meta("genesis") is not None:
        return DevelopmentChain(base)
    chain: Any = DevelopmentChain.from_genesis(base, _parameters(), _accounts())
    store.save_genesis(chain.get_canonical_block_header_by_number(0).hash)
    return chain


def _parameters() -> dict[str, Any]:
    return {
        "coinbase": ZERO_ADDRESS,
        "difficulty": POST_MERGE_DIFFICULTY,
        "extra_data": b"",
        "gas_limit": GAS_LIMIT,
        "mix_hash": POST_MERGE_MIX_HASH,
        "nonce": POST_MERGE_NONCE,
        "timestamp": TIMESTAMP,
    }


def _accounts() -> Any:
    account = {"balance": FUNDS, "nonce": 0, "code": b"", "storage": {}}
    return {bytes.fromhex(address): dict(account) for address in FUNDED}
