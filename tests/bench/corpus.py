"""Texts to measure with: what this machine has to read, cut into records, and edited copies.

Documentation, manual pages and the sources of this Python are cut at paragraphs into records of
about 1 KB (300 to 5,000 characters). Some are copied with a known share of words replaced,
inserted or left out, and some in the ways copyists take. Everything follows from the seed and
from what is installed, so that two machines measure on like, not on equal texts; `read` takes a
file of your own instead.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

FOLDERS = ("/usr/share/doc", "/usr/share/man", "/usr/share/perl", "/usr/share/vim")
ENDINGS = (".txt", ".md", ".rst", ".py", ".pod", ".pm", ".html", ".gz", "copyright", "README")
LONGEST_FILE = 400_000
MOST_OF_A_FILE = 14
"""Records: no single manual may be the corpus."""
EDIT_RATES = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
MARKUP = re.compile(
    r"(?s)<(script|style).*?</\1>|<[^>]*>|(?m:^[.'](?:\\\"|[A-Za-z]{1,3}) ?)|\\f[BIRP]"
)
FRAME = "This record was exported by an exchange on behalf of its owner. All rights reserved."


class Item(NamedTuple):
    """A record, and what it was made from."""

    text: str
    source: int = -1
    """The place of the record that it is a copy of, or -1."""
    edit: str = ""
    """How it was changed: a rate of changed words, or a name of `WAYS`."""


def read(path: Path) -> list[Item]:
    """The records of a file: JSONL with a column `text`, else one record a line."""
    lines = path.read_text("utf-8").splitlines()
    if path.suffix == ".jsonl":
        return [Item(json.loads(line)["text"]) for line in lines]
    return [Item(line) for line in lines if line.strip()]


def made(count: int, *, seed: int = 7) -> list[Item]:
    """About `count` records, a quarter of them copies; fewer where the machine has less to read."""
    rng = random.Random(seed)
    found = _records(rng, count * 3 // 4)
    originals = [Item(text) for text in found]
    words = [word for text in rng.sample(found, min(800, len(found))) for word in text.split()]
    each = max(1, (count - len(found)) // (len(EDIT_RATES) + len(WAYS)))
    copies: list[Item] = []
    for rate in EDIT_RATES:
        for place in rng.sample(range(len(found)), min(each, len(found))):
            copies.append(Item(edited(found[place], rate, words, rng), place, str(rate)))
    for name, change in WAYS.items():
        for place in rng.sample(range(len(found)), min(each, len(found))):
            copies.append(Item(change(found[place], rng), place, name))
    return originals + copies


def edited(text: str, rate: float, words: list[str], rng: random.Random) -> str:
    """`text` with about `rate` of its words replaced (half), doubled by another, or left out."""
    pieces = re.split(r"(\s+)", text)
    for place in range(0, len(pieces), 2):
        if rng.random() < rate:
            chance = rng.random()
            kept = f"{pieces[place]} " if 0.5 <= chance < 0.75 else ""
            pieces[place] = kept + rng.choice(words) if chance < 0.75 else ""
    return "".join(pieces)


def _cut(text: str, rng: random.Random) -> str:
    return text[: int(len(text) * rng.uniform(0.6, 0.95))]


def _turned(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    first = rng.randrange(len(lines))
    return "\n".join(lines[first:] + lines[:first])


WAYS: dict[str, Callable[[str, random.Random], str]] = {
    "same": lambda text, _: text,
    "case": lambda text, _: text.upper(),
    "spacing": lambda text, _: text.replace("\n", " ").replace(" ", "  "),
    "framed": lambda text, _: f"{FRAME}\n{text}\n-- end of record --",
    "cut": _cut,
    "turned": _turned,
}


def _records(rng: random.Random, count: int) -> list[str]:
    seen: dict[str, None] = {}
    for path in _paths(rng):
        if len(seen) >= count:
            break
        seen.update(dict.fromkeys(_parts(_text(path), rng)))
    records = list(seen)[:count]
    rng.shuffle(records)
    return records


def _paths(rng: random.Random) -> list[Path]:
    roots = [Path(name) for name in (*FOLDERS, sysconfig.get_path("stdlib"))]
    found = sorted(
        path
        for root in roots
        if root.is_dir()
        for path in root.rglob("*")
        if path.name.endswith(ENDINGS) and path.is_file() and not path.is_symlink()
    )
    rng.shuffle(found)
    return found


def _text(path: Path) -> str:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            text = stream.read(LONGEST_FILE).decode()
    except (OSError, EOFError, UnicodeDecodeError):
        return ""
    return "" if "\0" in text else MARKUP.sub(" ", text)


def _parts(text: str, rng: random.Random) -> Iterator[str]:
    """Whole paragraphs, until a record is as long as was drawn for it."""
    paragraphs = re.split(r"\n\s*\n", text)
    part, made = "", 0
    size = _size(rng)
    for paragraph in paragraphs:
        part = f"{part}\n\n{paragraph}" if part else paragraph
        if len(part) < size:
            continue
        if len(part.split()) >= 30:
            yield part[:5000]
            made += 1
        if made == MOST_OF_A_FILE:
            return
        part, size = "", _size(rng)


def _size(rng: random.Random) -> int:
    return int(min(5000, max(300, rng.lognormvariate(7.0, 0.7))))
