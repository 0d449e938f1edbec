"""Read the chain: blocks by name, state at a block, and calls that change nothing."""

from contextlib import suppress
from typing import Any

from eth.exceptions import HeaderNotFound, Revert
from eth.vm.spoof import SpoofTransaction
from eth_abi.abi import decode as decode_abi
from eth_abi.exceptions import DecodingError
from eth_utils.exceptions import ValidationError

from deploy.embedded.chain.genesis import CHAIN_ID, GAS_LIMIT
from deploy.embedded.chain.node import Node
from deploy.embedded.chain.shapes import Json, RpcError, data, number, octets

ERROR_STRING = bytes.fromhex("08c379a0")
CHEAPEST_GAS = 21_000
UNKNOWN_BLOCK = RpcError(-32001, "unknown block")


def header(node: Node, tag: Any) -> Any:
    """The header that `tag` names, or None for `pending`; raises RpcError for an unknown one."""
    if isinstance(tag, dict):
        tag = tag.get("blockHash") or tag.get("blockNumber")
    if tag in (None, "latest"):
        return node.head
    if tag == "pending":
        return None
    head: int = node.head.block_number
    if isinstance(tag, str) and len(tag) == 66:
        return _header_by_hash(node, octets(tag))
    if tag in ("safe", "finalized"):
        wanted = max(0, head - node.cadence.finality_blocks)
    else:
        wanted = 0 if tag == "earliest" else number(tag)
    if wanted > head:
        raise UNKNOWN_BLOCK
    return node.headers.get_canonical_block_header_by_number(wanted)


def _header_by_hash(node: Node, block_hash: bytes) -> Any:
    try:
        found: Any = node.headers.get_block_header_by_hash(block_hash)
        canonical = node.headers.get_canonical_block_hash(found.block_number)
    except HeaderNotFound as error:
        raise UNKNOWN_BLOCK from error
    if found.block_number > node.head.block_number or canonical != found.hash:
        raise UNKNOWN_BLOCK
    return found


def state(node: Node, tag: Any) -> Any:
    """The state after the block that `tag` names; `pending` includes unsealed transactions."""
    found = header(node, tag)
    if found is None:
        return node.vm.state
    return node.chain.get_vm_class(found).build_state(node.headers.db, found, node.chain)


def call(node: Node, request: Json, tag: Any) -> bytes:
    """What a call returns; a revert is an RpcError with its data."""
    _, computation = simulate(node, request, tag, None)
    if computation.is_error:
        _raise(computation)
    return bytes(computation.output)


def simulate(node: Node, request: Json, tag: Any, gas: int | None) -> tuple[Any, Any]:
    """Run one transaction on the state of `tag` at base fee 0; on the head, at the clock's time."""
    found = header(node, tag)
    if found is None or found.hash == node.head.hash:
        base = node.next_header(node.now())
        root = node.head.state_root
        if found is None:
            node.vm.state.persist()
            root = node.vm.state.state_root
    else:
        base, root = found, found.state_root
    vm: Any = node.chain.get_vm(base.copy(base_fee_per_gas=0, state_root=root, gas_used=0))
    sender = octets(request.get("from") or "0x" + "00" * 20)
    limit = gas or number(request.get("gas", GAS_LIMIT))
    unsigned = vm.get_transaction_builder().new_unsigned_dynamic_fee_transaction(
        chain_id=CHAIN_ID,
        nonce=vm.state.get_nonce(sender),
        max_priority_fee_per_gas=0,
        max_fee_per_gas=0,
        gas=min(limit, GAS_LIMIT),
        to=octets(request.get("to") or "0x"),
        value=number(request.get("value", 0)),
        data=octets(request.get("data") or request.get("input") or "0x"),
        access_list=(),
    )
    tx: Any = SpoofTransaction(unsigned, from_=sender)
    try:
        return tx, vm.state.apply_transaction(tx)
    except ValidationError as error:
        raise RpcError(-32000, str(error)) from error


def estimate_gas(node: Node, request: Json, tag: Any) -> int:
    """The least gas limit that suffices, within 1 %: a guess, then halving."""
    wanted = {name: value for name, value in request.items() if name != "gas"}
    tx, computation = simulate(node, wanted, tag, None)
    if computation.is_error:
        _raise(computation)

    def suffices(gas: int) -> bool:
        try:
            return not simulate(node, wanted, tag, gas)[1].is_error
        except RpcError:
            return False

    high, low = GAS_LIMIT, max(tx.intrinsic_gas, CHEAPEST_GAS) - 1
    used = tx.gas - computation.get_gas_remaining()
    # A call may hand on at most 63/64 of its gas, and a stipend is added to each.
    for guess in (used, used * 64 // 63 + 2_500):
        if low < guess < high:
            if suffices(guess):
                high = guess
                break
            low = guess
    while high - low > max(200, high // 100):
        middle = (low + high) // 2
        if suffices(middle):
            high = middle
        else:
            low = middle
    return high


def _raise(computation: Any) -> None:
    """Say why a computation failed, as other nodes say it."""
    error = computation.error
    if not isinstance(error, Revert):
        raise RpcError(-32000, f"execution failed: {type(error).__name__}")
    output = bytes(computation.output)
    if not output and error.args and isinstance(error.args[0], bytes):
        output = error.args[0]
    message = "execution reverted"
    if output[:4] == ERROR_STRING:
        with suppress(DecodingError):
            message += ": " + decode_abi(["string"], output[4:])[0]
    raise RpcError(3, message, data(output))
