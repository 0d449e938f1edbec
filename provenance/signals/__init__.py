"""Signals: what looks wrong in reports of use becomes a review by a person, never a debit."""

from provenance.signals.declared import Planned, PlanStands, PlanTooLate, declare
from provenance.signals.findings import Finding, find
from provenance.signals.reviews import (
    BadClosing,
    ReviewClosed,
    ask_for_a_look,
    assign,
    close,
    raise_reviews,
    say,
)
from provenance.signals.words import advice, for_owner, say_evidence

__all__ = [
    "BadClosing",
    "Finding",
    "PlanStands",
    "PlanTooLate",
    "Planned",
    "ReviewClosed",
    "advice",
    "ask_for_a_look",
    "assign",
    "close",
    "declare",
    "find",
    "for_owner",
    "raise_reviews",
    "say",
    "say_evidence",
]
