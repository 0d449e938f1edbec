"""The rules of form, held against every file of ours: what outgrows them is parted by noun."""

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES_OF_A_FILE = 500
MOST_LINES_OF_A_FUNCTION = 40
OURS = ("client", "compensation", "deploy", "ingest", "provenance", "tests")
SUFFIXES = {".py", ".js", ".mjs", ".css", ".html", ".sql", ".sol", ".c", ".md", ".yaml", ".toml"}
# Written by a program, or by others.
NOT_BY_HAND = (
    "*/migrations/0001_initial.py",
    "*/vendor/*",
    "*/locale/*",
    "provenance/static/provenance/verify.html",
)


def ours() -> Iterator[Path]:
    for part in OURS:
        for path in sorted((ROOT / part).rglob("*")):
            name = str(path.relative_to(ROOT))
            if path.suffix in SUFFIXES and not any(fnmatch(name, one) for one in NOT_BY_HAND):
                yield path


def lengths(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a file and its lines, the docstring put aside."""
    for found in ast.walk(ast.parse(path.read_text())):
        if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef):
            assert found.end_lineno is not None
            length = found.end_lineno - found.lineno + 1
            words = found.body[0]
            if ast.get_docstring(found) is not None:
                length -= (words.end_lineno or words.lineno) - words.lineno + 1
            yield found.name, length


def test_no_file_is_longer_than_a_reader_holds_in_mind():
    long = {
        str(path.relative_to(ROOT)): count
        for path in ours()
        if (count := path.read_bytes().count(b"\n")) > MOST_LINES_OF_A_FILE
    }
    assert long == {}


def test_no_function_is_longer_than_a_screen():
    long = {
        f"{path.relative_to(ROOT)}:{name}": length
        for path in ours()
        if path.suffix == ".py" and "migrations" not in path.parts
        for name, length in lengths(path)
        if length > MOST_LINES_OF_A_FUNCTION
    }
    assert long == {}
