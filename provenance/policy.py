"""Conditions of policies, in CEL (https://cel.dev): decided on published facts and nothing else.

A condition sees one map of facts under one name. It fails closed: what cannot be decided does not
hold, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cel
from django.utils.translation import gettext as _

from provenance.refusals import Refused

Facts = Mapping[str, Any]

MOST_LETTERS = 1_000
# What CEL's integers hold; greater facts are cut to it.
MOST = 2**63 - 1
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'')
# Everything by which the library refuses to decide: types, names, arithmetic, functions.
_UNDECIDED = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)


class BadCondition(Refused):
    """This is no condition over the published facts."""

    code = "bad_condition"
    status = 400


@dataclass(frozen=True)
class Condition:
    """A condition that was compiled, and which facts it names."""

    root: str
    names: frozenset[str]
    program: cel.Program

    def decide(self, facts: Facts) -> bool | None:
        """Whether it holds; None where it cannot be decided on these facts."""
        try:
            answer = self.program.execute({self.root: dict(facts)})
        except _UNDECIDED:
            return None
        return answer if isinstance(answer, bool) else None


def condition(text: str, *, root: str) -> Condition:
    """Compile a condition over the facts that stand under `root`; raises BadCondition."""
    if not text.strip() or len(text) > MOST_LETTERS:
        raise BadCondition(
            _("A condition has between 1 and %(most)s letters.") % {"most": MOST_LETTERS}
        )
    try:
        program = cel.compile(text)
    except ValueError as error:
        raise BadCondition(_("This is not CEL: %(why)s") % {"why": error}) from error
    plain = _QUOTED.sub('""', text)
    names = re.findall(rf"(?<![\w.]){root}\s*\.\s*(\w+)", plain)
    if len(names) != len(re.findall(rf"(?<![\w.]){root}\b", plain)):
        # Facts that cost are looked up only where they are named, so none is reached otherwise.
        raise BadCondition(
            _("Name each fact as %(root)s.name, and %(root)s nowhere else.") % {"root": root}
        )
    return Condition(root, frozenset(names), program)


def require_sound(made: Condition, example: Facts) -> None:
    """Raise BadCondition unless it names only known facts and says yes or no of an example."""
    unknown = sorted(made.names - set(example))
    if unknown:
        raise BadCondition(
            _("There is no fact %(name)s.") % {"name": f"{made.root}.{unknown[0]}"},
            hint=_("There are: %(names)s") % {"names": ", ".join(example)},
        )
    if not made.names:
        raise BadCondition(
            _("It names no fact, so it says the same of everything."),
            hint=_("Write %(root)s. and the name of a fact.") % {"root": made.root},
        )
    if made.decide(example) is None:
        raise BadCondition(
            _("It does not say yes or no."),
            hint=_("Compare texts with texts and numbers with numbers; nothing else is known."),
        )
