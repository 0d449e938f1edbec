"""The embedded chain: what it acknowledged stays, and what it cannot trust it refuses."""

import http.client
import json
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from web3 import Web3

from deploy.embedded.chain import log as chain_log
from deploy.embedded.chain.log import Untrustworthy
from deploy.embedded.chain.node import Cadence, Node
from deploy.embedded.chain.rpc import Rpc
from deploy.embedded.processes import wait_until
from deploy.environment import DEVELOPMENT_KEYS

SENDERS = [Account.from_key(key) for key in DEVELOPMENT_KEYS.values()]
AT_ONCE = Cadence(block_seconds=0)
# Contracts of a few bytes: one logs what it is called with, the other reverts with it.
ECHO = bytes.fromhex("67365f5f37365fa0005f5260086018f3")
REFUSE = bytes.fromhex("66365f5f37365ffd5f5260076019f3")
REASON = bytes.fromhex("08c379a0" + f"{32:064x}" + f"{2:064x}" + "6e6f".ljust(64, "0"))


def signed(sender: Any, nonce: int, to: str | None, data: bytes = b"", gas: int = 100_000) -> str:
    fields: dict[str, Any] = {"chainId": 31337, "nonce": nonce, "gas": gas, "value": 1}
    fields |= {"maxFeePerGas": 5 * 10**10, "maxPriorityFeePerGas": 10**9, "data": data}
    if to:
        fields["to"] = to
    else:
        fields["value"] = 0
    return "0x" + sender.sign_transaction(fields).raw_transaction.hex()


class Caller:
    """Calls methods and raises what they refuse."""

    def __init__(self, folder: Path, cadence: Cadence = AT_ONCE) -> None:
        self.node = Node(folder, cadence)
        self.rpc = Rpc(self.node)

    def __call__(self, method: str, *parameters: Any) -> Any:
        reply = self.rpc.answer({"id": 1, "method": method, "params": list(parameters)})
        if "error" in reply:
            raise RuntimeError(reply["error"]["message"])
        return reply["result"]

    def blocks(self) -> list[str]:
        head = int(self("eth_blockNumber"), 16)
        return [self("eth_getBlockByNumber", hex(at))["hash"] for at in range(head + 1)]


@pytest.fixture
def call(tmp_path: Path) -> Iterator[Caller]:
    caller = Caller(tmp_path / "chain")
    yield caller
    caller.node.close()


def address_number(number: int) -> str:
    return Web3.to_checksum_address(f"0x{number:040x}")


def test_a_transaction_gets_a_block_a_receipt_and_its_event_log(call: Caller) -> None:
    created = call("eth_sendRawTransaction", signed(SENDERS[0], 0, None, ECHO))
    echo = call("eth_getTransactionReceipt", created)["contractAddress"]
    sent = call("eth_sendRawTransaction", signed(SENDERS[0], 1, echo, b"hello"))
    receipt = call("eth_getTransactionReceipt", sent)
    assert receipt["status"] == "0x1"
    assert call("eth_getLogs", {"fromBlock": "0x0", "address": echo}) == receipt["logs"]
    assert receipt["logs"][0]["data"] == "0x" + b"hello".hex()
    block = call("eth_getBlockByHash", receipt["blockHash"], True)
    assert [tx["hash"] for tx in block["transactions"]] == [sent]
    assert call("eth_getBlockReceipts", receipt["blockNumber"]) == [receipt]


def test_gas_is_estimated_so_that_it_suffices(call: Caller) -> None:
    created = call("eth_sendRawTransaction", signed(SENDERS[0], 0, None, ECHO))
    echo = call("eth_getTransactionReceipt", created)["contractAddress"]
    gas = int(call("eth_estimateGas", {"to": echo, "data": "0x" + "11" * 500}), 16)
    sent = call("eth_sendRawTransaction", signed(SENDERS[0], 1, echo, b"\x11" * 500, gas))
    receipt = call("eth_getTransactionReceipt", sent)
    assert receipt["status"] == "0x1"
    assert gas <= int(receipt["gasUsed"], 16) * 1.2


def test_a_revert_tells_its_reason(call: Caller) -> None:
    created = call("eth_sendRawTransaction", signed(SENDERS[0], 0, None, REFUSE))
    refuse = call("eth_getTransactionReceipt", created)["contractAddress"]
    request = {"to": refuse, "data": "0x" + REASON.hex()}
    reply = call.rpc.answer({"id": 1, "method": "eth_call", "params": [request]})
    assert reply["error"] == {
        "code": 3,
        "message": "execution reverted: no",
        "data": "0x" + REASON.hex(),
    }


def test_a_transaction_before_its_turn_waits_for_the_one_it_follows(call: Caller) -> None:
    later = call("eth_sendRawTransaction", signed(SENDERS[0], 1, address_number(7)))
    assert call("eth_getTransactionReceipt", later) is None
    assert call("eth_getTransactionByHash", later)["blockNumber"] is None
    call("eth_sendRawTransaction", signed(SENDERS[0], 0, address_number(7)))
    call("evm_mine")
    assert call("eth_getTransactionReceipt", later)["status"] == "0x1"


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (signed(SENDERS[0], 0, address_number(1)), "already known"),
        (signed(SENDERS[0], 0, address_number(2)), "nonce too low"),
        ("0x03ff", "blob transactions"),
        ("0x02ff", "cannot decode"),
        (signed(Account.from_key(b"\7" * 32), 0, address_number(1)), "balance"),
    ],
)
def test_what_cannot_be_kept_is_refused(call: Caller, raw: str, why: str) -> None:
    call("eth_sendRawTransaction", signed(SENDERS[0], 0, address_number(1)))
    with pytest.raises(RuntimeError, match=why):
        call("eth_sendRawTransaction", raw)


def test_unknown_methods_and_blocks_are_said_to_be_unknown(call: Caller) -> None:
    with pytest.raises(RuntimeError, match="does not exist"):
        call("eth_sendTransaction", {})
    with pytest.raises(RuntimeError, match="does not exist"):
        call("__init__")
    with pytest.raises(RuntimeError, match="unknown block"):
        call("eth_getBalance", address_number(1), "0x999")
    assert call("eth_getBlockByNumber", "0x999") is None


def fill(folder: Path, count: int = 12) -> list[str]:
    """A chain of `count` blocks; returns their hashes."""
    caller = Caller(folder)
    for nonce in range(count):
        caller("eth_sendRawTransaction", signed(SENDERS[0], nonce, address_number(nonce + 1)))
    blocks = caller.blocks()
    caller.node.close()
    return blocks


def reopened(folder: Path) -> list[str]:
    caller = Caller(folder)
    blocks = caller.blocks()
    caller.node.close()
    return blocks


def test_the_log_alone_gives_the_same_blocks(tmp_path: Path) -> None:
    blocks = fill(tmp_path)
    for derived in tmp_path.glob("state.db*"):
        derived.unlink()
    assert reopened(tmp_path) == blocks


def test_a_state_that_is_no_database_is_put_aside_and_made_again(tmp_path: Path) -> None:
    blocks = fill(tmp_path)
    for derived in tmp_path.glob("state.db-*"):
        derived.unlink()
    (tmp_path / "state.db").write_bytes(b"x" * 8_192)
    assert reopened(tmp_path) == blocks
    assert (tmp_path / "state.db.bad").exists()


def test_a_torn_last_line_is_cut(tmp_path: Path) -> None:
    blocks = fill(tmp_path)
    whole = (tmp_path / "txlog").read_bytes()
    (tmp_path / "txlog").write_bytes(whole + b'deadbeef {"k":"tx","n":1,"ra')
    assert reopened(tmp_path) == blocks
    assert (tmp_path / "txlog").read_bytes() == whole


@pytest.mark.parametrize("keeps_state", [True, False])
def test_one_changed_bit_in_the_log_is_refused_where_it_is_read(
    tmp_path: Path, keeps_state: bool
) -> None:
    fill(tmp_path)
    content = bytearray((tmp_path / "txlog").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "txlog").write_bytes(content)
    if keeps_state:
        with pytest.raises(Untrustworthy, match="damaged"):
            list(chain_log.read(tmp_path / "txlog", 0))
        return
    for derived in tmp_path.glob("state.db*"):
        derived.unlink()
    with pytest.raises(Untrustworthy, match="damaged"):
        Node(tmp_path, AT_ONCE)
    assert (tmp_path / "txlog").read_bytes() == content


def test_a_log_shorter_than_its_state_is_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    with (tmp_path / "txlog").open("r+b") as file:
        file.truncate(1_000)
    with pytest.raises(Untrustworthy, match="shorter"):
        Node(tmp_path, AT_ONCE)


def test_a_block_that_replays_differently_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    for derived in tmp_path.glob("state.db*"):
        derived.unlink()
    lines = (tmp_path / "txlog").read_bytes().splitlines(keepends=True)
    for place, line in enumerate(lines):
        record = chain_log.unpack(line)
        assert record is not None
        if record["k"] == "blk" and record["n"] == 2:
            record["ts"] += 1
            lines[place] = chain_log.pack(record)
    (tmp_path / "txlog").write_bytes(b"".join(lines))
    with pytest.raises(Untrustworthy, match="block 2: replay gives"):
        Node(tmp_path, AT_ONCE)


def test_two_nodes_never_share_a_folder(tmp_path: Path, call: Caller) -> None:
    with pytest.raises(Untrustworthy, match="another node"):
        Node(tmp_path / "chain", AT_ONCE)


def test_confirmations_still_arrive_after_a_restart(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    node = Node(tmp_path, Cadence(block_seconds=0.02, idle_blocks=4))
    stop = threading.Event()
    thread = threading.Thread(target=node.run_blocks, args=(stop,))
    thread.start()
    assert wait_until(lambda: node.head.block_number == 5, timeout_seconds=10)
    time.sleep(0.2)
    stop.set()
    thread.join()
    assert node.head.block_number == 5, "and then the chain is quiet"
    node.close()


class Process:
    """A node in its own process, spoken to over HTTP."""

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [sys.executable, "-m", "deploy.embedded.chain", "--data", str(folder)]
        command += ["--port", str(self.port), "--block-time", "0.2", "--idle-blocks", "3", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("ready")

    def call(self, method: str, *parameters: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
        try:
            connection.request("POST", "/", body)
            reply = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if "error" in reply:
            raise RuntimeError(reply["error"]["message"])
        return reply["result"]

    def kill(self) -> None:
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        self.process.terminate()
        self._reap()
        return self.process.returncode

    def _reap(self) -> None:
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()


def send_until_killed(node: Process, sender: Any, acknowledged: dict[str, int]) -> None:
    nonce = int(node.call("eth_getTransactionCount", sender.address, "pending"), 16)
    while True:
        try:
            sent = node.call("eth_sendRawTransaction", signed(sender, nonce, address_number(0x999)))
        except (OSError, http.client.HTTPException):
            return  # Unanswered: it may have landed, and the next round asks for the nonce.
        acknowledged[sent] = nonce
        nonce += 1


@pytest.mark.faults
def test_nothing_acknowledged_is_forgotten_when_the_node_is_killed(tmp_path: Path) -> None:
    folder, chance = tmp_path / "chain", random.Random(11)
    acknowledged: dict[str, int] = {}
    seen: dict[str, str] = {}
    for round_number in range(5):
        node = Process(folder)
        threads = [
            threading.Thread(target=send_until_killed, args=(node, sender, acknowledged))
            for sender in SENDERS[:2]
        ]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(0.2, 1.0))
        head = node.call("eth_getBlockByNumber", "latest")
        seen[head["number"]] = head["hash"]
        node.kill()
        for thread in threads:
            thread.join()
        if round_number == 2:
            with (folder / "txlog").open("ab") as log:
                log.write(b'deadbeef {"k":"tx"')
        if round_number == 3:
            for derived in folder.glob("state.db*"):
                derived.unlink()
    node = Process(folder)
    assert len(acknowledged) > 20
    for number, block_hash in seen.items():
        assert node.call("eth_getBlockByNumber", number)["hash"] == block_hash
    assert wait_until(lambda: node.call("node_info")["unsealed"] == 0, timeout_seconds=20)
    for tx_hash in acknowledged:
        assert node.call("eth_getTransactionReceipt", tx_hash)["status"] == "0x1"
    assert node.stop() == 0


@pytest.mark.faults
def test_a_page_in_a_browser_cannot_reach_the_node_and_web3_can(tmp_path: Path) -> None:
    node = Process(tmp_path)
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=10)
    connection.request("POST", "/", "{}", {"Origin": "http://evil.example"})
    assert connection.getresponse().status == 403
    connection.close()
    web3 = Web3(Web3.HTTPProvider(f"http://127.0.0.1:{node.port}"))
    sent = web3.eth.send_raw_transaction(signed(SENDERS[0], 0, address_number(5)))
    receipt = web3.eth.wait_for_transaction_receipt(sent, timeout=20)
    assert web3.eth.get_block(receipt["blockNumber"])["transactions"] == [sent]
    assert web3.eth.fee_history(1, "latest")["oldestBlock"] == receipt["blockNumber"]
    assert node.stop() == 0


@pytest.mark.faults
def test_a_damaged_log_ends_the_process_with_its_reason(tmp_path: Path) -> None:
    fill(tmp_path)
    shutil.rmtree(tmp_path / "copy", ignore_errors=True)
    content = bytearray((tmp_path / "txlog").read_bytes())
    content[100] ^= 1
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "txlog").write_bytes(content)
    command = [sys.executable, "-m", "deploy.embedded.chain", "--data", str(tmp_path / "copy")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert re.search(r"refused: log damaged at byte \d+", done.stderr)
