"""How right the shipped verdicts are, on labelled sets: one JSON line for each figure.

`./run bench quality [FOLDER]`. FOLDER holds the development data, which is not part of the project
(by default ../shared/data); without it there is nothing to measure and that is said. Each line of
kind `set` scores the shipped constants; each of kind `left_out` scores, on one set, the constants
that the other sets would have chosen; `shipped` is what `ingest.verdict` states.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ingest import verdict
from ingest.fingerprint import containment, image, minhash

ROOT = Path(__file__).resolve().parents[2]
CONTAINMENTS = (0.3, 0.4, 0.5, 0.55, 0.6, 0.7, 0.8)
SHARED = (5, 10, 15, 20, 30)
MOST_FALSE = 0.0005
"""What a choice of constants may cost in innocents, on the sets that choose."""


class Sizes(NamedTuple):
    """What a verdict on two texts is made from."""

    shared: int
    one: int
    other: int

    def matches(self, least_containment: float, least_shared: int) -> bool:
        """The verdict under other constants than the shipped ones."""
        enough = self.shared >= least_containment * min(self.one, self.other)
        return self.shared >= least_shared and enough


@dataclass(frozen=True)
class Labelled:
    """A set: pairs that are copies, and innocents with everything that they were held against."""

    name: str
    copies: list[Sizes]
    innocents: list[list[Sizes]]


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines()]


def of_pairs(pairs: Sequence[tuple[str, str]]) -> list[Sizes]:
    sets = minhash.shingles([text for pair in pairs for text in pair])
    return [
        Sizes(len(containment.shared(one, other)), len(one), len(other))
        for one, other in zip(sets[::2], sets[1::2], strict=True)
    ]


def against_all(texts: Sequence[str], copies: Iterable[frozenset[int]] = ()) -> list[list[Sizes]]:
    """Each text against every other, as far as they share a shingle.

    Equal shingle sets are left out: there the label, not the verdict, is in doubt.
    """
    sets, known = minhash.shingles(texts), set(copies)
    holders: dict[int, list[int]] = defaultdict(list)
    for place, shingles in enumerate(sets):
        for shingle in shingles.tolist():
            holders[shingle].append(place)
    shared = Counter(pair for places in holders.values() for pair in combinations(places, 2))
    result: list[list[Sizes]] = [[] for _ in texts]
    for (one, other), count in shared.items():
        sizes = Sizes(count, len(sets[one]), len(sets[other]))
        if frozenset((one, other)) not in known and not sizes[0] == sizes[1] == sizes[2]:
            result[one].append(sizes)
            result[other].append(sizes)
    return result


def articles(folder: Path) -> Labelled:
    found = rows(folder, "articles_plagiarised/articles_2500.jsonl")
    place = {row["id"]: at for at, row in enumerate(found)}
    truth = rows(folder, "articles_plagiarised/truth_2500.jsonl")
    pairs = [(place[row["a"]], place[row["b"]]) for row in truth]
    texts = [row["text"] for row in found]
    copies = of_pairs([(texts[one], texts[other]) for one, other in pairs])
    return Labelled("articles", copies, against_all(texts, map(frozenset, pairs)))


def paired(folder: Path, path: str, name: str, copy: Any, innocent: Any) -> Labelled:
    """A set of pairs with labels."""
    found = rows(folder, path)
    alike = of_pairs([(row["a"], row["b"]) for row in found if row["label"] == copy])
    unlike = of_pairs([(row["a"], row["b"]) for row in found if row["label"] == innocent])
    return Labelled(name, alike, [[sizes] for sizes in unlike])


def wiki_split(folder: Path) -> Labelled:
    found = rows(folder, "wiki_split/test.jsonl")
    copies = of_pairs([(row["a"], row["b"]) for row in found])
    return Labelled("wiki_split", copies, against_all([row["a"] for row in found]))


def turkcorpus(folder: Path) -> Labelled:
    found = rows(folder, "turkcorpus/test.jsonl")
    copies = of_pairs([(row["orig"], again) for row in found for again in row["rewrites"]])
    return Labelled("turkcorpus", copies, against_all([row["orig"] for row in found]))


def irplag(folder: Path) -> Labelled:
    found = rows(folder, "irplag_java/dev.jsonl")
    original = {row["case"]: row["text"] for row in found if row["kind"] == "original"}
    by_kind: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in found:
        by_kind[row["kind"]].append((original[row["case"]], row["text"]))
    unlike = of_pairs(by_kind["independent"])
    return Labelled("irplag_java", of_pairs(by_kind["plagiarised"]), [[one] for one in unlike])


def labelled(folder: Path) -> list[Labelled]:
    return [
        articles(folder),
        paired(folder, "pan_sentence_pairs/train.jsonl", "pan_sentences", 1, 0),
        wiki_split(folder),
        turkcorpus(folder),
        paired(folder, "turku_fi_pairs/dev.jsonl", "turku_finnish", "4", "1"),
        irplag(folder),
    ]


def judged(sizes: Sizes) -> bool:
    """The shipped verdict."""
    shared, one, other = sizes
    made = verdict.judge(same_digest=False, shared=shared, later_size=one, earlier_size=other)
    return made is not None


def scored(name: str, kind: str, found: list[bool], accused: list[bool], **more: Any) -> None:
    low, high = verdict.wilson(sum(accused), len(accused))
    line = {
        "figure": kind,
        "set": name,
        "copies": len(found),
        "found": sum(found),
        "recall": round(sum(found) / len(found), 4) if found else None,
        "innocents": len(accused),
        "accused": sum(accused),
        "false_accusation_interval": [round(low, 6), round(high, 6)],
        **more,
    }
    print(json.dumps(line), flush=True)


def chosen(others: Sequence[Labelled]) -> tuple[float, int]:
    """The constants with the best mean recall among those that accuse few innocents."""
    best, best_recall = (max(CONTAINMENTS), max(SHARED)), -1.0
    innocents = [one for labels in others for one in labels.innocents]
    for point in ((share, count) for share in CONTAINMENTS for count in SHARED):
        false = sum(any(sizes.matches(*point) for sizes in one) for one in innocents)
        recall = np.mean(
            [np.mean([sizes.matches(*point) for sizes in labels.copies]) for labels in others]
        )
        if false <= MOST_FALSE * len(innocents) and recall > best_recall:
            best, best_recall = point, float(recall)
    return best


def texts(folder: Path) -> None:
    sets = labelled(folder)
    accused_in_all: list[bool] = []
    for labels in sets:
        found = [judged(sizes) for sizes in labels.copies]
        accused = [any(map(judged, one)) for one in labels.innocents]
        accused_in_all += accused
        scored(labels.name, "set", found, accused)
    for labels in sets:
        point = chosen([other for other in sets if other is not labels])
        found = [sizes.matches(*point) for sizes in labels.copies]
        accused = [any(sizes.matches(*point) for sizes in one) for one in labels.innocents]
        scored(labels.name, "left_out", found, accused, containment=point[0], shared=point[1])
    scored("all texts", "all", [], accused_in_all)


def pictures(folder: Path) -> Iterator[tuple[str, Path]]:
    """(family, file) of each labelled picture; a photograph of its own is its own family."""
    for row in rows(folder, "images_pdq/labels.jsonl"):
        family = row["file"] if "labelme" in row["file"] else row["family"]
        yield family, folder / "images_pdq" / row["file"]
    for path in sorted((folder / "images_perception").glob("*.[jp][pn]g")):
        yield path.name, path


def images(folder: Path) -> None:
    prints = []
    for family, path in pictures(folder):
        try:
            prints.append((family, image.fingerprint(path.read_bytes())))
        except image.ImageRefused:
            continue
    found, accused = [], []
    for (family, one), (other_family, other) in combinations(prints, 2):
        made = verdict.judge_images(
            same_digest=one.digest == other.digest,
            distance=int(image.distance(one.hashes, other.hashes[0]).min()),
            later_quality=one.quality,
            earlier_quality=other.quality,
        )
        (found if family == other_family else accused).append(made is not None)
    scored("pictures, pair by pair", "set", found, accused, images=len(prints))


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data"
    if not (folder / "articles_plagiarised").is_dir():
        print(json.dumps({"figure": "skipped", "reason": f"no labelled sets in {folder}"}))
        return 0
    texts(folder)
    images(folder)
    shipped = {
        "figure": "shipped",
        "detector": verdict.DETECTOR,
        "least_containment": verdict.LEAST_CONTAINMENT,
        "least_shared": verdict.LEAST_SHARED,
        "false_accusations": [verdict.FALSE_ACCUSATIONS.count, verdict.FALSE_ACCUSATIONS.of],
        "false_accusation_rate": round(verdict.FALSE_ACCUSATION_RATE, 6),
    }
    print(json.dumps(shipped))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
