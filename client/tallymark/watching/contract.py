"""What an OwnerPayouts contract says of its roots; asked of a node, word by word."""

from __future__ import annotations

from dataclasses import dataclass

from tallymark.proofs import CONTRACT, NotAProof, word
from tallymark.rpc import Node, NodeFailed, topic
from tallymark.watching.roots import Root

ACTIVATED = "RootActivated(uint64,bytes32,uint128)"
PROPOSED = "RootProposed(uint64,bytes32,uint128,uint64,bytes32,string)"
NOTHING = bytes(32)


@dataclass(frozen=True)
class Pending:
    """A proposed root with its delay: proposed and ready at these moments, in seconds."""

    root: Root
    proposed_at: int
    ready_at: int


class Contract:
    """One OwnerPayouts, by its CAIP-10 name, at a node that serves its chain."""

    def __init__(self, name: str, node: Node) -> None:
        found = CONTRACT.fullmatch(name)
        if not found:
            raise NotAProof(f"{name!r} names no contract: write it like eip155:1:0x…")
        self.name, self.chain_id, self.address = name, int(found[1]), found[2].lower()
        self.node = node

    def require_there(self) -> None:
        """Raise NodeFailed where the node serves another chain, or no contract stands there."""
        served = self.node.chain_id()
        if served != self.chain_id:
            raise NodeFailed(f"{self.node.url} serves eip155:{served}, not eip155:{self.chain_id}")
        if not self.node.has_code(self.address):
            raise NodeFailed(f"no contract stands at {self.name}: is the node in step?")

    def pending(self) -> Pending | None:
        """The root that waits for its delay, if any."""
        answer = self.node.call(self.address, "pending()")
        root, epoch, ready_at, total = (answer[at : at + 32] for at in range(0, 128, 32))
        if len(answer) != 128:
            raise NodeFailed(f"{self.name} answers not as an OwnerPayouts does")
        if root == NOTHING:
            return None
        number, ready = _number(epoch), _number(ready_at)
        previous = self._number("root()") or None
        found = Root(
            contract=self.name,
            epoch=number,
            root=root,
            total=_number(total),
            is_active=False,
            previous=word(previous) if previous else self._activated(number - 1),
            digest=self._published(number, root),
        )
        return Pending(found, ready - self._number("delay()"), ready)

    def active(self) -> Root | None:
        """The root that pays now, if any."""
        root, epoch = self.node.call(self.address, "root()"), self._number("epoch()")
        if root == NOTHING:
            return None
        return Root(
            contract=self.name,
            epoch=epoch,
            root=root,
            total=self._number("totalOwed()"),
            is_active=True,
            previous=self._activated(epoch - 1),
            digest=self._published(epoch, root),
        )

    def _activated(self, epoch: int) -> bytes | None:
        """The root that was activated for an epoch; None where the node does not look so far."""
        found = self._logged(ACTIVATED, epoch)
        return found[-1][:32] if found else None

    def _published(self, epoch: int, root: bytes) -> bytes | None:
        """The SHA-256 of the leaves' file that `root` was last proposed with; None as above."""
        found = [data for data in self._logged(PROPOSED, epoch) if data[:32] == root]
        return found[-1][96:128] if found else None

    def _logged(self, event: str, epoch: int) -> list[bytes]:
        """The data of the logs of an event about an epoch; none where the node does not know."""
        wanted = {
            "address": self.address,
            "topics": ["0x" + topic(event).hex(), "0x" + word(epoch).hex()],
            "fromBlock": "0x0",
            "toBlock": "latest",
        }
        try:
            logs = self.node.ask("eth_getLogs", wanted) if epoch else []
            return [bytes.fromhex(str(one["data"])[2:]) for one in logs]
        except (NodeFailed, KeyError, TypeError, ValueError):
            return []

    def _number(self, signature: str) -> int:
        return _number(self.node.call(self.address, signature))


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")
