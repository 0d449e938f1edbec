"""A grant's frozen terms as a paper: what was agreed, by whom, and what ends it."""

from __future__ import annotations

import hashlib
from typing import Any

from tallymark.canonical import canonical

from provenance.documents.pdf import Paper
from provenance.models import Grant, Purpose

LONG = ("text",)


def terms_pdf(grant: Grant) -> bytes:
    """The terms as they were frozen when the grant was given."""
    paper = Paper(
        "Grant of use",
        subtitle=f"{grant.dataset} of {grant.dataset.owner.name}, to {grant.lab.name}",
    )
    paper.facts(
        [
            ("Grant", grant.pk),
            ("State", grant.get_state_display()),
            ("Given by", grant.dataset.owner.name),
            ("Given to", grant.lab.name),
            ("For", ", ".join(_purposes(grant))),
            ("Asked at", _moment(grant.requested_at)),
            ("Given at", _moment(grant.decided_at)),
            ("Holds until", _moment(grant.valid_to)),
            ("SHA-256 in the ledger", hashlib.sha256(canonical(grant.terms)).hexdigest()),
        ]
    )
    paper.heading("Terms, frozen when it was given")
    kept = {name: value for name, value in grant.terms.items() if value not in ("", None)}
    paper.facts([(_name(name), _plain(value)) for name, value in kept.items() if name not in LONG])
    for name in LONG:
        if kept.get(name):
            paper.text(str(kept[name]))
    paper.heading("What this means")
    paper.points(
        (
            "A later change of the licence or of its price does not change these terms.",
            "What is used while it holds is owed at the price above, also when it has ended.",
            "Use after it has ended, or for another purpose, is not covered: it is written down "
            "as ungranted, and both sides see it.",
        )
    )
    return paper.bytes()


def _purposes(grant: Grant) -> list[str]:
    labels = dict(Purpose.choices)
    return [str(labels.get(one, one)) for one in grant.purposes]


def _moment(at: Any) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "–"


def _name(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _plain(value: Any) -> str:
    """A term without brackets and braces."""
    if isinstance(value, dict):
        return "; ".join(f"{_name(name).lower()}: {_plain(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(each) for each in value)
    return str(value)
