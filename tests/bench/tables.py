"""Labelled and made-up table rows, as the programs of this folder measure verdicts on rows."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from tallymark.fingerprint.rows import row

from ingest.fingerprint import rows

Cells = dict[str, Any]
BATCH = 1_000
"""Rows that the pipeline sees at once, on which the weights of their tokens depend."""
MOST_PER_KEY = 64
MOST_PER_NUMBER = 16
LEAST_SHARED_KEYS = 2
MOST_INNOCENTS = 4_000
MADE_UP_ROWS = 1_200
MADE_UP = frozenset({"albums", "figures", "goods", "orders", "people"})
"""Groups whose copies, and mostly rows too, a program made."""


class Pairs(NamedTuple):
    """Pairs of sketches with their labels: 1 for copies."""

    name: str
    group: str
    pairs: list[tuple[bytes, bytes]]
    labels: list[int]
    missed: int = 0
    """Copies that no lookup would have brought together."""


def sketched(records: Sequence[Cells]) -> list[bytes]:
    """The sketches of rows, batch by batch."""
    texts = [row(cells) for cells in records]
    return [
        sketch
        for at in range(0, len(texts), BATCH)
        for sketch in rows.sketches(texts[at : at + BATCH], [])
    ]


def labelled_pairs(path: Path) -> Pairs:
    """A file of JSON lines {"a", "b", "label"} whose sides are objects of cells."""
    found = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    made = sketched([one[side] for one in found for side in ("a", "b")])
    pairs = list(zip(made[::2], made[1::2], strict=True))
    group = path.name.split(".")[0].removesuffix("_dirty")
    return Pairs(path.name, group, pairs, [int(one["label"]) for one in found])


def candidates(sketches: Sequence[bytes]) -> list[tuple[int, int]]:
    """The places of those that share enough keys, as the lookups would find them."""
    found = _sharing(sketches, rows.keys, LEAST_SHARED_KEYS, MOST_PER_KEY)
    return sorted(found | _sharing(sketches, rows.number_keys, 1, MOST_PER_NUMBER))


def _sharing(
    sketches: Sequence[bytes], keys: Callable[[bytes], Any], least: int, most_per_key: int
) -> set[tuple[int, int]]:
    holders: dict[int, list[int]] = defaultdict(list)
    for place, sketch in enumerate(sketches):
        for key in keys(sketch).tolist() if sketch else ():
            holders[key].append(place)
    shared = Counter(
        pair for places in holders.values() for pair in combinations(places[:most_per_key], 2)
    )
    return {pair for pair, count in shared.items() if count >= least}


def families(name: str, records: Sequence[Cells], ids: Sequence[str], group: str) -> Pairs:
    """The candidates among records, of which those of one family are copies.

    A family's first rows are sketched together, then the second ones, and so on: an owner's
    table rarely holds the copies that others made.
    """
    members: dict[str, list[int]] = defaultdict(list)
    turns: dict[int, list[int]] = defaultdict(list)
    for place, family in enumerate(ids):
        turns[len(members[family])].append(place)
        members[family].append(place)
    sketches = [b""] * len(records)
    for places in turns.values():
        made = sketched([records[place] for place in places])
        for place, sketch in zip(places, made, strict=True):
            sketches[place] = sketch
    true = {pair for places in members.values() for pair in combinations(places, 2)}
    found = candidates(sketches)
    innocents = [pair for pair in found if pair not in true]
    if len(innocents) > MOST_INNOCENTS:
        innocents = random.Random(1).sample(innocents, MOST_INNOCENTS)
    copies = [pair for pair in found if pair in true]
    pairs = [(sketches[one], sketches[other]) for one, other in copies + innocents]
    labels = [1] * len(copies) + [0] * len(innocents)
    return Pairs(name, group, pairs, labels, len(true) - len(copies))


def febrl(path: Path) -> Pairs:
    """People and their corrupted copies; `rec_id` names the family, and is not compared."""
    with path.open(encoding="utf-8", newline="") as file:
        records = [
            {name.strip(): cell.strip() for name, cell in cells.items()}
            for cells in csv.DictReader(file, skipinitialspace=True)
        ]
    ids = [cells.pop("rec_id").split("-")[1] for cells in records]
    return families(path.name, records, ids, "febrl")


def with_dirty_copies(name: str, records: Sequence[Cells], seed: int) -> Pairs:
    """Records that are all different, a third of them with a dirty copy."""
    chance = random.Random(seed)
    copied = chance.sample(range(len(records)), len(records) // 3)
    copies = [dirty(records[place], chance) for place in copied]
    ids = [str(place) for place in [*range(len(records)), *copied]]
    return families(name, [*records, *copies], ids, name)


def dirty(cells: Cells, chance: random.Random) -> Cells:
    """A copy as careless hands make it: typing errors, cells lost, moved, cut and reordered."""
    made = {name: str(cell) for name, cell in cells.items()}
    names = [name for name, cell in made.items() if cell]
    for _ in range(chance.randint(1, 1 + len(names) // 2)):
        name = chance.choice(names)
        change = chance.choice((_mistyped, _mistyped, _shuffled, _shortened, _lost))
        made[name] = change(made[name], chance)
    if chance.random() < 0.3 and len(names) > 1:
        source, target = chance.sample(names, 2)
        made[target] = f"{made[target]} {made[source]}".strip()
        made[source] = ""
    return made


def _mistyped(text: str, chance: random.Random) -> str:
    if not text:
        return text
    at, letter = chance.randrange(len(text)), chance.choice("abcdefghijklmnopqrstuvwxyz")
    if text[at].isdigit():
        letter = chance.choice("0123456789")
    return text[:at] + chance.choice(("", letter, letter + text[at])) + text[at + 1 :]


def _shuffled(text: str, chance: random.Random) -> str:
    words = text.split()
    chance.shuffle(words)
    return " ".join(words)


def _shortened(text: str, chance: random.Random) -> str:
    words = text.split()
    at = chance.randrange(len(words)) if words else 0
    return " ".join([*words[:at], *(word[:1] for word in words[at : at + 1]), *words[at + 1 :]])


def _lost(text: str, chance: random.Random) -> str:
    return ""


def albums(folder: Path) -> Pairs:
    """Songs of real tables: those of one artist and album are different rows, not copies."""
    found: dict[str, Cells] = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found.update((row(cells), cells) for cells in csv.DictReader(file))
    return with_dirty_copies("albums", list(found.values())[: 2 * MADE_UP_ROWS], seed=2)


def _word(chance: random.Random, syllables: int) -> str:
    return "".join(
        chance.choice("bdfgklmnprstvz") + chance.choice("aeiou") for _ in range(syllables)
    )


def _figures(chance: random.Random) -> Iterator[Cells]:
    """A statistical table: all but the figures of a row comes again and again."""
    places = [_word(chance, 4) for _ in range(60)]
    subjects = [" ".join(_word(chance, 3) for _ in range(3)) for _ in range(8)]
    for place in places:
        for year in range(1990, 2020):
            yield {
                "country": place, "year": year, "indicator": chance.choice(subjects),
                "value": chance.randrange(10**6, 10**8), "share": round(chance.random() * 100, 2),
                "unit": "persons", "source": "national office",
            }  # fmt: skip


def _goods(chance: random.Random) -> Iterator[Cells]:
    """A catalogue: variants of one article differ in a size, a colour and a number."""
    for _ in range(200):
        maker, model = _word(chance, 3), f"{_word(chance, 2)}-{chance.randrange(100, 999)}"
        kind = " ".join(_word(chance, 3) for _ in range(3))
        sizes = chance.sample(range(1, 90), 3)
        for size in sizes:
            for colour in chance.sample(("black", "white", "silver", "red", "blue"), 2):
                yield {
                    "title": f"{maker} {model} {kind} {size} cm {colour}", "brand": maker,
                    "price": round(chance.random() * 300, 2), "sku": chance.randrange(10**5, 10**6),
                    "category": chance.choice(("home", "office", "garden")),
                }  # fmt: skip


def _orders(chance: random.Random) -> Iterator[Cells]:
    """A log: most cells are one of a few words, and an identifier and a sum tell rows apart."""
    states = ("shipped", "returned", "waiting for payment", "delivered")
    firms = [f"{_word(chance, 3)} logistics" for _ in range(12)]
    for number in range(MADE_UP_ROWS):
        yield {
            "order": 7_000_000 + number * 7, "state": chance.choice(states),
            "carrier": chance.choice(firms), "country": chance.choice(("germany", "france")),
            "payment": chance.choice(("credit card", "invoice")), "express": chance.random() < 0.5,
            "date": f"2024-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}",
            "total": round(chance.random() * 900, 2),
        }  # fmt: skip


def _people(chance: random.Random) -> Iterator[Cells]:
    """A register: those of one household share a name, an address and a telephone."""
    given = [_word(chance, chance.choice((2, 3))) for _ in range(150)]
    surnames = [_word(chance, chance.choice((2, 3, 4))) for _ in range(300)]
    streets = [f"{_word(chance, 3)} {chance.choice(('street', 'road'))}" for _ in range(200)]
    towns = [(_word(chance, 4), chance.randrange(1000, 9999)) for _ in range(80)]
    for _ in range(MADE_UP_ROWS // 2):
        town, code = chance.choice(towns)
        shared = {
            "surname": chance.choice(surnames), "house": chance.randrange(1, 200),
            "street": chance.choice(streets), "town": town, "code": code,
            "telephone": f"0{chance.randrange(10**8, 10**9)}",
        }  # fmt: skip
        for _ in range(chance.choice((1, 1, 2, 4))):
            born = f"{chance.randrange(1930, 2010)}{chance.randrange(1, 13):02}11"
            number = chance.randrange(10**6, 10**7)
            yield {"given": chance.choice(given), **shared, "born": born, "number": number}


def made_up() -> Iterable[Pairs]:
    """Tables that nobody labelled, because they were made so: hard innocents, dirty copies."""
    for name, make in (("figures", _figures), ("goods", _goods), ("orders", _orders),
                       ("people", _people)):  # fmt: skip
        chance = random.Random(name)
        found = list(make(chance))
        yield with_dirty_copies(name, chance.sample(found, min(len(found), MADE_UP_ROWS)), seed=3)


def labelled(folder: Path) -> list[Pairs]:
    """Every set of rows under the folder of development data, and the made-up ones."""
    return [
        *(febrl(path) for path in sorted((folder / "febrl").glob("*.csv"))),
        *(labelled_pairs(path) for path in sorted((folder / "er_tables").glob("*.jsonl"))),
        albums(folder / "table_overlap"),
        *made_up(),
    ]
