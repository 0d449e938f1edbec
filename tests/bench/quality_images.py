"""How right the verdicts on images are, pair by pair and through the keys that find candidates.

`./run bench quality_images [FOLDER]`: FOLDER holds the development sets (by default those beside
the project); without it nothing is measured and that is said. Beside ours stand PDQ alone at its
threshold and imagehash's pHash at 10 bits of 64, on the same pictures. `scored` does the same for
pictures from anywhere, which the general `quality` bench hands it.
"""

# ruff: noqa: E402
from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import django
import imagehash
import numpy as np
from PIL import Image

# The verdicts know the models, which must be ready before they are imported.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")
django.setup()

from ingest import lookups, prints, verdict
from ingest.fingerprint.image import ImageRefused, canonical
from ingest.prints import Prints
from tests.bench import pictures
from tests.bench.figures import Figures

ROOT = Path(__file__).resolve().parents[2]
PHASH_BITS = 10
"""What imagehash's users take: the distance of 64 bits under which two pictures are one."""
COPY_SEED = 20


class Shown(NamedTuple):
    """One picture as it is compared: `family` names the picture that it is a copy of."""

    family: str
    name: str
    prints: Prints
    phash: int


class Counts(NamedTuple):
    """Pairs of one family that were found, of how many; and pairs of two that were named."""

    found: int
    copies: int
    false: int
    innocents: int

    @property
    def recall(self) -> float:
        return self.found / self.copies if self.copies else 1.0

    @property
    def precision(self) -> float:
        return self.found / (self.found + self.false) if self.found + self.false else 1.0


Pairs = set[tuple[int, int]]


def shown(family: str, name: str, data: bytes) -> Shown | None:
    """A picture from a file; None where it is refused."""
    try:
        made, picture = prints.of_image(data), canonical(data)
    except ImageRefused:
        return None
    bits = np.packbits(imagehash.phash(picture).hash.ravel())
    return Shown(family, name, made, int.from_bytes(bits.tobytes(), "big"))


def of_picture(family: str, name: str, picture: Image.Image) -> Shown:
    made = shown(family, name, pictures.png(picture))
    assert made is not None, "a picture that was drawn is not refused"
    return made


def candidates(rows: Sequence[Shown]) -> Pairs:
    """Pairs (earlier, later) that share a digest or enough keys, as the index would find them."""
    found: Pairs = set()
    for lookup in lookups.LOOKUPS:
        if lookup.scheme not in (prints.PDQ, prints.PARTS):
            continue
        holders: dict[int, list[int]] = defaultdict(list)
        for place, row in enumerate(rows):
            part = row.prints.parts.get(lookup.scheme)
            shared: dict[int, int] = defaultdict(int)
            for key in lookup.probe_keys([part])[0].tolist() if part else ():
                for earlier in holders[key][: lookup.most_per_key]:
                    shared[earlier] += 1
            found |= {(other, place) for other, n in shared.items() if n >= lookup.least}
            for key in lookup.stored_keys([part])[0].tolist() if part else ():
                holders[key].append(place)
    by_digest: dict[bytes, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        found |= {(other, place) for other in by_digest[row.prints.digest]}
        by_digest[row.prints.digest].append(place)
    return found


def verdicts(rows: Sequence[Shown], pairs: Pairs) -> tuple[Pairs, Pairs]:
    """The pairs that match, and those of them that hold."""
    matching, holding = set(), set()
    for earlier, later in pairs:
        made = verdict.judge(rows[later].prints, rows[earlier].prints)
        if made is not None:
            matching.add((earlier, later))
            if made.holds:
                holding.add((earlier, later))
    return matching, holding


def by_pdq_alone(rows: Sequence[Shown], pairs: Pairs) -> Pairs:
    """What the hash of the whole says by itself."""

    def only(row: Shown) -> Prints:
        parts = {prints.PDQ: row.prints.parts[prints.PDQ]}
        return Prints(row.prints.digest, 0, parts)

    return {(e, p) for e, p in pairs if verdict.judge(only(rows[p]), only(rows[e])) is not None}


def by_phash(rows: Sequence[Shown], pairs: Pairs) -> Pairs:
    return {(e, p) for e, p in pairs if (rows[e].phash ^ rows[p].phash).bit_count() <= PHASH_BITS}


def counted(rows: Sequence[Shown], named: Pairs) -> Counts:
    """Over every pair of `rows`, how many were named rightly and wrongly."""
    sizes: dict[str, int] = defaultdict(int)
    for row in rows:
        sizes[row.family] += 1
    copies = sum(size * (size - 1) // 2 for size in sizes.values())
    found = sum(rows[earlier].family == rows[later].family for earlier, later in named)
    pairs = len(rows) * (len(rows) - 1) // 2
    return Counts(found, copies, len(named) - found, pairs - copies)


def scored(figures: Figures, name: str, rows: Sequence[Shown]) -> Counts:
    """Figures of one set through the keys, at the threshold of a match and of what holds."""
    every = set(combinations(range(len(rows)), 2))
    likely = candidates(rows)
    matching, holding = verdicts(rows, likely)
    result = counted(rows, holding)
    note = f"{len(rows)} pictures, {len(likely)} candidates of {len(every)} pairs"
    peers = {None: matching, "PDQ 31 alone": by_pdq_alone(rows, every),
             "imagehash pHash 10": by_phash(rows, every)}  # fmt: skip
    for peer, named in peers.items():
        counts = counted(rows, named)
        figures.add(set=name, figure="recall", value=counts.recall, peer=peer, note=note)
        figures.add(set=name, figure="precision", value=counts.precision, peer=peer, note=note)
    figures.add(set=name, figure="recall_holds", value=result.recall, note=note)
    figures.add(set=name, figure="precision_holds", value=result.precision, note=note)
    low, high = verdict.wilson(result.false, result.innocents)
    wide = f"95 %: {low:.6f} to {high:.6f}; {result.false} of {result.innocents} innocent pairs"
    rate = result.false / result.innocents if result.innocents else 0.0
    figures.add(set=name, figure="false_accusation_rate", value=rate, note=wide)
    return result


def labelled(folder: Path, name: str) -> list[Shown]:
    """A set by its labels; what is refused is left out."""
    made = [shown(family, file, data) for family, file, data in pictures.labelled(folder, name)]
    return [row for row in made if row is not None]


def transformed(figures: Figures, folder: Path) -> None:
    """Each photograph under each transform against all photographs, a line for each transform."""
    photographs, mark = pictures.photographs(folder), pictures.mark(folder)
    standing = [of_picture(name, name, picture) for name, picture in photographs.items()]
    dice, names = np.random.default_rng(COPY_SEED), list(photographs)
    for transform, made in pictures.transforms(mark).items():
        copies = []
        for place, name in enumerate(names):
            # What a picture is pasted into is none of those that are registered.
            host = pictures.mirrored(pictures.scene(dice))
            copy = of_picture(name, f"{name} {transform}", made(photographs[name], host, dice))
            copies.append((len(standing) + place, copy))
        rows = [*standing, *(copy for _, copy in copies)]
        across = {(e, p) for e in range(len(standing)) for p, _ in copies}
        likely = candidates(rows) & across
        matching, holding = verdicts(rows, likely)
        _transform_figures(figures, transform, rows, across, matching, holding)


def _transform_figures(
    figures: Figures,
    transform: str,
    rows: Sequence[Shown],
    across: Pairs,
    matching: Pairs,
    holding: Pairs,
) -> None:
    count = len(rows) // 2
    for figure, peer, named in (
        ("recall", None, matching),
        ("recall_holds", None, holding),
        ("recall", "PDQ 31 alone", by_pdq_alone(rows, across)),
        ("recall", "imagehash pHash 10", by_phash(rows, across)),
    ):
        right = sum(rows[e].family == rows[p].family for e, p in named)
        note = f"{right} of {count}; {len(named) - right} of {len(across) - count} others named"
        figures.add(set=transform, figure=figure, value=right / count, peer=peer, note=note)


def innocents(figures: Figures, folder: Path) -> None:
    """Pictures that are no copies of one another, by kind; those that share a form among them."""
    dice, mark = np.random.default_rng(COPY_SEED), pictures.mark(folder)
    photographs = pictures.photographs(folder)
    rows = [of_picture(name, name, picture) for name, picture in photographs.items()]
    for kind, draw in pictures.DRAWN.items():
        rows += [of_picture(f"{kind} {n}", f"{kind} {n}", draw(dice)) for n in range(6)]
    scored(figures, "unrelated", rows)
    marked = [of_picture(n, n, pictures.watermarked(p, mark)) for n, p in photographs.items()]
    scored(figures, "under one mark", marked)


def speed(figures: Figures, folder: Path) -> None:
    """Pictures a second on one core: all prints of a photograph of 1.6 megapixels, and 0.06."""
    for name, file in (
        ("1.6 megapixels", "images_pdq/bridge-mods__aaa-orig.jpg"),
        ("0.06 megapixels", "images_perception/image1.jpg"),
    ):
        data = (folder / file).read_bytes()
        prints.of_image(data)
        began = time.process_time()
        for _ in range(10):
            made = prints.of_image(data)
        spent = (time.process_time() - began) / 10
        size = len(made.parts[prints.PARTS])
        figures.add(
            set=name, figure="images_per_s", value=1 / spent, unit="images/s", note="a core"
        )
        figures.add(set=name, figure="sketch_bytes", value=size, unit="B", note="of at most 31 KB")


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data"
    if not (folder / "images_pdq").is_dir():
        print(json.dumps({"figure": "skipped", "reason": f"no labelled pictures in {folder}"}))
        return 0
    figures = Figures("quality_images")
    for name in ("images_pdq", "images_pillow"):
        scored(figures, name, labelled(folder, name))
    innocents(figures, folder)
    transformed(figures, folder)
    speed(figures, folder)
    figures.table()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
