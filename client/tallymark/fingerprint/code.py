"""The sketch of a source file: what copies share when names, comments and order have changed.

Sorted distinct uint32, by two low bits in three sets:

- LONG: runs of ten abstract tokens, winnowed (Schleimer, Wilkerson and Aiken 2003, "Winnowing"):
  of each four in a row the one that hashes least, so that any thirteen shared tokens show;
- SHORT: all runs of four, up to three times each: small programs have too few long ones;
- LITERAL: what strings and numbers say, as runs of four characters.

The standard library suffices, so that an owner at home and the service compute the same.
"""

import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from .code_tokens import Code, read, string_words
from .minhash import mixed

CODE_SCHEME = "code/1"
LONG, SHORT, LITERAL = 0, 1, 2
MASK = 0xFFFFFFFC
LONG_TOKENS = 10
WINDOW = 4
SHORT_TOKENS = 4
MOST_TIMES = 3
LEAST_KINDS = 4
"""A long run of fewer kinds of token is a table of numbers or a list of names: it says nothing."""
LITERAL_CHARACTERS = 4
LONGEST_LITERAL = 2_000
EVERYDAY_NUMBERS = frozenset({"0", "1", "2"})

EXTENSIONS = """
    .py .pyx .pyi .ipy .java .kt .kts .scala .groovy .c .h .cc .cpp .cxx .hpp .hh .hxx .ino .cu
    .cuh .m .mm .cs .go .rs .swift .js .jsx .mjs .cjs .ts .tsx .vue .php .rb .pl .pm .sh .bash
    .zsh .ps1 .r .jl .lua .hs .ml .mli .fs .ex .exs .erl .clj .lisp .el .scm .sql .sol .vy .dart
    .d .nim .zig .v .sv .vhd .vhdl .f .f90 .f95 .for .pas .adb .ads .asm .s .tcl .cob .cbl .bas
    .vb .matlab .proto .cmake .gradle
"""
KNOWN = frozenset(EXTENSIONS.split())


def is_source(name: str) -> bool:
    """Whether a key or file name ends as that of a source file."""
    return PurePosixPath(name.lower()).suffix in KNOWN


def sketch(text: str) -> list[int]:
    """The sketch of a source text: ascending distinct uint32; empty where nothing is to compare."""
    code = read(text)
    made = {value & MASK | LONG for value in winnowed(long_hashes(code.codes))}
    made.update(hashed(run) & MASK | SHORT for run in short_runs(code.codes))
    made.update(hashed(said.encode()) & MASK | LITERAL for said in literals(code))
    return sorted(made)


def hashed(data: bytes) -> int:
    """The CRC-32 of some bytes, spread over all 32 bits by MurmurHash3's finaliser."""
    return mixed(zlib.crc32(data))


def long_hashes(codes: bytes) -> list[int | None]:
    """The hash of the run at each place; None where the run says nothing."""
    runs = (codes[at : at + LONG_TOKENS] for at in range(len(codes) - LONG_TOKENS + 1))
    return [hashed(run) if len(set(run)) >= LEAST_KINDS else None for run in runs]


def winnowed(hashes: list[int | None]) -> Iterator[int]:
    """Of each WINDOW in a row the least."""
    for at in range(max(len(hashes) - WINDOW + 1, min(len(hashes), 1))):
        known = [value for value in hashes[at : at + WINDOW] if value is not None]
        if known:
            yield min(known)


def short_runs(codes: bytes) -> Iterator[bytes]:
    """Each run of four tokens with the number of times it was met before, up to MOST_TIMES."""
    met: Counter[bytes] = Counter()
    for at in range(len(codes) - SHORT_TOKENS + 1):
        run = codes[at : at + SHORT_TOKENS]
        met[run] += 1
        if met[run] <= MOST_TIMES and len(set(run)) >= SHORT_TOKENS - 1:
            yield run + bytes([met[run]])


def literals(code: Code) -> Iterator[str]:
    """What the literals of a source say: the numbers, and the words of strings in runs."""
    for number in code.numbers:
        if number not in EVERYDAY_NUMBERS:
            yield f"#{number}"
    for string in code.strings:
        words = " ".join(string_words(string[:LONGEST_LITERAL]))
        if words:
            said = f" {words} "
            for at in range(max(len(said) - LITERAL_CHARACTERS + 1, 1)):
                yield said[at : at + LITERAL_CHARACTERS]
