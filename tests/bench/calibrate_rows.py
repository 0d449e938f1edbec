"""Chooses the constants of the verdict on table rows, and shows how they do on what chose nothing.

`./run bench calibrate_rows [FOLDER]`. A logistic function of the likeness of two rows, whose
factors are not negative: a row that is more alike in any way is never less of a copy. Each set
weighs the same, and its copies weigh as much as its innocents. Leaving each group of sets out in
turn, the others choose factors and thresholds, and the group is scored by them. The last lines are
the constants, from all sets, for `ingest/verdict/row_constants.py`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ingest.fingerprint import rows
from tests.bench.tables import MADE_UP, Pairs, labelled

ROOT = Path(__file__).resolve().parents[2]
RIDGE = 0.0005
MADE_UP_WEIGHT = 0.2
BINS = (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 1.0)
MOST_FALSE_HELD = 0.005
"""Of the innocents of the sets that choose, a set's share that the threshold of `holds` accuses."""

Floats = NDArray[np.float64]


class Scored(NamedTuple):
    """A set as numbers."""

    name: str
    group: str
    likeness: Floats
    labels: NDArray[np.int64]
    missed: int


class Fitted(NamedTuple):
    """Chosen constants."""

    factors: Floats
    offset: float

    def scores(self, likeness: Floats) -> Floats:
        """0 to 1 for each."""
        return np.asarray(1 / (1 + np.exp(-(likeness @ self.factors + self.offset))))


def measured(pairs: Pairs) -> Scored:
    found = [rows.compare(rows.read(a), rows.read(b)) for a, b in pairs.pairs]
    return Scored(pairs.name, pairs.group, np.array(found), np.array(pairs.labels), pairs.missed)


def fit(sets: Sequence[Scored]) -> Fitted:
    """The factors with the least weighted log loss."""
    x = np.vstack([one.likeness for one in sets])
    sign = np.concatenate([2 * one.labels - 1 for one in sets])
    weight = np.concatenate([_weights(one, sets) for one in sets])
    weight /= weight.sum()

    def loss(point: Floats) -> tuple[float, Floats]:
        margin = sign * (x @ point[:-1] + point[-1])
        slope = -weight * sign / (1 + np.exp(margin))
        ridge = np.append(RIDGE * point[:-1], 0.0)
        value = float(weight @ np.logaddexp(0, -margin) + ridge @ point / 2)
        return value, np.append(slope @ x, slope.sum()) + ridge

    bounds = [(0, None)] * x.shape[1] + [(None, None)]
    found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds)
    return Fitted(found.x[:-1], float(found.x[-1]))


def _share(one: Scored, sets: Sequence[Scored]) -> float:
    """Groups weigh alike; what is made up less than what people labelled."""
    same = sum(other.group == one.group for other in sets)
    return (MADE_UP_WEIGHT if one.group in MADE_UP else 1.0) / same


def _weights(one: Scored, sets: Sequence[Scored]) -> Floats:
    """Of each pair of a set: its copies weigh as much as its innocents."""
    copies, innocents = max(one.labels.sum(), 1), max((one.labels == 0).sum(), 1)
    return _share(one, sets) * np.where(one.labels == 1, 1 / copies, 1 / innocents)


def f1(one: Scored, accused: NDArray[np.bool_]) -> dict[str, float]:
    """Precision, recall and F1 of a set, its missed copies included, and the false share."""
    right = int((accused & (one.labels == 1)).sum())
    total = int(one.labels.sum()) + one.missed
    false = int((accused & (one.labels == 0)).sum())
    precision, recall = right / max(right + false, 1), right / total
    innocents = int((one.labels == 0).sum())
    return {
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(2 * right / (right + false + total), 4),
        "false_accusation_rate": round(false / max(innocents, 1), 5),
        "innocents": innocents,
    }


def thresholds(fitted: Fitted, sets: Sequence[Scored]) -> tuple[float, float]:
    """From which score on a pair matches, and from which it holds money.

    The first has the best mean F1 over the groups; the second accuses few innocents of any set.
    """
    grid = np.concatenate([np.arange(0.30, 0.95, 0.01), 1 - np.geomspace(0.05, 0.0005, 40)])
    scores = [fitted.scores(one.likeness) for one in sets]
    means = [_mean_f1(sets, scores, least) for least in grid]
    match = float(grid[int(np.argmax(means))])
    for least in grid[grid >= match]:
        false = [f1(one, score >= least)["false_accusation_rate"]
                 for one, score in zip(sets, scores, strict=True)]  # fmt: skip
        if max(false) <= MOST_FALSE_HELD:
            return match, float(least)
    return match, float(grid[-1])


def _mean_f1(sets: Sequence[Scored], scores: Sequence[Floats], least: float) -> float:
    found = [f1(one, score >= least)["f1"] for one, score in zip(sets, scores, strict=True)]
    return float(np.average(found, weights=[_share(one, sets) for one in sets]))


def told(kind: str, one: Scored, fitted: Fitted, match: float, holds: float) -> None:
    scores = fitted.scores(one.likeness)
    for name, least in (("match", match), ("holds", holds)):
        line: dict[str, Any] = {"figure": kind, "set": one.name, "threshold": name}
        line |= {"score": round(least, 4), "copies": int(one.labels.sum()) + one.missed}
        print(json.dumps(line | f1(one, scores >= least)), flush=True)


def reliability(unseen: Sequence[tuple[Floats, Scored]], sets: Sequence[Scored]) -> None:
    """How many of the pairs that were scored so, unseen, were copies: weighted as in the fit."""
    scores = np.concatenate([score for score, _ in unseen])
    labels = np.concatenate([one.labels for _, one in unseen])
    weights = np.concatenate([_weights(one, sets) for _, one in unseen])
    for low, high in pairwise(BINS):
        chosen = (scores >= low) & (scores < high)
        if chosen.any():
            said = np.average(scores[chosen], weights=weights[chosen])
            seen = np.average(labels[chosen], weights=weights[chosen])
            line = {"figure": "reliability", "from": low, "said": round(float(said), 3)}
            print(json.dumps(line | {"copies": round(float(seen), 3), "pairs": int(chosen.sum())}))


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data"
    if not (folder / "febrl").is_dir():
        print(json.dumps({"figure": "skipped", "reason": f"no labelled sets in {folder}"}))
        return 0
    sets = [measured(pairs) for pairs in labelled(folder)]
    unseen: list[tuple[Floats, Scored]] = []
    for group in dict.fromkeys(one.group for one in sets):
        others = [one for one in sets if one.group != group]
        fitted = fit(others)
        points = thresholds(fitted, others)
        for one in sets:
            if one.group == group:
                told("left_out", one, fitted, *points)
                unseen.append((fitted.scores(one.likeness), one))
    reliability(unseen, sets)
    fitted = fit(sets)
    match, holds = thresholds(fitted, sets)
    for one in sets:
        told("fit", one, fitted, match, holds)
    names = rows.Likeness._fields
    factors = {name: round(float(n), 3) for name, n in zip(names, fitted.factors, strict=True)}
    chosen = {"factors": factors, "offset": round(fitted.offset, 3)}
    print(json.dumps(chosen | {"match": round(match, 3), "holds": round(holds, 4)}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
