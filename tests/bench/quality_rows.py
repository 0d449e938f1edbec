"""How right verdicts on table rows are: pairs of rows, families of rows, and whole tables.

`./run bench quality_rows [--pairs FILE] [--records FILE] [--tables DIR]`, each as often as wanted;
without any, the development data. FILE holds JSON lines: {"a", "b", "label"} with rows as objects,
or {"id", "row", "family"}; a CSV file with `rec_id` (Febrl) is records too. Records and tables go
through the real pipeline (ingest, index, verify) beside a PostgreSQL of its own; what the overlap
of tables should be is counted from the files by plain Python.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.figures import Figures

ROOT = Path(__file__).resolve().parents[2]
Cells = dict[str, Any]
MATCHES = "matches, possible ones too"
HOLDS = "what holds"


class Judged(NamedTuple):
    """What the shipped verdict says of one pair."""

    score: float
    """0 where it is no match."""
    holds: bool


class Member(NamedTuple):
    """A row of a family: those of one family are copies of one another."""

    id: str
    cells: Cells
    family: str


class Overlap(NamedTuple):
    """Of the rows of one table, the part that another one has, in percent."""

    later: str
    earlier: str
    estimate: float
    truth: float


def judge_pairs(pairs: Sequence[tuple[Cells, Cells]]) -> list[Judged]:
    """The shipped verdicts on pairs of rows, each row as the pipeline would print it."""
    from ingest import prints, verdict
    from ingest.normalise import row

    texts = [row(cells) for pair in pairs for cells in pair]
    made = [
        own
        for at in range(0, len(texts), 1_000)
        for own in prints.of_texts(texts[at : at + 1_000], [""] * 1_000, kind=prints.TABLE)
    ]
    found = (verdict.judge(a, b) for a, b in zip(made[::2], made[1::2], strict=True))
    return [Judged(one.score, one.holds) if one else Judged(0.0, holds=False) for one in found]


def matched(members: Sequence[Member], name: str) -> dict[tuple[str, str], bool]:
    """Pairs of ids that the pipeline matched, and whether they hold.

    A dataset is not compared with itself: the first row of each family is registered by one owner,
    the second by the next, and so on.
    """
    from provenance.models import Match

    turns: dict[str, int] = {}
    datasets: dict[int, list[Member]] = {}
    for member in members:
        turn = turns[member.family] = turns.get(member.family, -1) + 1
        datasets.setdefault(turn, []).append(member)
    ids: dict[tuple[Any, int], str] = {}
    versions = []
    for turn, own in sorted(datasets.items()):
        content = "".join(json.dumps(member.cells) + "\n" for member in own).encode()
        version = registered(f"{name} {turn}", content, "rows.jsonl")
        versions.append(version)
        ids |= {(version.dataset_id, at): member.id for at, member in enumerate(own)}
    found = (
        Match.objects.filter(overlap__later__in=versions)
        .exclude(kind="semantic")
        .values_list(
            "later__dataset", "later__ordinal", "earlier__dataset", "earlier__ordinal", "holds"
        )
    )
    named = ((ids[late, a], ids[early, b], holds) for late, a, early, b, holds in found)
    return {(min(a, b), max(a, b)): holds for a, b, holds in named}


def registered(
    name: str, content: bytes, file_name: str, *, kind: str = "table", **given: Any
) -> Any:
    """A dataset of a new owner, taken through ingest and screening; its version."""
    from django.utils import timezone

    from ingest import hints, pipeline
    from ingest.models import Upload
    from provenance import parties, registry
    from provenance.models import Dataset

    hints._send = lambda task, upload_id: None  # no broker: this process is the worker
    now = timezone.now()
    owner = parties.create_party(name=f"Owner of {name}", is_owner=True, is_lab=False, at=now)
    dataset = registry.register_dataset(
        owner=owner, name="data", title=name, kind=Dataset.Kind(kind), at=now
    )
    version = registry.open_version(dataset=dataset, at=now)
    upload = pipeline.begin_upload(
        version=version, file=BytesIO(content), file_name=file_name, at=now, **given
    )
    while pipeline.advance(upload.pk, clock=timezone.now):
        pass
    upload.refresh_from_db()
    assert upload.state == Upload.State.SEALED, (name, upload.error_detail)
    return upload.version


def table_overlaps(folder: Path) -> list[Overlap]:
    """Each CSV file of a folder against those before it: what the pipeline says, and the truth."""
    from provenance.models import Overlap as Found

    versions, tables, result = {}, {}, []
    for path in sorted(folder.glob("*.csv")):
        versions[path.name] = registered(path.name, path.read_bytes(), path.name)
        tables[path.name] = plain(path)
    for earlier, later in combinations(versions, 2):
        found = Found.objects.filter(later=versions[later], earlier=versions[earlier]).first()
        truth = plain_overlap(tables[later], tables[earlier])
        result.append(Overlap(later, earlier, _estimate(found, len(tables[later])), truth))
    return result


def _estimate(found: Any, row_count: int) -> float:
    """The share of rows that the overlap says, in percent."""
    return 0.0 if found is None else float(100 * found.estimate_count / row_count)


def plain(path: Path) -> list[Cells]:
    """The rows of a CSV file without any of our code: names and cells in small letters."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [
            {_plain(name): _plain(cell) for name, cell in cells.items() if name}
            for cells in csv.DictReader(file)
        ]


def _plain(cell: Any) -> str:
    text = " ".join(str(cell or "").lower().split())
    try:
        return str(float(text)) if text[:1] != "0" or text[1:2] in ("", ".") else text
    except ValueError:
        return text


def plain_overlap(later: Sequence[Cells], earlier: Sequence[Cells]) -> float:
    """Of the rows of `later`, those equal to one of `earlier` in all shared columns: percent."""
    names = sorted(set(later[0]) & set(earlier[0])) if later and earlier else []
    held = {tuple(cells[name] for name in names) for cells in earlier}
    equal = sum(tuple(cells[name] for name in names) in held for cells in later)
    return 100 * equal / len(later) if names else 0.0


def read_members(path: Path) -> list[Member]:
    """Records with families; `rec_id` names a Febrl record and is not compared."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            found = [
                {name.strip(): cell.strip() for name, cell in cells.items()}
                for cells in csv.DictReader(file, skipinitialspace=True)
            ]
        ids = [cells.pop("rec_id") for cells in found]
        return [
            Member(one, cells, one.split("-")[1]) for one, cells in zip(ids, found, strict=True)
        ]
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows = [one for one in lines if "row" in one]
    return [Member(str(one["id"]), one["row"], str(one["family"])) for one in rows]


def score(figures: Figures, name: str, right: int, false: int, total: int, note: str) -> None:
    """Precision, recall and F1; those of what holds have names of their own."""
    values = {
        "precision": right / max(right + false, 1),
        "recall": right / max(total, 1),
        "f1": 2 * right / max(right + false + total, 1),
    }
    for figure, value in values.items():
        figure += "_holds" if note == HOLDS else ""
        figures.add(set=name, figure=figure, value=value, note=note)


def of_pairs(path: Path, figures: Figures) -> None:
    from sklearn.metrics import roc_auc_score

    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    pairs = [tuple(one[side] if isinstance(one[side], dict) else json.loads(one[side])
                   for side in ("a", "b")) for one in lines]  # fmt: skip
    judged = judge_pairs(pairs)
    labels = [int(one["label"]) for one in lines]
    for note, accused in (
        (MATCHES, [one.score > 0 for one in judged]),
        (HOLDS, [one.holds for one in judged]),
    ):
        right = sum(a and label for a, label in zip(accused, labels, strict=True))
        score(figures, path.name, right, sum(accused) - right, sum(labels), note)
        innocents = len(labels) - sum(labels)
        rate = (sum(accused) - right) / max(innocents, 1)
        figures.add(set=path.name, figure="false_accusation_rate", value=rate, note=note)
    scores = [one.score for one in judged]
    figures.add(set=path.name, figure="auc", value=float(roc_auc_score(labels, scores)),
                note="scores below a match count as 0")  # fmt: skip


def of_records(path: Path, figures: Figures) -> None:
    members = read_members(path)
    by_family: dict[str, list[str]] = {}
    for member in members:
        by_family.setdefault(member.family, []).append(member.id)
    true = {(min(pair), max(pair)) for ids in by_family.values() for pair in combinations(ids, 2)}
    found = matched(members, path.name)
    for note, pairs in (
        (MATCHES, set(found)),
        (HOLDS, {pair for pair, holds in found.items() if holds}),
    ):
        right = len(pairs & true)
        score(figures, path.name, right, len(pairs) - right, len(true), note)


def of_tables(folder: Path, figures: Figures) -> None:
    for one in table_overlaps(folder):
        error = abs(one.estimate - one.truth)
        note = f"{one.estimate:.2f} % said, {one.truth:.2f} % true"
        figures.add(set=f"{one.later} in {one.earlier}", figure="overlap_error_points",
                    value=error, unit="points", note=note)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--pairs", "--records", "--tables"):
        parser.add_argument(name, type=Path, action="append", default=[])
    given = parser.parse_args()
    if not (given.pairs or given.records or given.tables):
        _development(given, ROOT.parent / "shared" / "data")
    figures = Figures("quality")
    if not (given.pairs or given.records or given.tables):
        figures.add(set="", figure="skipped", value=None, note="no labelled sets are here")
        return 0
    from deploy.embedded import postgres

    with tempfile.TemporaryDirectory() as folder, postgres.start(Path(folder) / "pg") as server:
        _set_up(server, folder)
        _each(given, figures)
    figures.table()
    return 0


def _development(given: argparse.Namespace, folder: Path) -> None:
    given.pairs += sorted((folder / "er_tables").glob("*.jsonl"))
    given.records += sorted((folder / "febrl").glob("*.csv"))
    given.tables += [path for path in [folder / "table_overlap"] if path.is_dir()]


def _set_up(server: Any, folder: str) -> None:
    os.environ["DATABASE_URL"] = server.url("app")
    os.environ["DATABASE_OWNER_URL"] = server.url("owner")
    os.environ["TALLYMARK_DATA"] = folder
    os.environ["DJANGO_SETTINGS_MODULE"] = "deploy.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", database="owner", verbosity=0)


def _each(given: argparse.Namespace, figures: Figures) -> None:
    from django.db import connections

    parts: Iterable[tuple[Any, list[Path]]] = (
        (of_pairs, given.pairs), (of_records, given.records), (of_tables, given.tables),
    )  # fmt: skip
    for measure, paths in parts:
        for path in paths:
            measure(path, figures)
    connections.close_all()


if __name__ == "__main__":
    sys.exit(main())
