"""Runs slither over our contracts, and compares what it finds with the answers in docs/security.md.

    ./run contracts --audit

A finding without an answer fails, and so does an answer to what is no longer found. slither comes
from PyPI into an environment of its own in `.node`, because it pins an older web3. It reads the
checked-in Standard-JSON inputs; npm's solc compiles them, spoken to as the command-line one.
OpenZeppelin's own files are left out: they are audited as they are.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VERSION = "0.11.6"
ENVIRONMENT = ROOT / ".node" / "slither" / VERSION
SOLC = Path(__file__).resolve().parent / "solc.mjs"
ANSWERS = ROOT / "docs" / "security.md"
INPUTS = "contracts/artefacts/*.input.json"
# A row of the table of answers: contract, detector, place, answer.
ROW = re.compile(r"^\| (\w+) \| `([\w-]+)` \| `([^`]+)` \| (.+) \|$", re.MULTILINE)

Finding = tuple[str, str, str]


def slither() -> Path:
    """The program, installed if need be."""
    program = ENVIRONMENT / "bin" / "slither"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        pip = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        command = [*pip, "--disable-pip-version-check", f"slither-analyzer=={VERSION}"]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return program


def found_in(artefact: Path) -> Iterator[Finding]:
    """What slither finds in one contract, by its Standard-JSON input."""
    given = json.loads(artefact.read_text("utf-8"))
    outputs = ["abi", "metadata", "devdoc", "userdoc", "evm.bytecode", "evm.deployedBytecode"]
    given["settings"]["outputSelection"] = {"*": {"*": outputs, "": ["ast"]}}
    with tempfile.TemporaryDirectory() as scratch:
        for name, source in given["sources"].items():
            path = Path(scratch) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source["content"], "utf-8")
        (Path(scratch) / "input.json").write_text(json.dumps(given), "utf-8")
        report = _run(scratch)
    contract = artefact.name.partition(".")[0]
    for one in report["results"].get("detectors", []):
        yield contract, one["check"], one["description"].partition(" (")[0]


def _run(folder: str) -> dict[str, Any]:
    command = [str(slither()), "input.json", "--compile-force-framework", "solc-json"]
    command += ["--solc", str(SOLC), "--filter-paths", "@openzeppelin", "--json", "report.json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    report = Path(folder) / "report.json"
    if not report.exists():
        raise SystemExit(f"slither did not report:\n{done.stderr}")
    found: dict[str, Any] = json.loads(report.read_text("utf-8"))
    if not found["success"]:
        raise SystemExit(f"slither failed: {found['error']}")
    return found


def answered(text: str) -> set[Finding]:
    """The findings that have an answer in the table."""
    return {(contract, check, place) for contract, check, place, _ in ROW.findall(text)}


def main() -> int:
    apps = ("provenance", "compensation")
    inputs = [one for app in apps for one in sorted((ROOT / app).glob(INPUTS))]
    found = {one for path in inputs for one in found_in(path)}
    known = answered(ANSWERS.read_text("utf-8"))
    for finding in sorted(found - known):
        print("no answer in docs/security.md: | {} | `{}` | `{}` |".format(*finding))
    for finding in sorted(known - found):
        print("answered, but no longer found: | {} | `{}` | `{}` |".format(*finding))
    if found != known:
        return 1
    print(f"slither {VERSION}: {len(found)} findings in {len(inputs)} contracts, each answered")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
