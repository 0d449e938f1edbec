"""Labelled texts, as calibration and the quality benchmark read them.

The development data lie outside the project; `read_pairs` and `read_records` take anybody's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DEVELOPMENT = ROOT.parent / "shared" / "data"
COPY = frozenset(["1", "true", "4", "copy", "match", "yes"])
NO_COPY = frozenset(["0", "false", "no", "non-match"])


class Pair(NamedTuple):
    """Two contents and whether one was made from the other."""

    a: Any
    b: Any
    is_copy: bool
    kind: str = "text"


class Row(NamedTuple):
    """A content of a family; those of one family are copies of one another."""

    id: str
    content: Any
    family: str
    kind: str = "text"


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file."""
    with path.open(encoding="utf-8") as file:
        yield from (json.loads(line) for line in file if line.strip())


def read_pairs(path: Path) -> list[Pair]:
    """`{"a", "b", "label", "kind"}` a line; label 1 or true is a copy, 0 or false is none.

    Raises ValueError for a label that is neither.
    """
    found = []
    for row in lines(path):
        label = str(row["label"]).lower()
        if label not in COPY | NO_COPY:
            raise ValueError(f"{path}: {row['label']!r} is no label; write 1 or 0")
        found.append(Pair(row["a"], row["b"], label in COPY, row.get("kind", "text")))
    return found


def read_records(path: Path) -> list[Row]:
    """`{"id", "text"|"code"|"row"|"image", "family"}` a line; an image as a path or base64."""
    found = []
    for row in lines(path):
        kind = next(kind for kind in ("text", "code", "row", "image") if kind in row)
        found.append(Row(str(row["id"]), row[kind], str(row["family"]), kind))
    return found


def development_pairs(folder: Path) -> dict[str, list[Pair]]:
    """Labelled sentences by set; of Finnish only what is surely a paraphrase, or surely none."""
    pan = lines(folder / "pan_sentence_pairs/train.jsonl")
    wiki = lines(folder / "wiki_split/test.jsonl")
    turk = lines(folder / "turkcorpus/test.jsonl")
    turku = lines(folder / "turku_fi_pairs/dev.jsonl")
    found = {
        "pan_sentences": [Pair(row["a"], row["b"], row["label"] == 1) for row in pan],
        "wiki_split": [Pair(row["a"], row["b"], is_copy=True) for row in wiki],
        "turkcorpus": [
            Pair(row["orig"], again, is_copy=True) for row in turk for again in row["rewrites"]
        ],
        "turku_finnish": [
            Pair(row["a"], row["b"], row["label"] != "1")
            for row in turku
            if row["label"][0] in "14"
        ],
    }
    return {name: [pair for pair in pairs if pair.a != pair.b] for name, pairs in found.items()}


def articles(folder: Path) -> list[Row]:
    """Whole articles; twenty of them are plagiarised."""
    twin = {
        name: row["a"]
        for row in lines(folder / "articles_plagiarised/truth_2500.jsonl")
        for name in (row["a"], row["b"])
    }
    found = lines(folder / "articles_plagiarised/articles_2500.jsonl")
    return [Row(row["id"], row["text"], twin.get(row["id"], row["id"])) for row in found]


def families(pairs: Sequence[Pair]) -> tuple[list[Any], list[int]]:
    """The distinct contents of pairs, and of each the number of its family of copies."""
    places: dict[Any, int] = {}
    for pair in pairs:
        places.setdefault(pair.a, len(places))
        places.setdefault(pair.b, len(places))
    parents = list(range(len(places)))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    for pair in pairs:
        if pair.is_copy:
            parents[root(places[pair.a])] = root(places[pair.b])
    return list(places), [root(place) for place in range(len(places))]


def of_kind(rows: Iterable[Row], kind: str) -> list[Row]:
    """The rows of one kind."""
    return [row for row in rows if row.kind == kind]
