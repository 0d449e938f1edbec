"""What a model is made of, for people (PDF), spreadsheets (CSV) and programs (dict)."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from provenance.documents import sheets
from provenance.documents.pdf import Paper
from provenance.figures import tally
from provenance.ledger import moment
from provenance.lineage import Ingredient, Ingredients
from provenance.templatetags.kept import purpose

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
    """The paper: sums, gaps, then each use; in the active language."""
    made = {"model": found.model, "version": found.version, "lab": found.lab}
    counted = tally(records=found.record_count, tokens=found.token_count)
    paper = Paper(
        _("Ingredients of %(model)s") % made, subtitle=_("version %(version)s, %(lab)s") % made
    )
    paper.facts(
        [
            (_("Model id"), found.model_id),
            (_("Made by the runs"), ", ".join(found.runs) or _("none is known")),
            (_("Base models"), ", ".join(found.base_models) or _("none")),
            (_("Used in all"), counted),
        ]
    )
    paper.heading(_("What is missing or unlicensed"))
    paper.points(found.gaps or [_("Nothing is known to be missing.")])
    paper.heading(_("What went in"))
    paper.table(
        (
            _("Dataset"),
            _("Owner"),
            _("Licence"),
            _("Purpose"),
            _("Records"),
            _("Tokens"),
            _("Part of the tokens"),
        ),
        [_row(row) for row in found.rows],
    )
    return paper.bytes()


def _row(row: Ingredient) -> tuple[str, ...]:
    return (
        row.dataset,
        row.owner or _("unknown"),
        row.licence or _("none"),
        purpose(row.purpose),
        f"{row.record_count:,}",
        f"{row.token_count:,}" if row.token_count else "–",
        _part(row),
    )


def _part(row: Ingredient) -> str:
    """Hundredths of a percent, rounded down, so that no column adds up to more than the whole."""
    if row.parts is None:
        return _("not counted")
    return f"{row.parts // 10_000}.{row.parts // 100 % 100:02d} %"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    if isinstance(value, datetime):
        return moment(value)
    return str(value) if isinstance(value, UUID) else value
