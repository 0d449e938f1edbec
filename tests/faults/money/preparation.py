"""What is done once, before anything is killed: the world, and what every worker would load."""

from __future__ import annotations

from importlib import import_module

from compensation.contracts import owner_payouts
from provenance import evm
from tests.faults.money import workers, world
from tests.faults.money.place import Place
from tests.faults.money.world import World

SLOW_TO_LOAD = ("web3", "eth_account")


def prepare(place: Place, seed: int) -> World:
    """Make the world in the template and on the chain to be copied.

    A worker makes it: the driver itself never speaks to a chain, so that no two workers inherit
    one connection.
    """
    for module in SLOW_TO_LOAD:
        import_module(module)
    owner_payouts()
    evm.development_token()
    path = place.folder / "world.json"
    with place.world_chain():
        made = workers.start(
            "world", lambda *_: world.build().save(path), seed=seed, log=place.log
        ).wait()
    if made.exit_code:
        raise SystemExit(f"the world could not be made: {made.failure}")
    return World.load(path)
