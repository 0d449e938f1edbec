"""Solidity source of the payouts' contract, and its checked-in artefact.

`node provenance/contracts/build.mjs` compiles both apps' contracts.
"""

from pathlib import Path

from provenance import evm


def owner_payouts() -> evm.Artefact:
    """The artefact of OwnerPayouts."""
    return evm.load_artefact(Path(__file__).parent / "artefacts" / "OwnerPayouts.json")
