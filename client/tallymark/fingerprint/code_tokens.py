"""Source code as a stream of abstract tokens, in whatever language it is written.

A name is a name whatever it is called, a literal is a literal whatever it says; comments,
docstrings, imports, modifiers and closing punctuation say nothing, and words that mean the same in
several languages (`null`, `None`, `nil`) or forms that a copyist swaps (`for`, `while`) are one
token. What the literals say is kept beside the stream: it is evidence of its own.

Only the text decides, never a file's name, so that the same source has the same tokens under any
name and at any place. The tables below are part of the scheme: a change is a new SCHEME.
"""

import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

GUESSED_CHARACTERS = 20_000
"""So much of a text is read to guess how its comments begin."""
RARITY = 2

CLASSES = (
    "name", "number", "string", "other", "loop", "if", "else", "switch", "case", "default",
    "break", "continue", "return", "goto", "try", "catch", "finally", "throw", "new", "delete",
    "class", "function", "in", "is", "this", "super", "null", "true", "false", "await", "yield",
    "with", "sizeof", "assert", "global", "lambda", "template", "type", "pass", "select", "from",
    "where", "insert", "update", "join", "group", "order", "create", "values", "=", "assign",
    "compare", "equal", "and", "or", "not", "+", "-", "*", "/", "%", "shift", "bits", ".", ",",
    "(", "[", "]", "?", "@", "$", "arrow",
)  # fmt: skip
"""The kinds of token; types are names, because one author's type is another's."""
CODE_OF = {name: code for code, name in enumerate(CLASSES)}
NAME = CODE_OF["name"]

WORDS = {
    "loop": "for while do foreach",
    "if": "if elif elseif elsif",
    "else": "else",
    "switch": "switch",
    "case": "case",
    "default": "default",
    "break": "break",
    "continue": "continue",
    "return": "return",
    "goto": "goto",
    "try": "try",
    "catch": "catch except",
    "finally": "finally",
    "throw": "throw throws raise",
    "new": "new",
    "delete": "delete del",
    "class": "class struct enum interface trait impl union namespace",
    "function": "def func fn fun function",
    "in": "in",
    "is": "is instanceof",
    "this": "this self",
    "super": "super",
    "null": "null None nil nullptr undefined NULL",
    "true": "true True",
    "false": "false False",
    "await": "await",
    "yield": "yield",
    "with": "with",
    "sizeof": "sizeof",
    "assert": "assert",
    "global": "global nonlocal",
    "lambda": "lambda",
    "template": "template typename",
    "type": "typeof typedef",
    "pass": "pass",
    "and": "and",
    "or": "or",
    "not": "not",
}
SILENT_WORDS = (
    "public private protected static final const abstract virtual override inline extern volatile "
    "synchronized transient readonly mut pub export async extends implements explicit constexpr "
    "register friend local my our declare native strictfp"
)
WORDS_WITHOUT_BRACES = {"loop": "until repeat", "if": "unless when", "catch": "rescue"}
"""Where blocks end by a word, these are words of the language; elsewhere they are names."""
SILENT_WITHOUT_BRACES = "begin end then done fi esac ensure"
WORDS_OF_QUERIES = {
    "select": "select",
    "from": "from into",
    "where": "where having",
    "insert": "insert",
    "update": "update",
    "join": "join union",
    "group": "group",
    "order": "order",
    "create": "create",
    "values": "values",
}
OPERATORS = {
    "=": "=", ":=": "=",
    "+=": "assign", "-=": "assign", "*=": "assign", "/=": "assign", "%=": "assign",
    "&=": "assign", "|=": "assign", "^=": "assign", "<<=": "assign", ">>=": "assign",
    "**=": "assign", "//=": "assign", "++": "assign", "--": "assign",
    "<": "compare", ">": "compare", "<=": "compare", ">=": "compare", "<=>": "compare",
    "==": "equal", "!=": "equal", "===": "equal", "!==": "equal", "<>": "equal", "~=": "equal",
    "&&": "and", "||": "or", "!": "not", "~": "not",
    "+": "+", "-": "-", "*": "*", "**": "*", "/": "/", "//": "/", "%": "%",
    "<<": "shift", ">>": "shift", ">>>": "shift", "&": "bits", "|": "bits", "^": "bits",
    ".": ".", "->": ".", "::": ".", "?.": ".", ",": ",", "(": "(", "[": "[", "]": "]",
    "?": "?", "@": "@", "$": "$", "=>": "arrow",
}  # fmt: skip
SILENT_OPERATORS = frozenset("(){};:") - {"("}

_OPERATOR_CODES: dict[str, int | None] = {
    sign: CODE_OF[name] for sign, name in OPERATORS.items()
} | dict.fromkeys(SILENT_OPERATORS)


class Family(Enum):
    """Languages by how their comments begin."""

    SLASH = "C and all that look like it"
    HASH = "Python, Ruby, shell, R"
    DASH = "SQL, Lua, Haskell, Ada"
    SEMICOLON = "Lisp, assembler"
    PERCENT = "TeX, MATLAB, Erlang"


def _codes(silent: str, *tables: dict[str, str]) -> dict[str, int | None]:
    """The class of each word; None for a silent one."""
    spoken = {word: CODE_OF[name] for table in tables for name, words in table.items()
              for word in words.split()}  # fmt: skip
    return spoken | dict.fromkeys(silent.split())


_WITH_BRACES = _codes(SILENT_WORDS, WORDS)
_WITHOUT_BRACES = _codes(f"{SILENT_WORDS} {SILENT_WITHOUT_BRACES}", WORDS, WORDS_WITHOUT_BRACES)
_WORD_CODES = dict.fromkeys(Family, _WITHOUT_BRACES) | {
    Family.SLASH: _WITH_BRACES,
    Family.DASH: _WITHOUT_BRACES | _codes("", WORDS_OF_QUERIES),
}

_IMPORT = r"^[ \t]*(?:import|from|using|package|include|require|use|library|source)\b[^\n(={]*$"
_PREPROCESSOR = "include define if ifdef ifndef elif else endif undef pragma error line region"
_COMMENTS = {
    Family.SLASH: r"//[^\n]*|/\*.*?(?:\*/|\Z)|^[ \t]*#[ \t]*include[^\n]*"
    rf"|^[ \t]*#(?![ \t]*(?:{_PREPROCESSOR.replace(' ', '|')})\b|\[)[^\n]*",
    # A string that stands alone where a statement begins is a docstring.
    Family.HASH: r"#[^\n]*|^[ \t]*[rRuUbB]{0,2}(?:\"\"\".*?(?:\"\"\"|\Z)|'''.*?(?:'''|\Z))",
    Family.DASH: r"--\[\[.*?(?:\]\]|\Z)|--[^\n]*|/\*.*?(?:\*/|\Z)|\{-.*?(?:-\}|\Z)",
    Family.SEMICOLON: r";[^\n]*",
    Family.PERCENT: r"%[^\n]*",
}
_REST = (
    r"(?P<string>[rRbBuUfFL]{0,2}(?:\"\"\".*?(?:\"\"\"|\Z)|'''.*?(?:'''|\Z)"
    r"|\"(?:\\.|[^\"\\\n])*\"?|'(?:\\.|[^'\\\n])*')|`[^`]*`)"
    r"|(?P<number>(?:0[xX][\da-fA-F_]+|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)\w*)"
    r"|(?P<word>[^\W\d]\w*)"
    r"|(?P<sign><<=|>>=|>>>|===|!==|\*\*=|//=|<=>|\+\+|--|&&|\|\||[-+*/%&|^=!<>~:]="
    r"|->|::|=>|<>|<<|>>|\*\*|//|\?\.|[^\s\w])"
)
_LEXERS = {
    family: re.compile(f"(?P<silent>{_IMPORT}|{comment})|{_REST}", re.DOTALL | re.MULTILINE)
    for family, comment in _COMMENTS.items()
}
_BLOCKS = "if|for|while|else|try|with|class"
_SIGNALS = {
    Family.SLASH: rf";[ \t\r]*$|^[^\n]*\b(?:{_BLOCKS}|func|fun|fn|do|switch|struct|interface)\b"
    r"[^\n]*\{[ \t\r]*$|^[ \t]*(?:#[ \t]*include|//)",
    Family.HASH: rf"^[ \t]*(?:async |\}})?(?:{_BLOCKS}|def|elif|except|finally)\b[^\n]*:[ \t\r]*$"
    r"|^[ \t]*(?:end|fi|done|esac)[ \t\r]*$|^(?:from|import) [\w., *]+$"
    rf"|^[ \t]*#(?![ \t]*(?:{_PREPROCESSOR.replace(' ', '|')})\b|\[)|^[^\n(]*<-[^\n]*$",
    Family.DASH: r"^[ \t]*(?:--|(?i:select|insert into|create (?:table|view|index)|alter table)\b"
    r"|local [^\n]*=)|^\w+ ::",
    Family.SEMICOLON: r"^[ \t]*(?:;|\(\w)",
    Family.PERCENT: r"^[ \t]*(?:%|\\\w)|^-\w+\(",
}
_SIGNS = {one: re.compile(signs, re.MULTILINE) for one, signs in _SIGNALS.items()}
_SUFFIX = re.compile(r"(?<=[\d.])[fFlLuUdDn]+$")


class Code(NamedTuple):
    """A source as comparisons see it: one byte for each token, their spans, and the literals."""

    codes: bytes
    spans: list[tuple[int, int]]
    strings: list[str]
    numbers: list[str]


def family(text: str) -> Family:
    """How the comments of `text` most likely begin; the rare ones need twice the signs."""
    head = text[:GUESSED_CHARACTERS]
    counts = {one: len(signal.findall(head)) for one, signal in _SIGNS.items()}
    counts[Family.SLASH] *= RARITY
    counts[Family.HASH] *= RARITY
    return max(counts, key=lambda one: counts[one])


def read(text: str) -> Code:
    """The abstract tokens of `text`, and its literals in order."""
    codes, spans = bytearray(), []
    strings: list[str] = []
    numbers: list[str] = []
    spoken = family(text)
    words = _WORD_CODES[spoken]
    for found in _LEXERS[spoken].finditer(text):
        kind, value = found.lastgroup, found.group()
        code = _code(kind, value, words)
        if code is None:
            continue
        if kind == "string":
            strings.append(value)
        elif kind == "number":
            numbers.append(_SUFFIX.sub("", value.replace("_", "")).lower())
        codes.append(code)
        spans.append(found.span())
    return Code(bytes(codes), spans, strings, numbers)


def _code(kind: str | None, value: str, words: dict[str, int | None]) -> int | None:
    """The class of a token; None where it says nothing."""
    if kind == "word":
        return words.get(value, words.get(value.lower(), NAME) if value.isupper() else NAME)
    if kind == "sign":
        return _OPERATOR_CODES.get(value, CODE_OF["other"])
    return None if kind == "silent" else CODE_OF[kind or "other"]


def string_words(literal: str) -> Iterator[str]:
    """The words that a string literal says, case folded, without its quotes and escapes."""
    return (word.casefold() for word in re.findall(r"\w+", re.sub(r"\\.", " ", literal)))
