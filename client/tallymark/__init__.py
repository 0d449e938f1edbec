"""What a training job installs, and what anybody verifies with: standard library only."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tallymark.client import Client, Problem, Unreachable
    from tallymark.running import Running, run

__version__ = "0.1.0"
__all__ = ["Client", "Problem", "Running", "Unreachable", "run"]

_PLACES = {
    "Client": "client",
    "Problem": "client",
    "Unreachable": "client",
    "Running": "running",
    "run": "running",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: whoever only hashes text needs no network."""
    if name not in _PLACES:
        raise AttributeError(f"module 'tallymark' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"tallymark.{_PLACES[name]}"), name)
