"""What anchoring and paying cost in gas, beside other ways to pay the same owners.

    ./run bench gas [--write FILE]

On an anvil of its own (npm, fetched once). Beside our contracts stand plain transfers, a multi-send
(tests/contracts/MultiSend.sol) and UMA's MerkleDistributor, which npm has under AGPL-3.0-or-later:
it is fetched for this benchmark and never shipped. All trees hold `OWNERS` owners; a first payment
makes a token balance, a returning one finds it. `--write` puts the table into a Markdown file,
between the lines `<!-- gas -->` and `<!-- /gas -->`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import django

from tests.bench.figures import Figures

# The way to pay, then gas an owner: first, returning, and for the operator.
Row = tuple[str, float | None, float | None, float | None]


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown."""

    def cell(gas: float | None) -> str:
        return "" if gas is None else f"{gas:,.0f}"

    head = ["way", "gas an owner, first time", "returning", "operator's gas an owner of 1,000"]
    lines = [head, ["---"] * 4, *([name, *map(cell, gas)] for name, *gas in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(path: Path, text: str) -> None:
    """Put `text` between the two marks in a file."""
    before, begin, rest = path.read_text("utf-8").partition("<!-- gas -->\n")
    _, end, after = rest.partition("<!-- /gas -->")
    if not end:
        raise SystemExit(f"{path} needs the lines <!-- gas --> and <!-- /gas -->.")
    path.write_text(f"{before}{begin}{text}\n{end}{after}", "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench gas")
    parser.add_argument("--write", type=Path, help="a Markdown file with the two marks")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")
    django.setup()
    figures = Figures("gas")
    rows = measure(figures, given.seed)
    figures.table()
    if given.write:
        write(given.write, table(rows))
    return 0


def measure(figures: Figures, seed: int) -> list[Row]:
    """Pay in every way on a fresh anvil; the rows of the table."""
    from tests.anvil import anvil
    from tests.bench import gas_ways as ways
    from tests.ground import Ground

    with anvil() as node:
        node.rpc("evm_setAutomine", True)
        town = ways.Town(Ground(node), seed)
        figures.add(set="1,000,000 events", figure="anchor_1m_gas",
                    value=ways.anchored(town.ground), unit="gas")  # fmt: skip
        own, operator = ways.ours(town)
        rows = [*own, ways.multi_send(town), ways.transfers(town), *ways.uma(town)]
    figures.add(set="250 of 1,000", figure="push_gas_per_returning_owner_250",
                value=own[0][2], unit="gas")  # fmt: skip
    for name, value in (("first epoch", operator[0]), ("later epochs", operator[1])):
        figures.add(set=name, figure="operator_gas_per_owner_1000", value=value, unit="gas",
                    note="propose and activate; owners claim")  # fmt: skip
    for name, first, returning, _ in rows[1:]:
        for figure, value in (("gas_first", first), ("gas_returning", returning)):
            figures.add(set=name.replace("*", ""), figure=figure, value=value, unit="gas",
                        note="an owner")  # fmt: skip
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
