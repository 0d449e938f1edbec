"""Finds marked words: in Python by its syntax, in templates and scripts as Django reads them.

GNU gettext is not needed: what it would find for `makemessages` is found here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from django.utils.translation.template import templatize

# What each function of Django's takes, by place: c context, s singular, p plural.
SHAPES = {
    "gettext": "s",
    "gettext_lazy": "s",
    "gettext_noop": "s",
    "ngettext": "sp",
    "ngettext_lazy": "sp",
    "pgettext": "cs",
    "pgettext_lazy": "cs",
    "npgettext": "csp",
    "npgettext_lazy": "csp",
}
_CALL = re.compile(r"\b(gettext|ngettext|pgettext|npgettext|_)\(")
APPS = ("provenance", "ingest", "compensation", "deploy")


@dataclass(frozen=True, order=True)
class Word:
    """One marked text, as catalogs name it; `context` and `plural` may be empty."""

    text: str
    plural: str = ""
    context: str = ""


class Unreadable(ValueError):
    """A marked text that no catalog can hold, as one that is put together first."""


def refusals(root: Path) -> frozenset[str]:
    """The names of every class of refusals: what they say is words for people too."""
    bases: dict[str, set[str]] = {}
    for app in APPS:
        for path in (root / app).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    names = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
                    bases.setdefault(node.name, set()).update(names)
    found = {"Refused"}
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more
    return frozenset(found)


def in_app(root: Path, app: str) -> dict[Word, set[str]]:
    """The marked words of an app's code and templates, with the files that hold them."""
    found: dict[Word, set[str]] = {}
    refusing = refusals(root)
    for path in sorted((root / app).rglob("*")):
        name = path.relative_to(root).as_posix()
        words: Iterator[Word]
        if path.suffix == ".py" and "/migrations/" not in name:
            source = path.read_text()
            words = chain(in_python(source, name), in_refusals(source, refusing))
        elif "/templates/" in name and path.suffix in (".html", ".txt"):
            words = in_template(path.read_text(), name)
        else:
            continue
        for word in words:
            found.setdefault(word, set()).add(name)
    return found


def in_scripts(root: Path, app: str) -> dict[Word, set[str]]:
    """The marked words of an app's own scripts, which the browser translates."""
    found: dict[Word, set[str]] = {}
    for path in sorted((root / app / "static").rglob("*.js")):
        if "/vendor/" in path.as_posix():
            continue
        for word in _calls(path.read_text()):
            found.setdefault(word, set()).add(path.relative_to(root).as_posix())
    return found


def in_python(source: str, name: str) -> Iterator[Word]:
    """The marked words of a Python module."""
    tree = ast.parse(source, name)
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation":
            known.update({one.asname or one.name: SHAPES.get(one.name, "") for one in node.names})
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            shape = known.get(node.func.id, "")
            if shape and (word := _word(shape, node.args, f"{name}:{node.lineno}")):
                yield word


def in_refusals(source: str, refusing: frozenset[str]) -> Iterator[Word]:
    """What each refusal of a module says by itself: its docstring's first line, and its hint."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ClassDef) or node.name not in refusing - {"Refused"}:
            continue
        said = (ast.get_docstring(node) or "").split("\n")[0]
        if said:
            yield Word(said)
        for line in node.body:
            if not isinstance(line, ast.Assign) or ast.unparse(line.targets[0]) != "hint":
                continue
            # One that lists codes is for programs, and put together.
            if isinstance(line.value, ast.Constant) and line.value.value:
                yield Word(str(line.value.value))


def in_template(source: str, name: str) -> Iterator[Word]:
    """The marked words of a template."""
    yield from _calls(templatize(source, name))


def _calls(source: str) -> Iterator[Word]:
    """The calls of gettext and its like in what is not quite Python."""
    for call in _CALL.finditer(source):
        shape = SHAPES["gettext" if call[1] == "_" else call[1]]
        parsed = _parsed(source[call.start() :])
        if parsed is not None and (word := _word(shape, parsed.args, call[0])):
            yield word


def _parsed(source: str) -> ast.Call | None:
    """The call that `source` begins with, if its strings read as Python's do."""
    end = 0
    while (end := source.find(")", end) + 1) and end < 5000:
        try:
            parsed = ast.parse(source[:end].replace("\n", " "), mode="eval").body
        except SyntaxError:
            continue
        return parsed if isinstance(parsed, ast.Call) else None
    return None


def _word(shape: str, arguments: list[ast.expr], where: str) -> Word | None:
    """The word that a call marks; None where it hands on a variable."""
    values = {}
    for part, argument in zip(shape, arguments, strict=False):
        if isinstance(argument, ast.JoinedStr):
            raise Unreadable(f"{where}: an f-string cannot be translated; fill in %(name)s after")
        if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
            return None
        values[part] = argument.value
    if not values.get("s"):
        return None
    return Word(values["s"], values.get("p", ""), values.get("c", ""))
