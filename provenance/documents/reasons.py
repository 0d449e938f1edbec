"""A statement of reasons as a paper, word for word what its side was told."""

from __future__ import annotations

from provenance.documents.pdf import Paper
from provenance.models import StatementOfReasons

HEADINGS = ("What was found", "The rule", "The reasons given", "The effect", "What you may do")


def statement_pdf(statement: StatementOfReasons) -> bytes:
    """The statement as a PDF."""
    paper = Paper("Statement of reasons", subtitle=_subtitle(statement))
    for part in statement.text.split("\n\n"):
        heading, _, rest = part.partition("\n")
        if heading in HEADINGS and rest:
            paper.heading(heading)
            paper.text(rest)
        else:
            # Somebody's own words may hold empty lines.
            paper.text(part)
    return paper.bytes()


def _subtitle(statement: StatementOfReasons) -> str:
    return (
        f"To {statement.party.name}, {statement.made_at:%Y-%m-%d %H:%M} UTC, on conflict "
        f"{statement.conflict_id}"
    )
