"""Source code to measure on: labelled programs, and real files found on this machine.

The labelled programs are development data outside the project. The real files are the standard
library's and the installed packages', Python and C headers and JavaScript; different files stand
for what nobody copied, and edited ones (`code_edits`) for copies.
"""

from __future__ import annotations

import ast
import random
import sysconfig
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench import code_edits
from tests.bench.quality_sets import lines

ALIKE = frozenset({"13", "15"})
"""Two independent submissions that the publisher of the set says are alike."""
SMALLEST, LARGEST = 600, 40_000
EDITS_THAT_KEEP_LITERALS = ("renamed", "reordered", "with_dead_code", "disguised")


class Labelled(NamedTuple):
    """Two sources; `group` is the task or the corpus, `level` how the copy was made."""

    a: str
    b: str
    is_copy: bool
    group: str
    level: str


def irplag(folder: Path) -> list[Labelled]:
    """Each submission against the original of its task."""
    found = _submissions(folder)
    original = {row["case"]: row["text"] for row in found if row["kind"] == "original"}
    return [
        Labelled(original[row["case"]], row["text"], row["kind"] == "plagiarised", row["case"],
                 row["level"] or "independent")
        for row in found
        if row["kind"] != "original"
    ]  # fmt: skip


def irplag_peers(folder: Path) -> list[Labelled]:
    """Independent submissions of one task against each other: the task prescribed what they say."""
    by_case: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _submissions(folder):
        if row["kind"] == "independent":
            by_case[row["case"]].append(row)
    return [
        Labelled(one["text"], other["text"], False, case, "peers")
        for case, rows in by_case.items()
        for one, other in combinations(rows, 2)
        if {one["sub"], other["sub"]} != ALIKE
    ]


def _submissions(folder: Path) -> list[dict[str, Any]]:
    return list(lines(folder / "irplag_java" / "dev.jsonl"))


def files(seed: int = 7, most: int = 60) -> dict[str, list[str]]:
    """Real files by corpus: of one folder or package only one, so that no two share a template."""
    dice = random.Random(seed)
    packages = Path(sysconfig.get_paths()["purelib"])
    standard = Path(sysconfig.get_paths()["stdlib"])
    places = {
        "stdlib": (standard, standard.glob("[a-z]*/*.py"), 1),
        "packages": (packages, packages.glob("*/**/*.py"), 1),
        "headers": (packages, packages.glob("torch/include/**/*.h"), 6),
        "scripts": (packages, packages.glob("**/*.js"), 3),
    }
    found: dict[str, list[str]] = {}
    for name, (top, paths, depth) in places.items():
        by_folder: dict[tuple[str, ...], list[Path]] = defaultdict(list)
        for path in sorted(paths):
            if "vendor" not in str(path) and SMALLEST < path.stat().st_size < LARGEST:
                by_folder[path.parent.relative_to(top).parts[:depth]].append(path)
        folders = sorted(by_folder)
        dice.shuffle(folders)
        chosen = [dice.choice(by_folder[folder]) for folder in folders[:most]]
        found[name] = [path.read_text("utf-8", "replace") for path in chosen]
    return found


def functions(sources: list[str], most: int = 400, seed: int = 7) -> list[str]:
    """Functions of Python files: small programs of which none was made from another."""
    cut = (
        ast.get_source_segment(text, node) or ""
        for text in sources
        if code_edits.is_python(text)
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    )
    found = sorted({one for one in cut if 300 < len(one) < 3_000})
    random.Random(seed).shuffle(found)
    return found[:most]


def edited(
    texts: list[str], group: str, edits: tuple[str, ...] = tuple(code_edits.EDITS), seed: int = 7
) -> Iterator[Labelled]:
    """Each text with an edited copy, for every edit that changes it."""
    dice = random.Random(seed)
    for text in texts:
        for name in edits:
            made = code_edits.EDITS[name](text, dice)
            if made != text:
                yield Labelled(text, made, True, group, name)


def unlike(texts: list[str], group: str) -> list[Labelled]:
    """Every two different texts."""
    return [Labelled(a, b, False, group, "others") for a, b in combinations(texts, 2)]
