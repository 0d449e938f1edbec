"""How right the shipped verdicts are, on labelled sets and on anybody's own.

`./run bench quality [--pairs FILE] [--records FILE] [--tables DIR] [--overlap 0,2,10,50,90]
[--plot FILE] [--peers]`, each file as often as wanted; without any, the development sets.

- pairs: JSON lines {"a", "b", "label", "kind"}; kind is text (the default), code or table-row;
- records: {"id", "text"|"code"|"row"|"image", "family"}: those of one family are copies, and all go
  through the real pipeline (ingest, index, verify) beside a PostgreSQL of its own;
- tables: CSV files, each compared with those before it;
- overlap: from each file of pairs of texts versions are drawn of which so many percent are copies,
  and what the pipeline estimates is compared with that.

Equal texts and datasketch at 0.5 and 0.8 stand beside ours; with --peers the cosine of the default
model too, which takes a minute or two a set.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench import (
    quality_candidates,
    quality_pairs,
    quality_plot,
    quality_records,
    quality_rows,
    quality_sets,
)
from tests.bench.figures import Figures
from tests.bench.quality_pairs import Judged
from tests.bench.quality_sets import DEVELOPMENT, Pair

OVERLAPS = (0, 10, 50)
OVERLAP_SETS = ("pan_sentences", "wiki_split")


def main() -> int:
    """Read what was asked for, measure it, print the table."""
    asked = _asked()
    figures = Figures("quality")
    named = {path.name: quality_sets.read_pairs(path) for path in asked.pairs}
    is_development = not (asked.pairs or asked.records or asked.tables)
    if is_development:
        if not (DEVELOPMENT / "pan_sentence_pairs").is_dir():
            figures.add(set="", figure="skipped", value=None, note="no labelled sets are here")
            return 0
        named = quality_sets.development_pairs(DEVELOPMENT)
    from deploy.embedded import postgres

    with tempfile.TemporaryDirectory() as folder, postgres.temporary() as server:
        quality_rows._set_up(server, folder)
        said = {
            name: quality_pairs.measure(figures, name, pairs, peers=asked.peers)
            for name, pairs in named.items()
        }
        _through_the_pipeline(figures, asked, named, is_development=is_development)
    if asked.plot:
        asked.plot.write_bytes(quality_plot.reliability(_scores(said)))
    figures.table()
    return 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("--pairs", "--records", "--tables"):
        parser.add_argument(name, type=Path, action="append", default=[])
    parser.add_argument("--overlap", type=_percents)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--peers", action="store_true")
    return parser.parse_args()


def _percents(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _through_the_pipeline(
    figures: Figures,
    asked: argparse.Namespace,
    named: dict[str, list[Pair]],
    *,
    is_development: bool,
) -> None:
    """What needs a database: records, overlaps, tables; and the corpus of the lookups."""
    from django.db import connections

    for path in asked.records:
        quality_records.measure(figures, path)
    for folder in asked.tables:
        quality_rows.of_tables(folder, figures)
    shares = asked.overlap or (OVERLAPS if is_development else ())
    for name, pairs in named.items():
        texts = [pair for pair in pairs if pair.kind == "text"]
        if shares and texts and (not is_development or name in OVERLAP_SETS):
            quality_records.overlaps(figures, name, texts, shares)
    if is_development:
        articles = [row.content for row in quality_sets.articles(DEVELOPMENT)]
        quality_candidates.measure(figures, "articles", articles)
    connections.close_all()


def _scores(said: dict[str, list[Judged]]) -> dict[str, Judged]:
    """By set, what was said of texts; the kinds of one file are told apart by their place."""
    return {
        f"{name} {place}" if place else name: one
        for name, kinds in said.items()
        for place, one in enumerate(kinds)
        if _has_both(one)
    }


def _has_both(one: Judged) -> bool:
    copies: Sequence[bool] = one.is_copy.tolist()
    return any(copies) and not all(copies)


if __name__ == "__main__":
    sys.exit(main())
