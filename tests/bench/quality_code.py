"""How right the verdict on code is at shipped defaults, and whether its candidates are found.

`./run bench quality_code [FOLDER]`. FOLDER is the development data (by default ../shared/data);
without it only real files are measured. A pair is found where the verdict matches, and held where
it holds. Beside it stand exact equality and the word shingles of texts at Jaccard 0.5 and 0.8,
which is what MinHash estimates.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import django
import numpy as np

# The verdicts know the models, which must be ready before they are imported.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")
django.setup()

from ingest.fingerprint import code, containment, minhash  # noqa: E402
from ingest.verdict import code as verdict  # noqa: E402
from tests.bench import code_sets  # noqa: E402
from tests.bench.calibrate_code import auc, measured  # noqa: E402
from tests.bench.code_sets import Labelled  # noqa: E402
from tests.bench.figures import Figures  # noqa: E402
from tests.bench.quality_sets import DEVELOPMENT  # noqa: E402

LEAST_SAMPLED = 3
"""So many sampled keys `ingest.lookups` wants shared."""


def judged(figures: Figures, name: str, pairs: Sequence[Labelled]) -> None:
    """All that is counted on labelled pairs."""
    found = measured(pairs)
    made = [verdict.judge_parts(part) for part in found.parts]
    matches = np.array([one is not None for one in made])
    holds = np.array([one is not None and one.holds for one in made])
    copies = found.labels
    if copies.any() and not copies.all():
        scores = np.array([verdict.score(part) for part in found.parts])
        figures.add(set=name, figure="auc", value=auc(scores, copies))
    rates(figures, name, copies, matches, "")
    rates(figures, name, copies, holds, "at the threshold that holds")
    levels = sorted({pair.level for pair, copy in zip(pairs, copies, strict=True) if copy})
    for level in levels:
        chosen = np.array([pair.level == level for pair in pairs]) & copies
        note = f"held {holds[chosen].mean():.2f}; {chosen.sum()} copies"
        figures.add(set=f"{name} {level}", figure="recall", value=float(matches[chosen].mean()),
                    note=note)  # fmt: skip


def rates(figures: Figures, name: str, copies: np.ndarray, said: np.ndarray, note: str) -> None:
    """Precision, recall and F1 where there are copies, false accusations where there are others."""
    right, wrong = int((said & copies).sum()), int((said & ~copies).sum())
    if copies.any():
        recall = right / int(copies.sum())
        precision = right / (right + wrong) if right + wrong else 1.0
        both = precision + recall
        figures.add(set=name, figure="precision", value=precision, note=note)
        figures.add(set=name, figure="recall", value=recall, note=note)
        figures.add(set=name, figure="f1", value=2 * precision * recall / both if both else 0.0,
                    note=note)  # fmt: skip
    if not copies.all():
        innocent = int((~copies).sum())
        figures.add(set=name, figure="false_accusation_rate", value=wrong / innocent,
                    note=f"{wrong} of {innocent} {note}".strip())  # fmt: skip


def peers(figures: Figures, name: str, pairs: Sequence[Labelled]) -> None:
    """What simple means do on the same pairs."""
    sets = minhash.shingles([text for pair in pairs for text in (pair.a, pair.b)])
    alike = np.array(
        [containment.jaccard(a, b) for a, b in zip(sets[::2], sets[1::2], strict=True)]
    )
    copies = np.array([pair.is_copy for pair in pairs])
    equal = np.array([pair.a == pair.b for pair in pairs])
    figures.add(set=name, figure="auc", value=auc(alike, copies), peer="word shingles, Jaccard")
    for peer, said in (
        ("exact digest", equal),
        ("Jaccard 0.5", alike >= 0.5),
        ("Jaccard 0.8", alike >= 0.8),
    ):
        figures.add(set=name, figure="recall", value=float(said[copies].mean()), peer=peer)
        figures.add(set=name, figure="false_accusation_rate", value=float(said[~copies].mean()),
                    peer=peer)  # fmt: skip


def candidates(figures: Figures, name: str, pairs: Sequence[Labelled]) -> None:
    """Of the copies that the verdict matches, how many are looked up, and among how many others."""
    texts = sorted({text for pair in pairs for text in (pair.a, pair.b)})
    made = code.sketches(texts, texts)
    place = {text: at for at, text in enumerate(texts)}
    found: set[tuple[int, int]] = set()
    for keys_of, least in ((code.band_keys, 1), (code.sample_keys, LEAST_SAMPLED)):
        holders: dict[int, list[int]] = defaultdict(list)
        for at, sketched in enumerate(made):
            for key in np.unique(keys_of(sketched)).tolist():
                holders[key].append(at)
        shared = Counter(
            (a, b) for some in holders.values() for a in some for b in some if a < b
        )  # fmt: skip
        found |= {pair for pair, count in shared.items() if count >= least}
    parts = measured(pairs)
    wanted = {
        tuple(sorted((place[pair.a], place[pair.b])))
        for pair, part in zip(pairs, parts.parts, strict=True)
        if pair.is_copy and pair.a != pair.b and verdict.judge_parts(part) is not None
    }
    recall = len(wanted & found) / len(wanted) if wanted else 1.0
    figures.add(set=name, figure="candidate_recall", value=recall, note="of the copies it matches")
    figures.add(set=name, figure="candidates_per_record", value=2 * len(found) / len(texts))


def speed(figures: Figures, texts: Sequence[str]) -> None:
    """Source read in a second, and the size of what is kept."""
    size = sum(len(text.encode("utf-8", "replace")) for text in texts)
    began = time.process_time()
    made = code.sketches(texts, texts)
    seconds = time.process_time() - began
    kept = sum(map(len, made))
    keys = sum(len(code.band_keys(one)) + len(code.sample_keys(one)) for one in made)
    figures.add(set="real files", figure="sketch_speed", value=size / seconds / 1e6, unit="MB/s")
    figures.add(set="real files", figure="sketch_bytes_per_byte", value=kept / size)
    figures.add(set="real files", figure="keys_per_kilobyte", value=keys / size * 1000)


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEVELOPMENT
    figures = Figures("quality_code")
    if (folder / "irplag_java").exists():
        pairs = code_sets.irplag(folder)
        judged(figures, "irplag", pairs)
        peers(figures, "irplag", pairs)
        candidates(figures, "irplag", pairs)
        judged(figures, "irplag peers", code_sets.irplag_peers(folder))
    else:
        print(f"No labelled programs in {folder}.", file=sys.stderr)
    found = code_sets.files(most=40)
    for name, texts in found.items():
        pairs = [*code_sets.unlike(texts, name), *code_sets.edited(texts, name)]
        judged(figures, name, pairs)
        candidates(figures, name, pairs)
    cut = code_sets.functions(found["stdlib"] + found["packages"], most=150)
    judged(figures, "functions", [*code_sets.unlike(cut, "f"), *code_sets.edited(cut, "f")])
    speed(figures, [text for texts in found.values() for text in texts])
    figures.table()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
