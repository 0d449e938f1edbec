"""A statement as a paper: what a bookkeeper files, with what it takes to check it."""

from __future__ import annotations

from collections.abc import Sequence

from compensation import money
from compensation.statements.lab import LabStatement
from compensation.statements.movements import Movement
from compensation.statements.owner import OwnerStatement
from provenance.documents.pdf import Paper

Statement = OwnerStatement | LabStatement
HEADER = ("Date", "What", "Uses", "Entry", "Amount")
# Parts of the page's width.
WIDTHS = (17, 82, 14, 17, 32)
NUMBERS = (2, 3, 4)


def as_pdf(statement: Statement) -> bytes:
    """The statement as a PDF; the same statement gives the same bytes."""
    asset, period = statement.asset, statement.period
    paper = Paper(f"Statement {period.name}", subtitle=f"{statement.party.name}, in {asset.symbol}")
    paper.facts(_facts(statement))
    paper.heading("In words")
    paper.points(statement.words)
    paper.heading("Line by line")
    paper.table(HEADER, _rows(statement), parts=WIDTHS, numbers=NUMBERS)
    paper.heading("How to check it")
    paper.text(
        "Each line about use opens to the reports behind it, the rate, the grant, the division "
        "and the proofs, on the page of this statement. The export of the month, which `tallymark "
        "replay` recomputes on your own machine, leads from those reports to every unit above. An "
        "entry's hash is in the journal's chain, which the ledger seals and anchors."
    )
    return paper.bytes()


def _facts(statement: Statement) -> list[tuple[str, object]]:
    period = statement.period
    state = "open: more may be added" if period.closed_at is None else "closed: nothing is added"
    facts: list[tuple[str, object]] = [
        ("Party", f"{statement.party.name} ({statement.party.pk})"),
        ("Asset", f"{statement.asset.name or statement.asset.symbol} ({statement.asset.code})"),
        ("Month", f"{period.name}, {state}"),
        ("As of", f"{statement.made_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("Opening balance", statement.say(statement.opening_units)),
    ]
    if isinstance(statement, OwnerStatement):
        facts.append(("Earned", statement.say(statement.earned_units)))
    else:
        facts.append(("Paid in", statement.say(statement.deposited_units)))
        facts.append(("Spent", statement.say(statement.spent_units)))
    return [*facts, ("Closing balance", statement.say(statement.closing_units))]


def _rows(statement: Statement) -> Sequence[Sequence[object]]:
    period = statement.period
    rows = [
        _balance(
            statement, f"{period.starts_at:%Y-%m-%d}", "Opening balance", statement.opening_units
        )
    ]
    rows += [_row(statement, line) for line in statement.movements]
    return [
        *rows,
        _balance(
            statement, f"{period.ends_at:%Y-%m-%d}", "Closing balance", statement.closing_units
        ),
    ]


def _row(statement: Statement, line: Movement) -> Sequence[object]:
    return (
        f"{line.at:%Y-%m-%d}",
        line.words,
        f"{line.charge_count:,}" if line.charge_count else "",
        f"{line.entry_id:,}",
        money.to_text(line.amount_units, statement.asset.scale),
    )


def _balance(statement: Statement, day: str, words: str, units: int) -> Sequence[object]:
    return (day, words, "", "", money.to_text(units, statement.asset.scale))
