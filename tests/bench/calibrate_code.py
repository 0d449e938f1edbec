"""Chooses the constants of the verdict on code, and shows how they do on what chose nothing.

`./run bench calibrate_code [FOLDER]`. Two logistic functions. That of whole programs is fitted on
the labelled student programs and on functions of real files with edited copies; that of long runs
on whole real files. Leaving out each task of the labelled programs in turn, the others choose the
function and the least score, and the task is judged by them. The last lines are the constants,
from all sets, for `ingest/verdict/code_constants.py`.
"""

from __future__ import annotations

import math
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import django
import numpy as np
from numpy.typing import NDArray
from tallymark.fingerprint.code import LITERAL, LONG, SHORT

# The verdicts know the models, which must be ready before they are imported.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")
django.setup()

from ingest.fingerprint import code  # noqa: E402
from ingest.fingerprint.code import Shared  # noqa: E402
from ingest.verdict import code as verdict  # noqa: E402
from tests.bench import code_sets  # noqa: E402
from tests.bench.code_sets import Labelled  # noqa: E402
from tests.bench.figures import Figures  # noqa: E402
from tests.bench.quality_sets import DEVELOPMENT  # noqa: E402

EVIDENCE_HALF = 5.0
RIDGE = 0.0002
FUNCTION_WEIGHT = 0.3
"""What functions of real files weigh beside the labelled programs: they are easier to tell apart.
"""
SILENT_WEIGHT = 0.5
MOST_FALSE = 0.03
"""Of the innocents that choose, a share that the least score may accuse."""
MARGIN = 0.5
"""By so much, in log odds, the least score is above: the innocents that choose it are few."""
FUNCTION_PAIRS = 4_000

Floats = NDArray[np.float64]


class Measured(NamedTuple):
    """Pairs as numbers."""

    parts: list[dict[int, Shared]]
    labels: NDArray[np.bool_]
    groups: NDArray[np.str_]

    def only(self, chosen: NDArray[np.bool_]) -> Measured:
        """Those pairs."""
        parts = [part for part, one in zip(self.parts, chosen, strict=True) if one]
        return Measured(parts, self.labels[chosen], self.groups[chosen])


def measured(pairs: Sequence[Labelled]) -> Measured:
    """What the two sides of each pair share."""
    texts = sorted({text for pair in pairs for text in (pair.a, pair.b)})
    made = [np.frombuffer(one, "<u4") for one in code.sketches(texts, texts)]
    of = dict(zip(texts, made, strict=True))
    return Measured(
        [code.compare(of[pair.a], of[pair.b]) for pair in pairs],
        np.array([pair.is_copy for pair in pairs], bool),
        np.array([pair.group for pair in pairs]),
    )


def features(parts: Sequence[dict[int, Shared]]) -> Floats:
    """What the function of whole programs is linear in: [n, 4]."""
    rows = []
    for part in parts:
        said, short = part[LITERAL], part[SHORT]
        weight = said.all / (said.all + EVIDENCE_HALF)
        rows.append([
            weight * verdict.steep(said.jaccard), weight,
            (1 - weight) * verdict.steep(short.jaccard), 1 - weight,
        ])  # fmt: skip
    return np.array(rows)


def fit(rows: Floats, labels: NDArray[np.bool_], weights: Floats) -> Floats:
    """The factors of a logistic function, no constant term; ridge-penalised (IRLS)."""
    factors = np.zeros(rows.shape[1])
    weights = weights / weights.sum()
    for _ in range(100):
        chance = 1 / (1 + np.exp(-np.clip(rows @ factors, -30, 30)))
        curve = weights * np.maximum(chance * (1 - chance), 1e-9)
        slope = rows.T @ (weights * (labels - chance)) - RIDGE * factors
        hessian = rows.T @ (curve[:, None] * rows) + RIDGE * np.eye(len(factors))
        step = np.linalg.solve(hessian, slope)
        factors += step
        if np.abs(step).max() < 1e-9:
            break
    return factors


def class_weights(labels: NDArray[np.bool_], total: float) -> Floats:
    """Copies and innocents weigh alike."""
    return np.where(labels, total / 2 / max(labels.sum(), 1), total / 2 / max((~labels).sum(), 1))


def program_fit(programs: Measured, small: Measured) -> Floats:
    """The factors for whole programs; the labelled ones count a second time without literals.

    So that programs which say nothing are told apart by no more than their structure allows.
    """
    silent = [part | {LITERAL: Shared(0, 0, 0)} for part in programs.parts]
    rows = np.concatenate([features(parts) for parts in (programs.parts, silent, small.parts)])
    labels = np.concatenate([programs.labels, programs.labels, small.labels])
    weights = np.concatenate([
        class_weights(programs.labels, 1.0),
        class_weights(programs.labels, SILENT_WEIGHT),
        class_weights(small.labels, FUNCTION_WEIGHT),
    ])  # fmt: skip
    return fit(rows, labels, weights)


def scores(factors: Floats, pairs: Measured, offset: float = 0.0) -> Floats:
    """The shipped score of whole programs with these factors."""
    literal, short = factors[1] / factors[0], factors[3] / factors[2]
    own = verdict.Program(factors[0], -literal, factors[2], -short, EVIDENCE_HALF, offset)
    return np.array([
        verdict.program_score(part[SHORT], part[LITERAL], own) for part in pairs.parts
    ])  # fmt: skip


def least_score(made: Floats, labels: NDArray[np.bool_]) -> float:
    """The least score that accuses at most MOST_FALSE of the innocents, and a margin above it."""
    highest = float(np.sort(made[~labels])[::-1][int(MOST_FALSE * (~labels).sum())])
    return 1 / (1 + (1 - highest) / highest * math.exp(-MARGIN))


def auc(made: Floats, labels: NDArray[np.bool_]) -> float:
    """The chance that a copy scores above an innocent, ties counting half."""
    copies, innocent = made[labels][:, None], made[~labels][None, :]
    return float((copies > innocent).mean() + (copies == innocent).mean() / 2)


def left_out(figures: Figures, programs: Measured, small: Measured) -> None:
    """Each task by the constants that the other tasks choose."""
    made, accused = np.zeros(len(programs.labels)), np.zeros(len(programs.labels), bool)
    for group in np.unique(programs.groups):
        out = programs.groups == group
        rest = programs.only(~out)
        factors = program_fit(rest, small)
        made[out] = scores(factors, programs.only(out))
        accused[out] = made[out] >= least_score(scores(factors, rest), rest.labels)
    labels = programs.labels
    note = "each task left out in turn"
    figures.add(set="irplag", figure="auc", value=auc(made, labels), note=note)
    figures.add(set="irplag", figure="recall", value=float(accused[labels].mean()), note=note)
    figures.add(
        set="irplag", figure="false_accusation_rate", value=float(accused[~labels].mean()),
        note=note,
    )  # fmt: skip


def long_fit(whole: Measured) -> tuple[float, float]:
    """Slope and middle of the function of long runs, on pairs that share enough of them."""
    enough = np.array([part[LONG].shared >= verdict.LEAST_LONG for part in whole.parts])
    chosen = whole.only(enough)
    rows = np.array([[part[LONG].containment, 1.0] for part in chosen.parts])
    slope, constant = fit(rows, chosen.labels, class_weights(chosen.labels, 1.0))
    return float(slope), float(-constant / slope)


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEVELOPMENT
    figures = Figures("calibrate_code")
    programs = measured(code_sets.irplag(folder))
    found = code_sets.files()
    cut = code_sets.functions(found["stdlib"] + found["packages"])
    others = code_sets.unlike(cut, "functions")
    random.Random(3).shuffle(others)
    copies = list(code_sets.edited(cut[:150], "functions", code_sets.EDITS_THAT_KEEP_LITERALS))
    small = measured(others[:FUNCTION_PAIRS] + copies)
    left_out(figures, programs, small)
    factors = program_fit(programs, small)
    least = least_score(scores(factors, programs), programs.labels)
    files = [
        pair
        for name, texts in found.items()
        for pair in (
            *code_sets.unlike(texts, name),
            *code_sets.edited(texts, name, ("disguised", "rewritten")),
        )
    ]
    slope, middle = long_fit(measured(files))
    constants = {
        "EVIDENCE_HALF": EVIDENCE_HALF,
        "LITERAL_SLOPE": factors[0],
        "LITERAL_MIDDLE": -factors[1] / factors[0],
        "SHORT_SLOPE": factors[2],
        "SHORT_MIDDLE": -factors[3] / factors[2],
        "PROGRAM_OFFSET": -math.log(least / (1 - least)),
        "LONG_SLOPE": slope,
        "LONG_MIDDLE": middle,
    }
    for name, value in constants.items():
        print(f"{name} = {float(f'{value:.4g}')}", file=sys.stderr)
    figures.table()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
