"""anvil, the development chain of Foundry: it mines when told, forgets, reorganises and gets dear.

It comes from npm at an exact version, once, into the ignored folder `.node/anvil`; a machine
without npm has none.
"""

from __future__ import annotations

import http.client
import json
import platform
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.embedded.processes import dies_with_parent
from provenance import signers
from tests import npm

PACKAGE, VERSION = "@foundry-rs/anvil", "1.7.1"
START_SECONDS = 30
RPC_SECONDS = 30


class AnvilMissing(Exception):
    """anvil is not here and could not be fetched; the message says what to install."""


class Anvil:
    """An anvil in its own process, on a free port; nothing is mined before it is asked for."""

    def __init__(self, program: Path, chain_id: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        command = [str(program), "--port", str(self.port), "--no-mining", "--silent"]
        self.process = subprocess.Popen(
            [*command, "--chain-id", str(chain_id)],
            stdout=subprocess.DEVNULL,
            preexec_fn=dies_with_parent(signal.SIGKILL),
        )
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=RPC_SECONDS)

    def rpc(self, method: str, *params: Any) -> Any:
        """The result of one call; a refusal is our own bug."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        try:
            self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
            answer = json.loads(self._connection.getresponse().read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        assert "result" in answer, f"{method}: {answer}"
        return answer["result"]

    def mine(self, count: int = 1, *, base_fee: int | None = None) -> None:
        """So many blocks, at a base fee in wei if one is named."""
        for _ in range(count):
            if base_fee is not None:
                self.rpc("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
            self.rpc("evm_mine")

    def wait(self) -> None:
        """Until it answers."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                self.rpc("eth_chainId")
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError("anvil did not start")

    def stop(self) -> None:
        """End it; what it held is gone."""
        self._connection.close()
        self.process.kill()
        self.process.wait()


@contextmanager
def anvil(chain_id: int = signers.DEVELOPMENT_CHAIN) -> Iterator[Anvil]:
    """An anvil for as long as the block lasts; raises AnvilMissing."""
    started = Anvil(program(), chain_id)
    try:
        started.wait()
        yield started
    finally:
        started.stop()


def is_here() -> bool:
    """Whether it was fetched, so that a test may use it."""
    return npm.folder_of(PACKAGE, VERSION).exists()


def program() -> Path:
    """The path of anvil, fetched if need be; raises AnvilMissing."""
    package = f"anvil-{platform.system().lower()}-{_machine()}"
    try:
        found = npm.modules(PACKAGE, VERSION)
    except npm.NpmMissing as missing:
        raise AnvilMissing(str(missing)) from missing
    path = found / "@foundry-rs" / package / "bin" / "anvil"
    if not path.exists():
        raise AnvilMissing(f"npm has no anvil for this machine ({package}).")
    return path


def _machine() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
