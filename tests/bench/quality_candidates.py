"""Whether the lookups find copies worth finding, and how much else they bring."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from tests.bench.figures import Figures

SEED = 5
EDITED_SHARE = 0.02
PADDING = 10
PADDED = 400


def measure(figures: Figures, name: str, texts: Sequence[str]) -> None:
    """Each text against a copy with words replaced, and against one hidden in tenfold padding."""
    from ingest import prints
    from ingest.fingerprint import containment

    dice = random.Random(SEED)
    copies = [_edited(text, dice) for text in texts]
    earlier = prints.of_texts(texts, [""] * len(texts))
    later = prints.of_texts(copies, [""] * len(copies))
    found = candidates(earlier, later)
    words = [own.numbers(prints.WORDS) for own in earlier]
    true = {
        (place, other)
        for place, other in _sharing([own.numbers(prints.WORDS) for own in later], words)
        if containment.jaccard(later[place].numbers(prints.WORDS), words[other]) >= 0.7
    }
    recall = len(true & found) / len(true)
    figures.add(set=name, figure="candidate_recall", value=recall, note=f"{len(true)} pairs J>=0.7")
    figures.add(set=name, figure="candidates_per_true_pair", value=len(found) / len(true))
    _padded(figures, name, texts, earlier, dice)


def _padded(
    figures: Figures, name: str, texts: Sequence[str], earlier: Sequence[Any], dice: random.Random
) -> None:
    from ingest import prints, verdict

    places = dice.sample(range(len(texts)), min(PADDED, len(texts)))
    hidden = [_hidden(texts[place], texts, dice) for place in places]
    later = prints.of_texts(hidden, [""] * len(hidden))
    found = candidates(earlier, later)
    held = [
        (at, place) in found
        and (made := verdict.judge(later[at], earlier[place])) is not None
        and made.holds
        for at, place in enumerate(places)
    ]
    figures.add(set=name, figure="padded_recall", value=sum(held) / len(held),
                note=f"{PADDING} times its length around each of {len(held)}; held")  # fmt: skip


def candidates(earlier: Sequence[Any], later: Sequence[Any]) -> set[tuple[int, int]]:
    """(later, earlier) places that the lookups of the service would compare."""
    from ingest import lookups

    found: set[tuple[int, int]] = set()
    for lookup in lookups.LOOKUPS:
        holders: dict[int, list[int]] = defaultdict(list)
        for place, own in enumerate(earlier):
            part = own.parts.get(lookup.scheme)
            for key in lookup.stored_keys([part])[0].tolist() if part else ():
                holders[key].append(place)
        for at, own in enumerate(later):
            part = own.parts.get(lookup.scheme)
            shared: Counter[int] = Counter()
            for key in lookup.probe_keys([part])[0].tolist() if part else ():
                shared.update(holders.get(key, ())[: lookup.most_per_key])
            worth = [
                (other, count)
                for other, count in shared.items()
                if count >= lookup.least
                and (
                    lookup.plausible is None
                    or lookup.plausible(count, own.token_count, earlier[other].token_count)
                )
            ]
            worth.sort(key=lambda one: (-one[1], one[0]))
            found |= {(at, other) for other, _ in worth[: lookup.most_per_record]}
    return found


def _sharing(later: Sequence[Any], earlier: Sequence[Any]) -> set[tuple[int, int]]:
    """Places that share a shingle."""
    holders: dict[int, list[int]] = defaultdict(list)
    for place, shingles in enumerate(earlier):
        for shingle in shingles.tolist():
            holders[shingle].append(place)
    return {
        (at, other)
        for at, shingles in enumerate(later)
        for shingle in shingles.tolist()
        for other in holders.get(shingle, ())
    }


def _edited(text: str, dice: random.Random) -> str:
    words = text.split()
    return " ".join(dice.choice(words) if dice.random() < EDITED_SHARE else word for word in words)


def _hidden(text: str, others: Sequence[str], dice: random.Random) -> str:
    """The text among sentences of others that are ten times its length."""
    padding: list[str] = []
    while len(padding) < PADDING * len(text.split()):
        padding += dice.choice(others).split()
    middle = dice.randrange(len(padding))
    return " ".join([*padding[:middle], text, *padding[middle:]])
