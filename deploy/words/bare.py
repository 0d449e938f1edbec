"""Finds bare words: English that stands in a template or in code's words without being marked."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from django.template.base import Lexer, TokenType

from deploy.words.marked import APPS

_WORD = re.compile(r"[A-Za-z]{2,}")
# Names and codes that are the same in every language.
ALLOWED = frozenset(
    {"Tallymark", "API", "CSV", "PDF", "JSON", "UTC", "JSON-LD", "EVM", "IBAN", "SPDX"}
)
# Elements whose text is a machine's, and attributes that people hear or read.
_MACHINES = frozenset({"code", "pre", "script", "style", "kbd"})
_READ = frozenset({"aria-label", "title", "alt", "placeholder"})
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)
# Blocks whose text is marked as a whole, or is not read. One that is named `..class` holds none.
_LEFT_OUT = frozenset({"blocktranslate", "blocktrans", "comment", "verbatim"})
_ENDS = frozenset({"endblock", *(f"end{word}" for word in _LEFT_OUT)})
# Arguments, class attributes and calls that take words for people.
_NAMED = frozenset(
    {
        *("label", "explains", "help_text", "verbose_name", "verbose_name_plural", "description"),
        *("list_title", "list_words", "empty_title", "empty_words", "short_description"),
        *("empty_label", "heading", "operator_words"),
    }
)
# Calls that take them by place.
_PLACES = {"column": (0,), "Verb": (1, 5), "Panel": (0,), "ValidationError": (0,)}
# Commands speak English: what describes them is no word of a page.
_COMMANDS = frozenset({"ArgumentParser", "add_parser"})
_MESSAGES = frozenset({"success", "error", "warning", "info"})


class _Texts(HTMLParser):
    """Collects what people read of a page: its texts, and attributes that are read out."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[tuple[str, bool]] = []
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.found += [given[name] for name in _READ if name in given]
        if tag == "input" and given.get("type") in ("submit", "button"):
            self.found.append(given.get("value", ""))
        if tag not in _VOID:
            machines = tag in _MACHINES or "material-symbols" in given.get("class", "")
            self.open.append((tag, machines))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        for place in range(len(self.open) - 1, -1, -1):
            if self.open[place][0] == tag:
                del self.open[place:]
                return

    def handle_data(self, data: str) -> None:
        if not any(machines for _, machines in self.open):
            self.found.append(data)


def in_template(source: str) -> Iterator[str]:
    """The texts of a template that nobody marked."""
    page, is_left_out = [], False
    for token in Lexer(source).tokenize():
        if token.token_type == TokenType.TEXT:
            page.append("" if is_left_out else token.contents)
        elif token.token_type == TokenType.BLOCK:
            word, *rest = token.contents.split()
            if word in _LEFT_OUT or (word == "block" and rest[0].endswith("class")):
                is_left_out = True
            elif word in _ENDS:
                is_left_out = False
    texts = _Texts()
    texts.feed("".join(page))
    texts.close()
    for text in texts.found:
        if set(_WORD.findall(text)) - ALLOWED:
            yield " ".join(text.split())


def in_python(source: str) -> Iterator[tuple[int, str]]:
    """Words for people in a module that nobody marked, with their lines."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            if _name_of(node.func) not in _COMMANDS:
                for keyword in node.keywords:
                    if keyword.arg in _NAMED:
                        yield from _bare(keyword.value)
            yield from _of_call(node)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "title":
                    yield from _bare(value)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(each, ast.Name) and each.id in _NAMED for each in targets):
                yield from _bare(node.value)


def _of_call(node: ast.Call) -> Iterator[tuple[int, str]]:
    function = node.func
    for place in _PLACES.get(_name_of(function), ()):
        if len(node.args) > place:
            yield from _bare(node.args[place])
    if (
        isinstance(function, ast.Attribute)
        and function.attr in _MESSAGES
        and isinstance(function.value, ast.Name)
        and function.value.id == "messages"
        and len(node.args) > 1
    ):
        yield from _bare(node.args[1])


def _name_of(function: ast.expr) -> str:
    """What is called, without the module or object that it stands in."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _bare(value: ast.expr) -> Iterator[tuple[int, str]]:
    """A text, or one that is put together of texts, with words in it."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        if set(_WORD.findall(value.value)) - ALLOWED:
            yield value.lineno, value.value
    elif isinstance(value, ast.JoinedStr):
        text = "".join(str(part.value) for part in value.values if isinstance(part, ast.Constant))
        if set(_WORD.findall(text)) - ALLOWED:
            yield value.lineno, text


def wrong(root: Path) -> Iterator[str]:
    """Every bare word of the apps, one sentence each."""
    for app in APPS:
        for path in sorted((root / app).rglob("*")):
            name = path.relative_to(root).as_posix()
            if "/templates/" in name and path.suffix in (".html", ".txt"):
                for text in in_template(path.read_text()):
                    yield f"{name}: not marked: {text[:70]!r}"
            elif path.suffix == ".py" and _is_door(name):
                for line, text in in_python(path.read_text()):
                    yield f"{name}:{line}: not marked: {text[:70]!r}"


def _is_door(name: str) -> bool:
    """Where words go to pages: the API's and commands' own stay English."""
    return not any(part in name for part in ("/api/", "/migrations/", "/management/", "bootstrap"))
