"""`./run journey --outside`: the journey on a node that is not ours, on a chain that is not ours.

anvil, from npm, is the node: with a chain id that takes keystores, addresses with proofs and a
payout delay of a day. The walk ends where the tree waits; then a day passes on the chain, and it
goes on. Everything is done by settings and by the commands that an operator has.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eth_account import Account
from eth_utils.crypto import keccak

from tests.anvil import Anvil, anvil
from tests.journeys import service
from tests.journeys.service import ROOT, Place
from tests.journeys.walk import LATER, walk

CHAIN = 1001
DAY_SECONDS = 86_400
ROLES = ("deployer", "anchorer", "proposer", "guardian", "treasury")
# TestToken stands on the development chain only.
TOKEN = ROOT / "tests" / "contracts" / "artefacts" / "HostileToken.json"
FUNDS = 10**24


def main() -> int:
    """Walk until the money waits, let a day pass, and walk on; 0 if all was as it should be."""
    with anvil(CHAIN) as node, tempfile.TemporaryDirectory(prefix="tallymark-outside-") as name:
        folder = Path(name)
        # Whoever runs PostgreSQL for us must be able to pass through.
        folder.chmod(0o711)
        node.rpc("evm_setIntervalMining", 1)
        state = folder / "walk.json"
        accounts = _settings(node, folder)
        token = _token(node, accounts["treasury"])
        with _service(folder, token, accounts["deployer"]) as place:
            status = walk(place, state)
        if status != LATER:
            print("The payout tree should have waited for its delay.")
            return 1
        print("A day passes.", flush=True)
        # The service reckons by our clock, which nobody can turn: only the chain's is a day later.
        os.environ["TALLYMARK_PAYOUT_DELAY_SECONDS"] = "0"
        node.rpc("evm_increaseTime", DAY_SECONDS)
        node.mine()
        with _service(folder) as place:
            return walk(place, state)


def _settings(node: Anvil, folder: Path) -> dict[str, str]:
    """Tell the service of the chain, with keystores of its own; the accounts, with gas, by role."""
    made, keys = {}, {}
    for role in ROLES:
        key, path = Account.create(), folder / f"{role}.json"
        path.write_text(json.dumps(key.encrypt("walk", kdf="pbkdf2", iterations=1_000)))
        secret = folder / f"{role}.json.passphrase"
        secret.write_text("walk")
        secret.chmod(0o600)
        made[role], keys[role] = key.address, f"keystore:{path}"
        node.rpc("anvil_setBalance", key.address, hex(10**20))
    os.environ |= {
        "CHAIN_RPC_URL": node.url,
        "TALLYMARK_CHAIN_ID": str(CHAIN),
        "TALLYMARK_CHAIN_KEYS": json.dumps(keys),
        "TALLYMARK_SECRET_KEY": secrets.token_hex(32),
        "TALLYMARK_PAYOUT_DELAY_SECONDS": str(DAY_SECONDS),
        "TALLYMARK_PAYOUT_ACCOUNT_HOLD_HOURS": "0",
        "TALLYMARK_HOLD_BACK_DAYS": "0",
    }
    return made


def _token(node: Anvil, treasury: str) -> str:
    """The address of an ERC-20 that somebody issued, with some of it in the treasury."""
    issuer = node.rpc("eth_accounts")[0]
    code = json.loads(TOKEN.read_text())["bytecode"]
    sent = node.rpc("eth_sendTransaction", {"from": issuer, "data": code, "gas": hex(3_000_000)})
    node.mine()
    token = str(node.rpc("eth_getTransactionReceipt", sent)["contractAddress"])
    words = bytes(12) + bytes.fromhex(treasury[2:]) + FUNDS.to_bytes(32, "big")
    data = "0x" + (keccak(text="transfer(address,uint256)")[:4] + words).hex()
    node.rpc("eth_sendTransaction", {"from": issuer, "to": token, "data": data})
    node.mine()
    return token


@contextmanager
def _service(folder: Path, token: str = "", admin: str = "") -> Iterator[Place]:
    """The service; with a token what an operator does after the first start, too."""
    (folder / "up.log").unlink(missing_ok=True)
    process = service.start(folder / "data")
    try:
        service.wait_for_words(process, folder / "data")
        if token:
            service.manage(folder / "data", "deploy_contracts", "--token", token, "--admin", admin)
            service.manage(folder / "data", "load_sample")
        yield service.place_of(folder / "data")
    finally:
        service.stop(process)
