"""The constants of `ingest.verdict.images` and `ingest.fingerprint.image_keys`, made from pictures.

`./run bench calibrate_images [FOLDER]`. Copies are the transforms of `pictures.py` on the distinct
photographs of the development sets; innocents are all pairs of different photographs, halves of one
photograph, photographs under one mark, and drawn pages, screens, charts and shapes that share their
form. Scores are by leave-one-out: a photograph's copies (a kind of innocents) are scored by what
the others taught. Without the folder nothing is measured, and that is said.
"""

# ruff: noqa: E402
from __future__ import annotations

import json
import os
import sys
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import django
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression

# The verdicts know the models, which must be ready before they are imported.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")
django.setup()

from ingest.fingerprint import image_geometry, image_keys, image_parts
from ingest.fingerprint.image_geometry import Alignment
from ingest.fingerprint.image_parts import Parts
from ingest.verdict import images
from tests.bench import pictures
from tests.bench.figures import Figures

ROOT = Path(__file__).resolve().parents[2]
KEPT_COEFFICIENTS = 36
DRAWN_OF_EACH = 6


class Measured(NamedTuple):
    """An alignment, whether it is a copy's, and the photograph or kind it is left out with."""

    group: str
    is_copy: bool
    alignment: Alignment


def of(picture: Image.Image) -> Parts:
    """The parts as they come back from the database."""
    return image_parts.unpacked(image_parts.sketch(np.asarray(picture.convert("RGB"))))


def copies(folder: Path, seed: int = 5) -> tuple[list[Measured], list[tuple[Parts, Parts]]]:
    """Each photograph under each transform against itself, and the parts that were compared."""
    photographs, random = pictures.photographs(folder), np.random.default_rng(seed)
    names, mark = list(photographs), pictures.mark(folder)
    found, compared = [], []
    for place, name in enumerate(names):
        own, host = photographs[name], photographs[names[(place + 3) % len(names)]]
        standing = of(own)
        for made in pictures.transforms(mark).values():
            copy = of(made(own, host, random))
            compared.append((copy, standing))
            alignment = image_geometry.align(copy, standing)
            if alignment is not None:
                found.append(Measured(name, True, alignment))
    return found, compared


def innocents(folder: Path, seed: int = 6) -> tuple[list[Measured], int]:
    """The alignments of pairs that are no copies, and how many pairs there were."""
    random, found, count = np.random.default_rng(seed), [], 0
    photographs, mark = pictures.photographs(folder), pictures.mark(folder)
    kinds: dict[str, list[Image.Image]] = {
        "photograph": list(photographs.values()),
        "marked": [pictures.watermarked(p, mark, 0.3, False) for p in photographs.values()],
        "captioned": [pictures.captioned(p) for p in photographs.values()],
    }
    for name, draw in pictures.DRAWN.items():
        kinds[name] = [draw(random) for _ in range(DRAWN_OF_EACH)]
    for name, made in kinds.items():
        for one, other in combinations([of(picture) for picture in made], 2):
            count += 1
            alignment = image_geometry.align(one, other)
            if alignment is not None:
                found.append(Measured(name, False, alignment))
    for own in photographs.values():
        left = own.crop((0, 0, own.width // 2, own.height))
        right = own.crop((own.width // 2, 0, own.width, own.height))
        count += 1
        alignment = image_geometry.align(of(left), of(right))
        if alignment is not None:
            found.append(Measured("halves", False, alignment))
    return found, count


def fitted(rows: list[Measured]) -> LogisticRegression:
    values = np.array([images.features(row.alignment) for row in rows])
    model = LogisticRegression(C=10.0, class_weight="balanced", max_iter=3000)
    return model.fit(values, [row.is_copy for row in rows])


def left_out(rows: list[Measured]) -> NDArray[np.float64]:
    """The score of each row by a model that has not seen its group."""
    scores = np.empty(len(rows))
    for group in {row.group for row in rows}:
        inside = np.array([row.group == group for row in rows])
        model = fitted([row for row, out in zip(rows, inside, strict=True) if not out])
        values = np.array([images.features(row.alignment) for row in rows])[inside]
        scores[inside] = model.predict_proba(values)[:, 1]
    return scores


def passes(row: Measured, score: float, least: float) -> bool:
    """The verdict with another score than the shipped constants give."""
    found = row.alignment
    return images.is_alignment(found) and score >= least


def report(folder: Path) -> None:
    figures = Figures("calibrate_images")
    alike, compared = copies(folder)
    unlike, pairs = innocents(folder)
    rows = alike + unlike
    scores = left_out(rows)
    for name, least in (("match", images.LEAST_SCORE), ("holds", images.HOLDS_SCORE)):
        passed = [passes(row, score, least) for row, score in zip(rows, scores, strict=True)]
        caught = sum(p for p, row in zip(passed, rows, strict=True) if row.is_copy)
        accused = sum(p for p, row in zip(passed, rows, strict=True) if not row.is_copy)
        note = f"left out in turn; {caught} of {len(compared)} copies, {accused} of {pairs} pairs"
        figures.add(set=name, figure="recall", value=caught / len(compared), note=note)
        figures.add(set=name, figure="false_accusation_rate", value=accused / pairs, note=note)
    model = fitted(rows)
    weights, bias = model.coef_[0].round(2).tolist(), round(float(model.intercept_[0]), 2)
    figures.add(set="verdict", figure="constants", value=json.dumps([weights, bias]))
    places, medians, deviations = coefficients(compared)
    figures.add(set="keys", figure="COEFFICIENTS", value=json.dumps(places))
    figures.add(set="keys", figure="MEDIANS", value=json.dumps(medians))
    figures.add(set="keys", figure="DEVIATIONS", value=json.dumps(deviations))
    figures.table()


def coefficients(
    compared: list[tuple[Parts, Parts]],
) -> tuple[list[int], list[float], list[float]]:
    """The coefficients whose signs copies change least, their medians and deviations."""
    standing = {id(earlier): earlier for _, earlier in compared}
    values = np.concatenate([image_keys.coefficients(own.roots) for own in standing.values()])
    middle, spread = np.median(values, axis=0), values.std(axis=0)
    changed, count = np.zeros(values.shape[1]), 0
    for copy, earlier in compared:
        mine, theirs = image_geometry.agreeing(copy, earlier)
        one = image_keys.coefficients(copy.roots[mine]) > middle
        other = image_keys.coefficients(earlier.roots[theirs]) > middle
        changed, count = changed + (one != other).sum(axis=0), count + len(mine)
    order = np.argsort(changed / count, kind="stable")[:KEPT_COEFFICIENTS]
    medians = [round(float(value), 1) + 0.0 for value in middle[order]]
    return order.tolist(), medians, [round(float(value), 1) for value in spread[order]]


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data"
    if not (folder / "images_perception").is_dir():
        print(json.dumps({"figure": "skipped", "reason": f"no labelled pictures in {folder}"}))
        return 0
    report(folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
