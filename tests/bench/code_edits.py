"""What a copyist does to source code so that it is not recognised, done by a program.

Each edit takes a text and a `random.Random` and gives a text; `EDITS` names them. Python is edited
by its own tokeniser and syntax tree, whatever ends its statements in braces by regular
expressions. The result need not run: it need only look as an edited copy looks.
"""

from __future__ import annotations

import ast
import builtins
import io
import keyword
import random
import re
import tokenize
from collections.abc import Callable

Edit = Callable[[str, random.Random], str]

KEPT = frozenset(dir(builtins)) | {"self", "cls"}
C_WORDS = """
    if else for while do switch case default break continue return goto try catch finally throw
    throws new delete class struct enum union interface extends implements public private
    protected static final const void int long short char float double bool boolean byte signed
    unsigned auto var let function template typename using namespace sizeof this super null
    nullptr true false String System out println printf Scanner main args include define import
    package inline virtual operator typedef extern volatile export async await typeof
    ifdef ifndef endif elif undef pragma error defined once
"""
C_KEPT = frozenset(C_WORDS.split())
C_TOKEN = re.compile(
    r"(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<string>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')"
    r"|(?P<number>\b\d[\w.]*)|(?P<word>[A-Za-z_]\w*)|(?P<rest>\s+|.)",
    re.DOTALL,
)
DEAD_PYTHON = "if {name} is None:\n    {name} = {number}\n    {other} = [{name}, {number}]\n"
DEAD_C = "int {name} = {number};\nif ({name} > {number}) {{ {other}({name}); }}\n"


def is_python(text: str) -> bool:
    """Whether `text` parses as Python and says something."""
    try:
        return bool(ast.parse(text).body)
    except (SyntaxError, ValueError, RecursionError):
        return False


def without_comments(text: str, dice: random.Random) -> str:
    """Comments gone, and blank lines."""
    if not is_python(text):
        kept = (m.group() for m in C_TOKEN.finditer(text) if m.lastgroup != "comment")
        return re.sub(r"\n\s*\n", "\n", "".join(kept))
    return re.sub(r"\n\s*\n", "\n", _python(text, lambda kind, value: None, comments=False))


def renamed(text: str, dice: random.Random) -> str:
    """Every name of the author's own is another."""
    names: dict[str, str] = {}

    def name(value: str) -> str:
        return names.setdefault(value, f"{dice.choice('abcdefgh')}{len(names)}x")

    if not is_python(text):
        return "".join(
            name(m.group()) if m.lastgroup == "word" and m.group() not in C_KEPT else m.group()
            for m in C_TOKEN.finditer(text)
        )
    own = _own_names(text)
    return _python(text, lambda kind, value: name(value) if value in own else None)


def other_literals(text: str, dice: random.Random) -> str:
    """Every string and number says something else."""

    def other(kind: str, value: str) -> str | None:
        if kind == "number":
            return str(dice.randrange(3, 999))
        if kind == "string":
            return f'"{dice.choice(["message", "note", "value"])} {dice.randrange(999)}"'
        return None

    if is_python(text):
        return _python(text, other)
    return "".join(other(m.lastgroup or "", m.group()) or m.group() for m in C_TOKEN.finditer(text))


def reordered(text: str, dice: random.Random) -> str:
    """Functions and classes in another order."""
    pieces = _pieces(text)
    dice.shuffle(pieces)
    return "\n".join(pieces)


def with_dead_code(text: str, dice: random.Random) -> str:
    """A few statements that do nothing, at every tenth line or so."""
    dead = DEAD_PYTHON if is_python(text) else DEAD_C
    result = []
    for line in text.splitlines():
        result.append(line)
        if dice.random() < 0.1 and (line.endswith(";") or re.fullmatch(r"(\s*)\w+ = .+\w", line)):
            indent = line[: len(line) - len(line.lstrip())]
            made = dead.format(name=f"t{dice.randrange(99)}", number=dice.randrange(99), other="u")
            result += [indent + one for one in made.splitlines()]
    return "\n".join(result)


def swapped_loops(text: str, dice: random.Random) -> str:
    """Each `for (a; b; c)` is a `while`; in Python, each `for` runs over an enumeration."""
    if is_python(text):
        return re.sub(
            r"\bfor (\w+) in ([^:\n]+):$", r"for _, \1 in enumerate(\2):", text, flags=re.M
        )
    return re.sub(r"\bfor\s*\(([^;()]*);([^;()]*);([^;()]*)\)", r"\1; while (\2)", text)


def half(text: str, dice: random.Random) -> str:
    """Every other function or class, to be padded by the caller."""
    pieces = _pieces(text)
    return "\n".join(pieces[:: 2 if len(pieces) > 1 else 1])


def disguised(text: str, dice: random.Random) -> str:
    """Comments, names, order and loops changed at once; what the literals say is left."""
    for edit in (without_comments, reordered, renamed, swapped_loops):
        text = edit(text, dice)
    return text


def rewritten(text: str, dice: random.Random) -> str:
    """All of it: disguised, with other literals and dead code."""
    return with_dead_code(other_literals(disguised(text, dice), dice), dice)


EDITS: dict[str, Edit] = {
    "without_comments": without_comments,
    "renamed": renamed,
    "other_literals": other_literals,
    "reordered": reordered,
    "with_dead_code": with_dead_code,
    "swapped_loops": swapped_loops,
    "disguised": disguised,
    "rewritten": rewritten,
}


def _own_names(text: str) -> set[str]:
    """Names that a Python text binds itself."""
    own: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
        elif isinstance(node, ast.arg):
            own.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            own.add(node.name)
    return {name for name in own if name not in KEPT and not name.startswith("__")}


def _python(text: str, change: Callable[[str, str], str | None], *, comments: bool = True) -> str:
    """The text with each token changed by (kind, value); None leaves it."""
    kinds = {tokenize.STRING: "string", tokenize.NUMBER: "number", tokenize.NAME: "word"}
    lines, edits = text.splitlines(keepends=True), []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not comments:
            edits.append((token.start, token.end, ""))
        kind = kinds.get(token.type)
        if kind is None or keyword.iskeyword(token.string):
            continue
        made = change(kind, token.string)
        if made is not None:
            edits.append((token.start, token.end, made))
    for (row, column), (last_row, last_column), made in reversed(edits):
        head, tail = lines[row - 1][:column], lines[last_row - 1][last_column:]
        lines[row - 1 : last_row] = [head + made + tail]
    return "".join(lines)


def _pieces(text: str) -> list[str]:
    """The top-level statements of Python; else what lies between braces of the first two depths."""
    if is_python(text):
        lines = text.splitlines()
        starts = [
            min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) - 1
            for node in ast.parse(text).body
        ]
        ends = [*starts[1:], len(lines)]
        return ["\n".join(lines[a:b]) for a, b in zip(starts, ends, strict=True)]
    return re.split(r"(?<=\n)(?=[ \t]{0,4}\S[^\n;]*\)[^\n;]*\{[ \t\r]*\n)", text)
