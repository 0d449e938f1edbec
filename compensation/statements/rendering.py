"""Statements as files: JSON for programs, CSV for spreadsheets; amounts name their asset."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from compensation import money
from compensation.statements.lab import LabStatement
from compensation.statements.movements import Movement
from compensation.statements.owner import OwnerStatement
from provenance.documents import sheets
from provenance.ledger import moment

COLUMNS = (
    "at",
    "what",
    "amount",
    "asset",
    "amount_units",
    "charges",
    "entry",
    "entry_hash",
    "dataset_version",
    "payout_epoch",
    "payment",
)


def as_json(statement: OwnerStatement | LabStatement) -> dict[str, Any]:
    """The statement as plain JSON values; every amount is in units, its asset named once."""
    plain = {
        name: _plain(value)
        for name, value in statement.__dict__.items()
        if name not in {"party", "asset", "period"}
    }
    return {
        "party": str(statement.party.pk),
        "party_name": statement.party.name,
        "asset": {
            "code": statement.asset.code,
            "symbol": statement.asset.symbol,
            "scale": statement.asset.scale,
        },
        "period": {
            "name": statement.period.name,
            "starts_at": moment(statement.period.starts_at),
            "ends_at": moment(statement.period.ends_at),
            "closed_at": _plain(statement.period.closed_at),
        },
        "words": statement.words,
        **plain,
    }


def as_csv(statement: OwnerStatement | LabStatement) -> str:
    """The lines between an opening and a closing one; the amounts add up."""
    asset, period = statement.asset, statement.period

    def balance(words: str, at: datetime, units: int) -> list[Any]:
        amount = money.to_text(units, asset.scale)
        return [moment(at), words, amount, asset.code, units, "", "", "", "", "", ""]

    rows = [
        balance("Opening balance", period.starts_at, statement.opening_units),
        *(_row(line, statement) for line in statement.movements),
        balance("Closing balance", period.ends_at, statement.closing_units),
    ]
    return sheets.as_csv(COLUMNS, rows)


def _row(line: Movement, statement: OwnerStatement | LabStatement) -> list[Any]:
    return [
        moment(line.at),
        line.words,
        money.to_text(line.amount_units, statement.asset.scale),
        statement.asset.code,
        line.amount_units,
        line.charge_count or "",
        line.entry_id,
        line.entry_hash,
        line.version_id,
        line.payout_epoch or "",
        line.payment,
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return moment(value)
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(one) for name, one in asdict(value).items()}
    return value
