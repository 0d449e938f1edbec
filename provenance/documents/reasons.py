"""A statement of reasons as a paper: word for word what its side was told, which is English.

Who reads another language has it first in that, and then as it counts.
"""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from provenance import kept
from provenance.documents.pdf import Paper
from provenance.models import StatementOfReasons
from provenance.reasons import translated

HEADINGS = (
    _noop("What was found"),
    _noop("The rule"),
    _noop("The reasons given"),
    _noop("The effect"),
    _noop("What you may do"),
)


def statement_pdf(statement: StatementOfReasons) -> bytes:
    """The statement as a PDF, in the active language and in English."""
    paper = Paper(_("Statement of reasons"), subtitle=_subtitle(statement))
    if own := translated(statement.kind, statement.facts, statement.text):
        paper.text(_("In your language; what was sent, and counts, is the English below."))
        _write(paper, own, tuple(_(heading) for heading in HEADINGS))
        with kept.in_english():
            paper.heading("Statement of reasons")
            paper.text(_subtitle(statement))
    _write(paper, statement.text, HEADINGS)
    return paper.bytes()


def _write(paper: Paper, text: str, headings: tuple[str, ...]) -> None:
    for part in text.split("\n\n"):
        heading, _line_end, rest = part.partition("\n")
        if heading in headings and rest:
            paper.heading(heading)
            paper.text(rest)
        else:
            # Somebody's own words may hold empty lines.
            paper.text(part)


def _subtitle(statement: StatementOfReasons) -> str:
    return _("To %(party)s, %(at)s, on conflict %(conflict)s") % {
        "party": statement.party.name,
        "at": f"{statement.made_at:%Y-%m-%d %H:%M} UTC",
        "conflict": statement.conflict_id,
    }
