"""Breaks our contracts, one thing at a time (mutants.toml), and sees whether the tests notice.

    ./run contracts --mutants [NAME ...]

npm's solc compiles each mutant; the unit tests run against it, and where they pass, the walk of
test_invariants. Prints the figures `mutants_caught` and `mutants_total`; a survivor fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Figures

ROOT = Path(__file__).resolve().parents[2]
SOLC = Path(__file__).resolve().parent / "solc.mjs"
PLUGIN = "tests.contracts.mutated"
PAYOUTS = ROOT / "compensation" / "contracts" / "artefacts" / "OwnerPayouts.json"
ANCHOR = ROOT / "provenance" / "contracts" / "artefacts" / "LineageAnchor.json"
TESTS = {PAYOUTS: "tests/compensation/test_owner_payouts.py",
         ANCHOR: "tests/provenance/test_contracts.py"}  # fmt: skip
WALK = "tests/contracts/test_invariants.py"
# What costs most and looks at gas, and what compares artefacts with their sources.
LEFT_OUT = "not costs and not artefact"


@dataclass(frozen=True)
class Mutant:
    """One change of a contract's source: every `old` becomes `new`."""

    name: str
    artefact: Path
    old: str
    new: str


def mutants() -> list[Mutant]:
    """All of mutants.toml."""
    found = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    artefacts = {path.stem: path for path in TESTS}
    return [
        Mutant(artefact=artefacts[contract], **one)
        for contract, changes in found.items()
        for one in changes
    ]


def compiled(mutant: Mutant) -> dict[str, object]:
    """The mutant's artefact, in the form of the checked-in one."""
    name = mutant.artefact.stem
    given = json.loads(mutant.artefact.with_name(f"{name}.input.json").read_text("utf-8"))
    source = given["sources"][f"{name}.sol"]
    if mutant.old not in source["content"]:
        raise SystemExit(f"{mutant.name}: {name} no longer has {mutant.old!r}")
    source["content"] = source["content"].replace(mutant.old, mutant.new)
    done = subprocess.run(
        [str(SOLC), "--standard-json"], input=json.dumps(given), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    output = json.loads(done.stdout)
    errors = [one for one in output.get("errors", []) if one["severity"] == "error"]
    if errors:
        raise SystemExit(f"{mutant.name} does not compile: {errors[0]['formattedMessage']}")
    built = output["contracts"][f"{name}.sol"][name]
    return {
        "contractName": name,
        "abi": built["abi"],
        "bytecode": "0x" + built["evm"]["bytecode"]["object"],
        "runtimeBytecode": "0x" + built["evm"]["deployedBytecode"]["object"],
    }


def caught_by(mutant: Mutant, folder: Path) -> str:
    """The first test that fails on the mutant; nothing if all pass."""
    path = folder / mutant.artefact.name
    path.write_text(json.dumps(compiled(mutant)), "utf-8")
    files = [TESTS[mutant.artefact], *([WALK] if mutant.artefact == PAYOUTS else [])]
    for tests in files:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-rf", "-p", PLUGIN]
        done = subprocess.run(
            [*command, "-k", LEFT_OUT, tests], cwd=ROOT, capture_output=True, text=True,
            check=False, env={**os.environ, "TALLYMARK_MUTANT": str(path)},
        )  # fmt: skip
        if done.returncode == 1:
            failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
            return failed[0].partition("::")[2].partition(" - ")[0] if failed else tests
        if done.returncode:
            raise SystemExit(f"pytest itself failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return ""


def main(wanted: list[str]) -> int:
    chosen = [one for one in mutants() if not wanted or any(word in one.name for word in wanted)]
    survivors = 0
    with tempfile.TemporaryDirectory() as folder:
        for mutant in chosen:
            test = caught_by(mutant, Path(folder))
            survivors += not test
            print(f"{mutant.name}: {'caught by ' + test if test else 'SURVIVES'}", file=sys.stderr)
    figures = Figures("contracts")
    for figure, value in (("mutants_caught", len(chosen) - survivors),
                          ("mutants_total", len(chosen))):  # fmt: skip
        figures.add(set="contracts", figure=figure, value=value)
    return 1 if survivors else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
