"""A statement as a paper: what a bookkeeper files, with what it takes to check it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from compensation import money
from compensation.statements.lab import LabStatement
from compensation.statements.movements import Movement
from compensation.statements.owner import OwnerStatement
from provenance.documents.pdf import Paper

Statement = OwnerStatement | LabStatement
HEADER = (_noop("Date"), _noop("What"), _noop("Uses"), _noop("Entry"), _noop("Amount"))
# Parts of the page's width.
WIDTHS = (20, 80, 15, 17, 32)
NUMBERS = (2, 3, 4)


def as_pdf(statement: Statement) -> bytes:
    """The statement as a PDF in the active language; the same one gives the same bytes."""
    named = {
        "period": statement.period.name,
        "party": statement.party.name,
        "symbol": statement.asset.symbol,
    }
    paper = Paper(_("Statement %(period)s") % named, subtitle=_("%(party)s, in %(symbol)s") % named)
    paper.facts(_facts(statement))
    paper.heading(_("In words"))
    paper.points(statement.words)
    paper.heading(_("Line by line"))
    header = [_(name) for name in HEADER]
    paper.table(header, _rows(statement), parts=WIDTHS, numbers=NUMBERS)
    paper.heading(_("How to check it"))
    paper.text(
        _(
            "Each line about use opens to the reports behind it, the rate, the grant, the division "
            "and the proofs, on the page of this statement. The export of the month, which "
            "`tallymark replay` recomputes on your own machine, leads from those reports to every "
            "unit above. An entry's hash is in the journal's chain, which the ledger seals and "
            "anchors."
        )
    )
    return paper.bytes()


def _facts(statement: Statement) -> list[tuple[str, object]]:
    period = statement.period
    is_open = period.closed_at is None
    state = _("open: more may be added") if is_open else _("closed: nothing is added")
    facts: list[tuple[str, object]] = [
        (_("Party"), f"{statement.party.name} ({statement.party.pk})"),
        (_("Asset"), f"{statement.asset.name or statement.asset.symbol} ({statement.asset.code})"),
        (_("Month"), f"{period.name} ({state})"),
        (_("As of"), f"{statement.made_at:%Y-%m-%d %H:%M:%S} UTC"),
        (_("Opening balance"), statement.say(statement.opening_units)),
    ]
    if isinstance(statement, OwnerStatement):
        facts.append((_("Earned"), statement.say(statement.earned_units)))
    else:
        facts.append((_("Paid in"), statement.say(statement.deposited_units)))
        facts.append((_("Spent"), statement.say(statement.spent_units)))
    return [*facts, (_ended(statement)[1], statement.say(statement.closing_units))]


def _ended(statement: Statement) -> tuple[datetime, str]:
    """Of when the last balance is, and what it is called: an open month has no end yet."""
    if statement.over:
        return statement.period.ends_at, _("Closing balance")
    return statement.made_at, _("Balance so far")


def _rows(statement: Statement) -> Sequence[Sequence[object]]:
    """The lines between the two balances, their amounts with equally many decimals."""
    period = statement.period
    opening, closing = statement.opening_units, statement.closing_units
    ended_at, ended = _ended(statement)
    units = [opening, *(line.amount_units for line in statement.movements), closing]
    amounts = _aligned(units, statement.asset.scale)
    return [
        (f"{period.starts_at:%Y-%m-%d}", _("Opening balance"), "", "", amounts[0]),
        *(
            _row(line, amount)
            for line, amount in zip(statement.movements, amounts[1:], strict=False)
        ),
        (f"{ended_at:%Y-%m-%d}", ended, "", "", amounts[-1]),
    ]


def _row(line: Movement, amount: str) -> Sequence[object]:
    uses = f"{line.charge_count:,}" if line.charge_count else ""
    return (f"{line.at:%Y-%m-%d}", str(line.words), uses, f"{line.entry_id:,}", amount)


def _aligned(units: Sequence[int], scale: int) -> list[str]:
    """Amounts as a column: as many decimals as the finest of them needs."""
    texts = [money.grouped(one, scale) for one in units]
    finest = max(len(text.partition(".")[2]) for text in texts)
    if not finest:
        return texts
    return [
        f"{whole}.{part:0<{finest}}" for whole, _, part in (one.partition(".") for one in texts)
    ]
