"""A grant's frozen terms as a paper: what was agreed, by whom, and what ends it."""

from __future__ import annotations

import hashlib
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from tallymark.canonical import canonical

from provenance.documents.pdf import Paper
from provenance.models import Grant
from provenance.templatetags.kept import named, purpose

LONG = ("text",)


def terms_pdf(grant: Grant) -> bytes:
    """The terms as they were frozen when the grant was given; what they mean, as readers read."""
    sides = {"dataset": grant.dataset, "owner": grant.dataset.owner.name, "lab": grant.lab.name}
    paper = Paper(_("Grant of use"), subtitle=_("%(dataset)s of %(owner)s, to %(lab)s") % sides)
    paper.facts(
        [
            (_("Grant"), grant.pk),
            (_("State"), grant.get_state_display()),
            (_("Given by"), grant.dataset.owner.name),
            (_("Given to"), grant.lab.name),
            (_("For"), pgettext("list", ", ").join(_purposes(grant))),
            (_("Asked at"), _moment(grant.requested_at)),
            (_("Given at"), _moment(grant.decided_at)),
            (_("Holds until"), _moment(grant.valid_to)),
            (_("SHA-256 in the ledger"), hashlib.sha256(canonical(grant.terms)).hexdigest()),
        ]
    )
    paper.heading(_("Terms, frozen when it was given"))
    kept = {name: value for name, value in grant.terms.items() if value not in ("", None)}
    paper.facts([(_name(name), _plain(value)) for name, value in kept.items() if name not in LONG])
    for name in LONG:
        if kept.get(name):
            paper.text(str(kept[name]))
    paper.heading(_("What this means"))
    paper.points(
        (
            _("A later change of the licence or of its price does not change these terms."),
            _("What is used while it holds is owed at the price above, also when it has ended."),
            _(
                "Use after it has ended, or for another purpose, is not covered: it is written "
                "down as ungranted, and both sides see it."
            ),
        )
    )
    paper.translation_note()
    return paper.bytes()


def _purposes(grant: Grant) -> list[str]:
    return [purpose(one) for one in grant.purposes]


def _moment(at: Any) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "–"


def _name(name: str) -> str:
    words = named(name)
    return words[:1].upper() + words[1:]


def _plain(value: Any) -> str:
    """A term without brackets and braces."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, dict):
        return "; ".join(f"{_name(name).lower()}: {_plain(each)}" for name, each in value.items())
    if isinstance(value, list):
        return pgettext("list", ", ").join(_plain(each) for each in value)
    return purpose(value)
