"""What the bands and the sample find among texts: recall over true pairs, and at what price."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.bench.corpus import Item
from tests.bench.figures import Figures

ALIKE = 0.7
HIDDEN = 300
PADDING = 10


def measure_pairs(items: Sequence[Item], prints: Any, figures: Figures) -> None:
    """The pairs with a Jaccard similarity of ALIKE or more, and copies hidden in padding."""
    from ingest.fingerprint import bands
    from ingest.index import postings
    from ingest.models import Posting

    sets = prints.shingle_sets()
    kept = [place for place, own in enumerate(sets) if len(own)]
    keys = bands.band_keys(prints.signatures[kept]).view(np.int64)
    ids = np.repeat(np.array(kept) + 1, keys.shape[1])
    postings.insert(Posting.Kind.CODE, keys.ravel(), ids)  # a kind that this bench has for itself
    found = postings.probe(Posting.Kind.CODE, keys.ravel(), ids)
    candidates = {(a, b) for a, b, _ in found.tolist() if a < b}
    true = {(a + 1, b + 1) for a, b in alike(sets)}
    name, note = f"{len(kept):,} texts", f"{len(true):,} pairs with J >= {ALIKE}"
    figures.add(
        set=name, figure="recall_j70", value=len(true & candidates) / max(1, len(true)), note=note
    )
    figures.add(
        set=name,
        figure="candidates_per_true_pair",
        value=len(candidates) / max(1, len(true)),
        note=f"{len(candidates):,} in all",
    )
    hidden(items, sets, figures)


def alike(sets: Sequence[np.ndarray]) -> set[tuple[int, int]]:
    """All pairs of sets with a Jaccard similarity of ALIKE or more.

    Two such sets share one of the rarest 1 - ALIKE of each one's members (Chaudhuri et al., A
    primitive operator for similarity joins, 2006: prefix filtering).
    """
    frequency = Counter(value for own in sets for value in own.tolist())
    holders: dict[int, list[int]] = defaultdict(list)
    pairs: set[tuple[int, int]] = set()
    for place, own in enumerate(sets):
        ordered = sorted(own.tolist(), key=lambda value: (frequency[value], value))
        near: set[int] = set()
        for value in ordered[: len(ordered) - int(np.ceil(ALIKE * len(ordered))) + 1]:
            near.update(holders[value])
            holders[value].append(place)
        for other in near:
            shared = len(np.intersect1d(own, sets[other], assume_unique=True))
            if shared >= ALIKE * (len(own) + len(sets[other]) - shared):
                pairs.add((other, place))
    return pairs


def hidden(items: Sequence[Item], sets: Sequence[np.ndarray], figures: Figures) -> None:
    """Copies within PADDING times their length of other text, looked up by the sample."""
    from ingest import lookups
    from ingest.fingerprint import minhash
    from ingest.index import postings
    from ingest.models import Posting

    (way,) = [one for one in lookups.LOOKUPS if one.posting == Posting.Kind.SAMPLE]
    samples = way.stored_keys([own.astype("<u4").tobytes() for own in sets])
    ids = np.repeat(np.arange(len(sets)) + 1, [len(sample) for sample in samples])
    postings.insert(Posting.Kind.SAMPLE, np.concatenate(samples).view(np.int64), ids)
    dice = random.Random(5)
    originals = [
        place for place, item in enumerate(items) if item.source < 0 and len(sets[place]) >= 40
    ]
    chosen = dice.sample(originals, min(HIDDEN, len(originals)))
    texts = [padded(items, place, dice) for place in chosen]
    right = _found(way, minhash.prints(texts), [items[place] for place in chosen], chosen)
    figures.add(
        set=f"{len(chosen)} hidden copies",
        figure="hidden_recall",
        value=right / max(1, len(chosen)),
        note=f"in {PADDING} times their length of other text",
    )


def _found(way: Any, made: Any, hidden: Sequence[Item], chosen: Sequence[int]) -> int:
    """How many of the padded texts lead by the sample to the text that each one hides."""
    from ingest.fingerprint import minhash
    from ingest.index import postings
    from ingest.models import Posting

    probes = way.probe_keys([own.astype("<u4").tobytes() for own in made.shingle_sets()])
    places = np.repeat(np.arange(len(probes)), [len(probe) for probe in probes])
    found = postings.probe(
        Posting.Kind.SAMPLE,
        np.concatenate(probes).view(np.int64),
        places,
        least=way.least,
        most_per_key=way.most_per_key,
    )
    shared = {(place, record): count for place, record, count in found.tolist()}
    tokens = minhash.token_counts([item.text for item in hidden])
    return sum(
        way.plausible is None
        or way.plausible(
            shared.get((at, place + 1), 0), int(made.token_counts[at]), int(tokens[at])
        )
        for at, place in enumerate(chosen)
    )


def padded(items: Sequence[Item], place: int, dice: random.Random) -> str:
    """The text of an item in the midst of PADDING times its length of others."""
    text, padding = items[place].text, [""]
    while sum(map(len, padding)) < PADDING * len(text):
        padding.append(dice.choice(items).text)
    middle = len(padding) // 2
    return "\n".join([*padding[:middle], text, *padding[middle:]])
