"""What the chain itself says of an OwnerPayouts: its token, and each root that it ever followed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from compensation.contracts import owner_payouts
from provenance import evm
from provenance.refusals import Refused

CONTRACT = re.compile(r"eip155:(\d+):(0x[0-9a-fA-F]{40})")


class NotOurContract(Refused):
    """No OwnerPayouts stands there."""

    code = "not_our_contract"
    status = 400
    hint = "Give the contract as CAIP-10, eip155:CHAIN:0x…, on a chain of this service."


class RootIsPending(Refused):
    """A root waits on the chain whose books are lost."""

    code = "root_is_pending"
    hint = "Veto it with the guardian, or wait until it is active and final, and run this again."


@dataclass(frozen=True)
class Followed:
    """A root that was activated."""

    epoch: int
    root: bytes
    total: int
    tx_hash: str


@dataclass(frozen=True)
class ContractFacts:
    """One contract as the chain has it at its last final block."""

    caip10: str
    chain_id: int
    address: str
    token_address: str
    first_block: int
    roots: list[Followed]
    funded: int


def contract_facts(name: str, *, from_block: int) -> ContractFacts:
    """Ask its chain about one contract.

    Raises NotOurContract, RootIsPending, chains.UnknownChain, evm.ChainUnreachable or
    evm.WrongChain.
    """
    matched = CONTRACT.fullmatch(name)
    if matched is None:
        raise NotOurContract(f"{name} is no contract's name.")
    chain = evm.connect(int(matched[1]))
    address = evm.checksum(matched[2])
    if not chain.has_code(address):
        raise NotOurContract(f"No contract stands at {name}.")
    artefact, final = owner_payouts(), chain.final_block()
    _, pending_epoch, _, _ = chain.call(artefact, address, "pending")
    if pending_epoch:
        raise RootIsPending(f"{name} has a root for epoch {pending_epoch} that waits.")
    logs = chain.logs(artefact, address, "RootActivated", from_block=from_block, to_block=final)
    active = int(chain.call(artefact, address, "epoch"))
    roots = [
        Followed(int(one.args["epoch"]), bytes(one.args["root"]), int(one.args["total"]),
                 one.tx_hash)
        for one in logs
    ]  # fmt: skip
    if [one.epoch for one in roots] != list(range(1, active + 1)):
        raise NotOurContract(
            f"{name} follows epoch {active}, and only {len(roots)} activations are final.",
            hint="Wait until the last one is final; give --from-block at or before its deployment.",
        )
    return ContractFacts(
        caip10=f"{evm.caip2(chain.chain_id)}:{address}",
        chain_id=chain.chain_id,
        address=address,
        token_address=evm.checksum(str(chain.call(artefact, address, "token"))),
        first_block=from_block,
        roots=roots,
        funded=int(chain.call(artefact, address, "totalFunded")),
    )
