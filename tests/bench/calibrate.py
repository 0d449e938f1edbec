"""Chooses the weights and thresholds of `ingest.verdict.text` on labelled texts.

`./run bench calibrate [FOLDER] [--write]`. Prints what weights that never saw a set do on it;
with --write, the weights that all sets together choose go into ingest/verdict/constants.py.
FOLDER is the development data (by default ../shared/data); docs/detection.md has the method.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.bench import quality_sets
from tests.bench.figures import Figures
from tests.bench.quality_sets import Pair

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")

Floats = NDArray[np.float64]

SEED = 20_26
FOLDS = 5
RIDGE = 1e-4
RANDOM_INNOCENTS = 4_000
LEAST_KEYS = 3
MOST_HOLDERS = 64
WEIGHTS = {"pan_sentences": 4.0}
"""Of one class of a set, against 1: this one's innocents are the hardest, sentences of one book."""
UNSURE = ("pan_sentences",)
"""Sets whose texts have copies that the labels do not name: the likest of them are no innocents."""
HARD_WEIGHT = 0.15
"""Of the likest innocents of a set: a few templates make most of these pairs."""
LEAST_INNOCENTS = 1_000
"""A rate of fewer says too little to choose by."""
LONG_COPIES = 600
LONG_RIDGE = 0.01
"""Whole articles are told apart without a mistake, which would make any score 0 or 1."""
STATED = 0.01
"""So many innocents may at most be accused, at the upper end of the interval, in every set."""
HEADER = "Made by `./run bench calibrate --write`; docs/detection.md says how. Do not edit."
CONSTANTS = quality_sets.ROOT / "ingest" / "verdict" / "constants.py"


class Examples(NamedTuple):
    """Pairs of one set as the weights see them."""

    features: Floats
    is_copy: NDArray[np.bool_]
    weight: Floats
    """Of each pair: each class of each set weighs alike."""


def examples(pairs: Sequence[Pair], *, share: float) -> Examples:
    """The features of pairs of short texts; those without a sketch on both sides are left out."""
    from ingest import prints
    from ingest.fingerprint import grams
    from ingest.verdict import text

    contents = [content for pair in pairs for content in (pair.a, pair.b)]
    made = prints.of_texts(contents, [""] * len(contents))
    rows, labels = [], []
    for pair, one, other in zip(pairs, made[::2], made[1::2], strict=True):
        if one.digest == other.digest or not all(grams.SKETCH in p.parts for p in (one, other)):
            continue
        counts = text.compared(one, other)
        rows.append(text.short_features(counts, counts.shared / counts.smaller))
        labels.append(pair.is_copy)
    is_copy = np.array(labels, bool)
    counts = np.where(is_copy, max(is_copy.sum(), 1), max((~is_copy).sum(), 1))
    return Examples(np.array(rows), is_copy, share / counts)


def innocents(pairs: Sequence[Pair], dice: random.Random) -> tuple[list[Pair], list[Pair]]:
    """Pairs of unlike families: some by chance, and each text with the likest that is looked up."""
    texts, family = quality_sets.families(pairs)
    chance = []
    while len(chance) < RANDOM_INNOCENTS:
        one, other = dice.randrange(len(texts)), dice.randrange(len(texts))
        if family[one] != family[other]:
            chance.append(Pair(texts[one], texts[other], is_copy=False))
    likest = [
        Pair(texts[one], texts[other], is_copy=False)
        for one, other in _likest(texts)
        if family[one] != family[other]
    ]
    return chance, likest


def _likest(texts: Sequence[str]) -> Iterable[tuple[int, int]]:
    """Pairs of texts that share keys, as the lookup finds them."""
    from ingest.fingerprint import grams

    holders: dict[int, list[int]] = {}
    for place, part in enumerate(grams.sketches(texts)):
        for key in grams.pair_keys(part).tolist() if part else ():
            holders.setdefault(key, []).append(place)
    shared: Counter[tuple[int, int]] = Counter()
    for places in holders.values():
        some = places[:MOST_HOLDERS]
        shared.update((a, b) for at, a in enumerate(some) for b in some[at + 1 :])
    return [pair for pair, count in shared.items() if count >= LEAST_KEYS]


def fitted(sets: Sequence[Examples], ridge: float = RIDGE) -> Floats:
    """Weights of the logistic regression with the least loss, by Newton's steps (IRLS)."""
    features = np.concatenate([one.features for one in sets])
    target = np.concatenate([one.is_copy for one in sets]).astype(float)
    weight = np.concatenate([one.weight for one in sets])
    weight = weight * len(weight) / weight.sum()
    middle, scale = features.mean(0), features.std(0)
    middle[0], scale[0] = 0.0, 1.0
    scaled = (features - middle) / scale
    beta = np.zeros(scaled.shape[1])
    penalty = np.full(len(beta), ridge * len(target))
    penalty[0] = 0.0
    for _ in range(60):
        chance = 1 / (1 + np.exp(-np.clip(scaled @ beta, -30, 30)))
        slope = scaled.T @ (weight * (target - chance)) - penalty * beta
        curve = (scaled * (weight * chance * (1 - chance))[:, None]).T @ scaled + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        beta += step
        if np.abs(step).max() < 1e-7:
            break
    found: Floats = beta / scale
    found[0] = beta[0] - (beta[1:] * middle[1:] / scale[1:]).sum()
    return found


def scores(weights: Floats, one: Examples) -> Floats:
    """The score of each example."""
    made: Floats = 1 / (1 + np.exp(-np.clip(one.features @ weights, -500, 500)))
    return made


def f1(score: Floats, is_copy: NDArray[np.bool_], threshold: float) -> float:
    """The harmonic mean of precision and recall at a threshold."""
    found = score >= threshold
    return float(2 * (found & is_copy).sum() / max(found.sum() + is_copy.sum(), 1))


def cross_validated(sets: dict[str, Examples], name: str) -> Floats:
    """The scores of a set, each pair by weights that a fold without it chose."""
    one = sets[name]
    fold = np.random.default_rng(SEED).integers(0, FOLDS, len(one.is_copy))
    others = [other for key, other in sets.items() if key != name]
    made = np.zeros(len(fold))
    for number in range(FOLDS):
        rest = Examples(*(part[fold != number] for part in one))
        mine = Examples(*(part[fold == number] for part in one))
        made[fold == number] = scores(fitted([rest, *others]), mine)
    return made


def left_out(sets: dict[str, Examples], name: str) -> Floats:
    """The scores of a set by weights that saw nothing of it."""
    others = [other for key, other in sets.items() if not key.startswith(name)]
    return scores(fitted(others), sets[name])


def holding(made: dict[str, tuple[Floats, NDArray[np.bool_]]]) -> float:
    """The least threshold whose false accusations stay under STATED in each set, with its error."""
    from ingest.verdict import wilson

    for threshold in np.arange(0.5, 1, 0.005):
        rates = [
            wilson(int((score[~is_copy] >= threshold).sum()), int((~is_copy).sum()))[1]
            for score, is_copy in made.values()
            if (~is_copy).sum() >= LEAST_INNOCENTS
        ]
        if max(rates) <= STATED:
            return round(float(threshold), 3)
    raise ValueError("no threshold accuses so few")


def best_threshold(made: dict[str, tuple[Floats, NDArray[np.bool_]]]) -> float:
    """The threshold at which the worst F1 of the sets that have innocents is best."""
    labelled = [one for one in made.values() if (~one[1]).sum() >= LEAST_INNOCENTS]
    grid = np.arange(0.2, 0.8, 0.01)
    worst = [min(f1(score, is_copy, at) for score, is_copy in labelled) for at in grid]
    return round(float(grid[int(np.argmax(worst))]), 3)


def gathered(folder: Path) -> dict[str, Examples]:
    """All examples, by set; `SET:chance` and `SET:likest` are innocents of it."""
    dice, sets = random.Random(SEED), {}
    for name, pairs in quality_sets.development_pairs(folder).items():
        sets[name] = examples(pairs, share=WEIGHTS.get(name, 1.0))
        chance, likest = innocents(pairs, dice)
        sets[f"{name}:chance"] = examples(chance, share=1.0)
        if name not in UNSURE:
            sets[f"{name}:likest"] = examples(likest, share=HARD_WEIGHT)
    return sets


def report(sets: dict[str, Examples], figures: Figures) -> tuple[float, float]:
    """What was found by weights that did not see a pair, or its set; the two thresholds."""
    names = [name for name in sets if ":" not in name]
    folds = {name: (cross_validated(sets, name), sets[name].is_copy) for name in names}
    matches, holds = best_threshold(folds), holding(folds)
    for name in names:
        for how, score in (("folds", folds[name][0]), ("left out", left_out(sets, name))):
            is_copy, note = sets[name].is_copy, f"{how}; short pairs only"
            figures.add(set=name, figure="f1", value=f1(score, is_copy, matches), note=note)
            recall = float((score[is_copy] >= holds).mean())
            figures.add(set=name, figure="held_recall", value=recall, note=note)
            if not is_copy.all():
                rate = float((score[~is_copy] >= holds).mean())
                figures.add(set=name, figure="false_accusation_rate", value=rate, note=note)
    return matches, holds


def long_examples(folder: Path) -> Examples:
    """Articles with the plagiarised, with copies edited here, and with their likest innocents."""
    from ingest.fingerprint import containment, minhash
    from ingest.verdict import text

    dice = random.Random(SEED)
    rows = quality_sets.articles(folder)
    edited = [edit(row.content, dice) for row in rows[:LONG_COPIES]]
    sets = minhash.shingles([row.content for row in rows] + edited)
    pairs = [(at, len(rows) + at, True) for at in range(len(edited))]
    holders: dict[int, list[int]] = {}
    for place, shingles in enumerate(sets[: len(rows)]):
        for shingle in shingles.tolist():
            holders.setdefault(shingle, []).append(place)
    alike = {(a, b) for places in holders.values() for a in places for b in places if a < b}
    pairs += [(a, b, rows[a].family == rows[b].family) for a, b in sorted(alike)]
    counted = [(len(containment.shared(sets[a], sets[b])), min(len(sets[a]), len(sets[b])))
               for a, b, _ in pairs]  # fmt: skip
    is_copy = np.array([label for *_, label in pairs], bool)
    counts = np.where(is_copy, is_copy.sum(), (~is_copy).sum())
    return Examples(np.array([text.long_features(*one) for one in counted]), is_copy, 1 / counts)


def edit(article: str, dice: random.Random) -> str:
    """A part of the article with its sentences shuffled and words replaced: 5 to 60 % of both."""
    sentences = article.split(". ")
    dice.shuffle(sentences)
    kept = sentences[: max(1, round(len(sentences) * dice.uniform(0.4, 1)))]
    part = dice.uniform(0, 0.25)
    words = " ".join(kept).split()
    return " ".join(dice.choice(words) if dice.random() < part else word for word in words)


def written(weights: Floats, long: Floats, matches: float, holds: float) -> str:
    """The text of constants.py."""
    lines = [f'"""{HEADER}"""', ""]
    for name, values in (("SHORT_WEIGHTS", weights), ("LONG_WEIGHTS", long)):
        cells = [f"{value:.4f}" for value in values]
        rows = [", ".join(cells[at : at + 8]) for at in range(0, len(cells), 8)]
        lines += [f"{name} = (", *(f"    {row}," for row in rows), ")  # fmt: skip"]
    lines += [f"SHORT_MATCHES = {matches}", f"SHORT_HOLDS = {holds}", ""]
    return "\n".join(lines)


def main() -> int:
    """Read, choose, report, and write where that is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=quality_sets.DEVELOPMENT)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    if not (asked.folder / "pan_sentence_pairs").is_dir():
        print(f"no labelled sets in {asked.folder}", file=sys.stderr)
        return 1
    import django

    django.setup()
    figures = Figures("calibrate")
    sets = gathered(asked.folder)
    matches, holds = report(sets, figures)
    figures.add(set="all", figure="matches_from", value=matches)
    figures.add(set="all", figure="holds_from", value=holds)
    if asked.write:
        long = fitted([long_examples(asked.folder)], LONG_RIDGE)
        CONSTANTS.write_text(written(fitted(list(sets.values())), long, matches, holds))
    figures.table()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
