"""The command `tallymark`. Each subcommand is a module in `tallymark.commands`."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence

from tallymark import __version__, commands


def parser() -> argparse.ArgumentParser:
    """The parser, with every module in `tallymark.commands` as a subcommand.

    A module offers `add(subparsers)`, which adds its parser and sets the default `act`: a function
    that takes the parsed arguments and returns the exit status.
    """
    top = argparse.ArgumentParser(prog="tallymark", description="The Tallymark client.")
    top.add_argument("--version", action="version", version=f"tallymark {__version__}")
    subparsers = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for found in sorted(pkgutil.iter_modules(commands.__path__), key=lambda module: module.name):
        importlib.import_module(f"{commands.__name__}.{found.name}").add(subparsers)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit status."""
    chosen = parser().parse_args(arguments)
    status: int = chosen.act(chosen)
    return status


if __name__ == "__main__":
    sys.exit(main())
