"""What a model is made of, for people (PDF), spreadsheets (CSV) and programs (dict)."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from provenance.documents import sheets
from provenance.documents.pdf import Paper
from provenance.ledger import moment
from provenance.lineage import Ingredient, Ingredients

COLUMNS = (
    "owner",
    "dataset",
    "purpose",
    "licence",
    "spdx",
    "grant_state",
    "run",
    "record_count",
    "token_count",
    "epoch_count",
    "parts",
    "used_at",
    "is_unknown",
    "is_ungranted",
    "is_of_withdrawn",
    "version_id",
    "grant_id",
)


def ingredients_dict(found: Ingredients) -> dict[str, Any]:
    """JSON's form: ids and moments as text; `parts` are millionths of all tokens used."""
    plain: dict[str, Any] = _plain(asdict(found))
    return plain


def ingredients_csv(found: Ingredients) -> str:
    """One row for each use; text that a spreadsheet would run is quoted."""
    rows = ([_plain(getattr(row, name)) for name in COLUMNS] for row in found.rows)
    return sheets.as_csv(COLUMNS, rows)


def ingredients_pdf(found: Ingredients) -> bytes:
    """The paper: sums, gaps, then each use."""
    paper = Paper(f"Ingredients of {found.model}", subtitle=f"version {found.version}, {found.lab}")
    paper.facts(
        [
            ("Model id", found.model_id),
            ("Made by the runs", ", ".join(found.runs) or "none is known"),
            ("Base models", ", ".join(found.base_models) or "none"),
            ("Used in all", f"{found.record_count:,} records, {found.token_count:,} tokens"),
        ]
    )
    paper.heading("What is missing or unlicensed")
    paper.points(found.gaps or ["Nothing is known to be missing."])
    paper.heading("What went in")
    paper.table(
        ("Dataset", "Owner", "Licence", "Purpose", "Records", "Tokens", "Part of the tokens"),
        [
            (
                row.dataset,
                row.owner or "unknown",
                row.licence or "none",
                row.purpose,
                f"{row.record_count:,}",
                f"{row.token_count:,}",
                _part(row),
            )
            for row in found.rows
        ],
    )
    return paper.bytes()


def _part(row: Ingredient) -> str:
    """Hundredths of a percent, rounded down, so that no column adds up to more than the whole."""
    if row.parts is None:
        return "not counted"
    return f"{row.parts // 10_000}.{row.parts // 100 % 100:02d} %"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    if isinstance(value, datetime):
        return moment(value)
    return str(value) if isinstance(value, UUID) else value
