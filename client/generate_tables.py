"""Write the tables the fingerprints stand on: Unicode 15.1 folding and MinHash permutations.

Interpreters carry different Unicode versions, so a fingerprint that asked the interpreter would
change with it. This program asks once, for one version, and its output is committed. Run it with
a Python whose `unicodedata` is 15.1.0 (CPython 3.13), or with `unicodedata2==15.1.0` installed on
a later one; it refuses anything else. Look-alike letters come from `confusable_homoglyphs==3.3.1`,
which carries the confusables.txt of Unicode 15.1 but for the right-to-left letters, and those are
not folded. Permutations need `datasketch` 2.0 and are written with `--permutations`.

    python client/generate_tables.py [--permutations]
"""

import argparse
import json
import sys
import unicodedata as own_data
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata, resources
from itertools import groupby
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parent / "tallymark" / "fingerprint"
UNICODE_VERSION = "15.1.0"
SURROGATES = range(0xD800, 0xE000)
HANGUL_SYLLABLES = range(0xAC00, 0xD7A4)
REPLACEMENT = chr(0xFFFD)

# Default_Ignorable_Code_Point of DerivedCoreProperties-15.1.0.txt; `unicodedata` lacks it.
IGNORABLE_RANGES = (
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5),
    (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164),
    (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip

SEPARATOR, WORD, MARK, PAIR, TRIPLE = range(5)

# Scripts written without spaces, by the names of their letters: ideographs and syllables carry
# more meaning each, so two of them make a token where the alphabets of South-East Asia need three.
PAIR_NAMES = (
    "CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA",
    "BOPOMOFO", "YI SYLLABLE", "TANGUT", "KHITAN", "NUSHU", "HENTAIGANA",
)  # fmt: skip
TRIPLE_NAMES = (
    "THAI", "LAO", "KHMER", "MYANMAR", "TAI LE", "NEW TAI LUE", "TAI THAM", "TAI VIET", "AHOM",
)  # fmt: skip

# It looks like m as a capital only, and stands for a unit: 5 \u03bcg are not 5 mg.
NOT_FOLDED = {"\u03bc"}
LOOKALIKES = "confusable_homoglyphs"
LOOKALIKES_VERSION = "3.3.1"


def character_data() -> ModuleType:
    """The character database of exactly UNICODE_VERSION."""
    try:
        import unicodedata2 as data
    except ImportError:
        data = own_data
    if data.unidata_version != UNICODE_VERSION:
        sys.exit(f"needs Unicode {UNICODE_VERSION}: use Python 3.13 or unicodedata2==15.1.0")
    if tuple(map(int, own_data.unidata_version.split("."))) < (15, 1, 0):
        sys.exit("str.casefold of this Python is older than Unicode 15.1: use Python 3.13")
    return data


def case_folding(data: ModuleType) -> dict[int, str]:
    """Toward NFKC_Casefold of UAX 44, code point by code point, where it changes the character.

    Beyond it, every control and space character becomes U+0020, and a lone surrogate U+FFFD.
    """
    ignorable = {cp for first, last in IGNORABLE_RANGES for cp in range(first, last + 1)}
    table = {}
    for cp in range(0x110000):
        folded = chr(cp)
        if cp in SURROGATES:
            folded = REPLACEMENT
        elif cp in ignorable:
            folded = ""
        elif data.category(folded) in ("Cc", "Zs", "Zl", "Zp"):
            folded = " "
        elif data.category(folded) != "Cn":
            folded = fixpoint(data, folded, ignorable)
        if folded != chr(cp):
            table[cp] = folded
    return table


def fixpoint(data: ModuleType, text: str, ignorable: set[int]) -> str:
    """Fold case and compatibility and drop ignorables until nothing changes."""
    while True:
        folded = data.normalize("NFKC", data.normalize("NFKC", text.casefold()).casefold())
        folded = "".join(ch for ch in folded if ord(ch) not in ignorable)
        folded = data.normalize("NFC", folded)
        if folded == text:
            return text
        text = folded


def prototypes() -> dict[str, str]:
    """UTS 39: each character whose prototype is one ASCII letter, and that letter in lower case.

    The package lists pairs both ways round; a prototype is never itself a look-alike.
    """
    if metadata.version(LOOKALIKES) != LOOKALIKES_VERSION:
        sys.exit(f"needs {LOOKALIKES}=={LOOKALIKES_VERSION}, whose data are of Unicode 15.1")
    listed = json.loads(resources.files(LOOKALIKES).joinpath("confusables.json").read_text("utf-8"))
    pairs = [(one, pair["c"]) for one, found in listed.items() for pair in found]
    return {
        one: other.lower()
        for one, other in pairs
        if len(one) == len(other) == 1 and one > "\x7f" and other.isascii() and other.isalpha()
    }


def lookalikes(data: ModuleType, folded: dict[int, str]) -> dict[int, str]:
    """The case-folded letters that pass for an ASCII letter themselves, or as a capital.

    Left out are letters of unspaced scripts, whose runs would be cut, and of scripts written from
    right to left, which cannot stand unnoticed among Latin ones.
    """
    known, result = prototypes(), {}
    for cp in range(0x80, 0x110000):
        letter = chr(cp)
        if cp in folded or cp in SURROGATES or letter in NOT_FOLDED or data.decomposition(letter):
            continue
        if data.category(letter)[0] != "L" or token_class(data, cp) != WORD:
            continue
        target = known.get(letter) or known.get(letter.upper())
        if target and data.bidirectional(letter) == "L":
            result[cp] = target
    return result


def folding(data: ModuleType) -> dict[int, str]:
    """`case_folding`, and look-alike letters as the ASCII letter, with or without marks."""
    table = case_folding(data)
    alike = lookalikes(data, table)
    for cp in range(0x110000):
        before = table.get(cp, chr(cp))
        folded = data.normalize("NFC", data.normalize("NFD", before).translate(alike))
        if folded != before:
            table[cp] = folded
    for folded in table.values():
        assert folded.translate(table) == folded, "the fold is not idempotent"
    return table


def token_class(data: ModuleType, cp: int) -> int:
    """What a folded character is to the tokeniser."""
    category = data.category(chr(cp))
    if category[0] == "M":
        return MARK
    if category[0] == "N" and not data.name(chr(cp)).startswith("IDEOGRAPHIC"):
        return WORD
    if category[0] not in "LN":
        return WORD if cp == ord("_") else SEPARATOR
    name = data.name(chr(cp), "")
    if name.startswith(PAIR_NAMES):
        return PAIR
    return TRIPLE if name.startswith(TRIPLE_NAMES) else WORD


def canonical(data: ModuleType) -> Iterator[str]:
    """`CP FIRST [SECOND]` of each canonical decomposition; `!` ends one that never recomposes."""
    for cp in range(0x110000):
        parts = data.decomposition(chr(cp))
        if parts and not parts.startswith("<") and cp not in HANGUL_SYLLABLES:
            stays = data.normalize("NFC", chr(cp)) == chr(cp)
            yield (
                f"{cp:X} " + " ".join(f"{int(p, 16):X}" for p in parts.split()) + " !" * (not stays)
            )


def ranges(value_of: Callable[[int], int]) -> Iterator[str]:
    """`FIRST..LAST VALUE` for every run of code points whose value is not 0."""
    for value, run in groupby(range(0x110000), value_of):
        cps = list(run)
        if value:
            yield f"{cps[0]:X}..{cps[-1]:X} {value}"


def fold_lines(table: dict[int, str]) -> Iterator[str]:
    """`FIRST..LAST +SHIFT` for runs moved alike, `FIRST..LAST HEX ...` for runs with one target."""
    cps = sorted(table)
    start = 0
    while start < len(cps):
        end = start + 1
        first, target = cps[start], table[cps[start]]
        shift = ord(target) - first if len(target) == 1 else None
        alike = moved = True
        while end < len(cps) and cps[end] == first + end - start:
            here = table[cps[end]]
            alike_next = alike and here == target
            moved_next = (
                moved and shift is not None and len(here) == 1 and ord(here) - cps[end] == shift
            )
            if not (alike_next or moved_next):
                break
            alike, moved, end = alike_next, moved_next, end + 1
        span = f"{first:X}..{cps[end - 1]:X}"
        if alike:
            yield f"{span} " + " ".join(f"{ord(ch):X}" for ch in target)
        else:
            yield f"{span} {shift:+d}"
        start = end


def write_unicode() -> None:
    """Write unicode-15.1.txt: what `tables.py` reads."""
    data = character_data()
    fold = folding(data)
    sections: dict[str, Iterable[str]] = {
        "fold": fold_lines(fold),
        "class": ranges(lambda cp: 0 if cp in SURROGATES else token_class(data, cp)),
        "combining": ranges(lambda cp: 0 if cp in SURROGATES else data.combining(chr(cp))),
        "canonical": canonical(data),
    }
    lines = [f"# Unicode {UNICODE_VERSION}, written by client/generate_tables.py; do not edit."]
    for name, body in sections.items():
        lines += [f"[{name}]", *(line.rstrip() for line in body)]
    (FOLDER / "unicode-15.1.txt").write_text("\n".join(lines) + "\n", encoding="ascii")


def write_permutations() -> None:
    """Write permutations.py: the affine32 constants of datasketch 2.0 for seed 1."""
    from datasketch import MinHash

    multipliers, increments = MinHash(128, seed=1, scheme="affine32").permutations
    lines = [
        '"""The affine32 permutations h -> a*h + b (mod 2**32) of datasketch 2.0 for seed 1.',
        "",
        "Written by client/generate_tables.py: the client needs neither numpy nor datasketch.",
        '"""',
        "",
        "# fmt: off",
    ]
    for name, values in (("MULTIPLIERS", multipliers), ("INCREMENTS", increments)):
        lines += ["", f"{name}: tuple[int, ...] = ("]
        for row in range(0, 128, 8):
            lines.append("    " + " ".join(f"{int(v)}," for v in values[row : row + 8]))
        lines.append(")")
    (FOLDER / "permutations.py").write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--permutations", action="store_true", help="write permutations only")
    if arguments.parse_args().permutations:
        write_permutations()
    else:
        write_unicode()
