"""Families of records, and drawn overlaps, through the real pipeline: ingest, index, verify."""

from __future__ import annotations

import json
import random
import zipfile
from base64 import b64decode
from collections.abc import Sequence
from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import Any

from tests.bench import quality_rows, quality_sets
from tests.bench.figures import Figures
from tests.bench.quality_sets import Pair, Row

SEED = 11
MOST_OVERLAP_RECORDS = 1_000
KINDS = {"text": "text", "code": "code", "image": "image"}

IdPair = tuple[str, str]


def measure(figures: Figures, path: Path) -> None:
    """Precision, recall and F1 of pairs of one family, kind by kind."""
    rows = quality_sets.read_records(path)
    if quality_sets.of_kind(rows, "row"):
        quality_rows.of_records(path, figures)
    for kind in KINDS:
        some = quality_sets.of_kind(rows, kind)
        if some:
            of_rows(figures, f"{path.name} ({kind})", some)


def of_rows(figures: Figures, name: str, rows: Sequence[Row]) -> None:
    """The figures of records of one kind."""
    families: dict[str, list[str]] = {}
    for row in rows:
        families.setdefault(row.family, []).append(row.id)
    true = {ordered(*pair) for ids in families.values() for pair in combinations(ids, 2)}
    found = matched(name, rows)
    held = {pair for pair, holds in found.items() if holds}
    for note, pairs in ((quality_rows.MATCHES, set(found)), (quality_rows.HOLDS, held)):
        right = len(pairs & true)
        quality_rows.score(figures, name, right, len(pairs) - right, len(true), note)
    innocents = {row.id for row in rows}
    accused = {one for pair in held - true for one in pair}
    figures.add(set=name, figure="false_accusation_rate", value=len(accused) / len(innocents),
                note=f"{len(accused)} of {len(innocents)} records named falsely")  # fmt: skip


def ordered(one: str, other: str) -> IdPair:
    """A pair of ids whichever way it was found."""
    return (one, other) if one < other else (other, one)


def matched(name: str, rows: Sequence[Row]) -> dict[IdPair, bool]:
    """Pairs of ids that were matched, and whether one of the matches holds.

    A dataset is not compared with itself: the first record of each family is registered by one
    owner, the second by the next, and so on.
    """
    from provenance.models import Match

    turns: dict[str, int] = {}
    datasets: dict[int, list[Row]] = {}
    for row in rows:
        turn = turns[row.family] = turns.get(row.family, -1) + 1
        datasets.setdefault(turn, []).append(row)
    versions, ids = [], {}
    for turn, own in sorted(datasets.items()):
        version = quality_rows.registered(f"{name} {turn}", *_file(own), kind=KINDS[own[0].kind])
        versions.append(version)
        ids |= {(version.dataset_id, str(at)): row.id for at, row in enumerate(own)}
    found = (
        Match.objects.filter(overlap__later__in=versions)
        .exclude(kind="semantic")
        .values_list("later__dataset", "later__key", "earlier__dataset", "earlier__key", "holds")
    )
    named: dict[IdPair, bool] = {}
    for late, a, early, b, holds in found:
        one, other = ids[late, a.split(".")[0]], ids[early, b.split(".")[0]]
        named[ordered(one, other)] = named.get(ordered(one, other), False) or holds
    return named


def _file(rows: Sequence[Row]) -> tuple[bytes, str]:
    """What an owner would upload: JSON lines with numbers as keys, or a zip of pictures."""
    if rows[0].kind != "image":
        lines = (json.dumps({"id": str(at), "text": row.content}) for at, row in enumerate(rows))
        return "".join(line + "\n" for line in lines).encode(), "rows.jsonl"
    target = BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for at, row in enumerate(rows):
            archive.writestr(f"{at}.png", _picture(row.content))
    return target.getvalue(), "pictures.zip"


def _picture(content: str) -> bytes:
    path = Path(content)
    return path.read_bytes() if len(content) < 500 and path.is_file() else b64decode(content)


def overlaps(figures: Figures, name: str, pairs: Sequence[Pair], shares: Sequence[int]) -> None:
    """What the pipeline says of a version of which so many percent are copies, and the truth."""
    for share in shares:
        earlier, later, copies = drawn(pairs, share)
        first = quality_rows.registered(
            f"{name} {share} a", _lines(earlier), "a.jsonl", kind="text"
        )
        second = quality_rows.registered(f"{name} {share} b", _lines(later), "b.jsonl", kind="text")
        _said(figures, name, share, (first, second), copies, len(later))


def _said(
    figures: Figures, name: str, share: int, versions: tuple[Any, Any], copies: int, of: int
) -> None:
    from provenance.models import Overlap

    first, second = versions
    found = Overlap.objects.filter(earlier=first, later=second).first() or Overlap()
    error = 100 * abs(found.estimate_count - copies) / of
    note = (
        f"{found.estimate_count} ({found.interval_low} to {found.interval_high}) said, "
        f"{copies} true, of {of}; {found.matching_count} held, {found.possible_count} possible"
    )
    label = f"{name}, {share} % copied"
    figures.add(set=label, figure="overlap_error_points", value=error, unit="points", note=note)
    if not copies:
        figures.add(set=label, figure="false_alarms", value=found.matching_count, unit="records",
                    note=note)  # fmt: skip


def drawn(pairs: Sequence[Pair], share: int) -> tuple[list[str], list[str], int]:
    """Originals; a version of which `share` percent are copies of them; how many these are.

    Innocents are of families that no original is of.
    """
    dice = random.Random(SEED)
    texts, family = quality_sets.families(pairs)
    of = dict(zip(texts, family, strict=True))
    chosen = sorted(set(family))
    dice.shuffle(chosen)
    half = set(chosen[: len(chosen) // 2])
    inside = [pair for pair in pairs if pair.is_copy and of[pair.a] in half]
    outside = list(dict.fromkeys(pair.b for pair in pairs if of[pair.b] not in half))
    copies = list(dict.fromkeys(pair.b for pair in inside))
    size = min(MOST_OVERLAP_RECORDS, len(copies), len(outside))
    count = round(size * share / 100)
    later = dice.sample(copies, count) + dice.sample(outside, size - count)
    dice.shuffle(later)
    return list(dict.fromkeys(pair.a for pair in inside)), later, count


def _lines(texts: Sequence[str]) -> bytes:
    rows = (json.dumps({"id": str(at), "text": text}) for at, text in enumerate(texts))
    return "".join(row + "\n" for row in rows).encode()
