"""The words of a statement of reasons: what was found, the rule, the effect, what one may do.

Text only, from the facts that stand beside it; whoever reads it must be able to act on it alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from provenance import kept
from provenance.figures import by_kind, moment_in_words, per_million

RULE_OF_ORDER = _noop(
    "The order of registration is a date and not a right: it decides who is asked first, not who "
    "is right."
)
_OUTCOMES = {
    "to_earlier": _noop("the records are those of {earlier}"),
    "to_later": _noop("the records are those of {later}"),
    "shared": _noop(
        "both hold rights: {earlier_parts} of 10,000 parts to {earlier}, the rest to {later}"
    ),
    "common": _noop("the records are common material: each side keeps what it registered"),
}


def write(kind: str, facts: Mapping[str, Any]) -> str:
    """The statement of `kind` in the active language: four short parts, each with its heading."""
    effect, may = _EFFECTS[kind]
    filled = {**facts, "until": _day(facts.get("until")), "decision": _decision(facts)}
    if "scope" in facts:
        filled["scope"] = kept.said(facts["scope"])
    may_do = _(may).format_map(filled)
    if kind == "claim_waits" and facts.get("until"):
        may_do += " " + _(_MAY_STILL).format_map(filled)
    parts = [
        (_("What was found"), _found(facts)),
        (_("The rule"), f"{_(RULE_OF_ORDER)} {_(_RULES[kind])}"),
        (_("The effect"), _(effect).format_map(filled)),
        (_("What you may do"), may_do),
    ]
    if facts.get("reasons"):
        parts.insert(2, (_("The reasons given"), str(facts["reasons"])))
    return "\n\n".join(f"{title}\n{text}" for title, text in parts)


def translated(kind: str, facts: Mapping[str, Any], text: str) -> str:
    """A kept statement in the active language; empty where that is the English it was kept in."""
    if (get_language() or "en").startswith("en"):
        return ""
    return write(kind, facts) + (f"\n{opening()}" if text.endswith(_OPENING) else "")


def opening() -> str:
    """What a side must do that registered fingerprints only."""
    return _(_OPENING)


_RULES = {
    "hold": _noop(
        "What a newcomer's matching records earn is held at once, for 14 days, and released "
        "if nobody claims."
    ),
    "claim": _noop(
        "A claim keeps what is held until it is settled; the other side has 14 days to answer."
    ),
    "claim_waits": _noop(
        "What was registered earlier is held only after a claim with evidence that an "
        "operator admitted."
    ),
    "claim_rejected": _noop(
        "An operator admits a claim only where its evidence is worth an answer."
    ),
    "claim_withdrawn": _noop("A claimant may take its claim back until it is decided."),
    "released": _noop("Where nobody claims within 14 days, what was held is released."),
    "silence": _noop(
        "Where the claimant does not reply within 14 days, what was held is released."
    ),
    "referred": _noop("Where the other side does not answer within 14 days, a person decides."),
    "agreed": _noop("Where the other side accepts a claim, it is settled at once."),
    "conceded": _noop(
        "A side may settle records by its own word where it gives up nothing but its own."
    ),
    "derived": _noop(
        "Where both owners say that one dataset was made from the other, what is alike in "
        "them is expected, and what is owed for it is agreed."
    ),
    "decision": _noop(
        "An operator decides on the records and what both sides said; there is one "
        "appeal, within 30 days, to another operator."
    ),
    "appeal_decision": _noop(
        "An appeal is decided by an operator who did not decide before; it is final here."
    ),
}

_EFFECTS = {
    "hold": (
        _noop(
            "What {records} records of {later} earn is held from now until {until}. Nothing of "
            "{earlier} is held."
        ),
        _noop(
            "Either side may claim the records as its own until {until}, with a statement and any "
            "evidence. You need do nothing if you have nothing to say about them."
        ),
    ),
    "claim": (
        _noop(
            "{claimant} claims the records. What {records} records of {held} earn is held until "
            "the claim is settled."
        ),
        _noop(
            "{respondent} may answer until {until}, or accept the claim, which settles it at once. "
            "Without an answer a person decides."
        ),
    ),
    "claim_waits": (
        _noop(
            "{claimant} claims records that {respondent} registered earlier, or claims after the "
            "time for it. Nothing more is held unless an operator admits the claim."
        ),
        _noop("Nothing yet: both sides are told when an operator has looked at the evidence."),
    ),
    "claim_rejected": (
        _noop("The claim of {claimant} is not admitted, and nothing is held because of it."),
        _noop("{claimant} may bring better evidence to the operator."),
    ),
    "claim_withdrawn": (
        _noop(
            "{claimant} took its claim back. What {records} records earned is released to their "
            "registrant."
        ),
        _noop(
            "The same records cannot be claimed by {claimant} again. A claim of the other side, if "
            "there is one, goes on."
        ),
    ),
    "released": (
        _noop(
            "Nobody claimed in time. What {records} records of {held} earned is released to their "
            "registrant."
        ),
        _noop("A claim is still possible, but holds something only after an operator admitted it."),
    ),
    "silence": (
        _noop(
            "{claimant} did not reply in time. What {records} records earned is released to their "
            "registrant, and the matter is closed."
        ),
        _noop("Nothing is awaited of either side."),
    ),
    "referred": (
        _noop(
            "{respondent} did not answer in time. What is held stays held until a person has "
            "decided, by {until} at the latest."
        ),
        _noop("You will be told the decision and its reasons."),
    ),
    "agreed": (
        _noop(
            "{respondent} accepts the claim of {claimant} on {records} records: {decision}. {scope}"
        ),
        _noop("Nothing is awaited of either side."),
    ),
    "conceded": (
        _noop("{conceder} says of {records} records: {decision}. {scope}"),
        _noop(
            "Nothing is awaited for these records, nor for the same records in later versions. "
            "What else is in question goes on as before."
        ),
    ),
    "derived": (
        _noop(
            "{parent} accepts that {child} was made from it. What {records} records earned is "
            "released, and divided as that derivation says."
        ),
        _noop("Nothing is awaited of either side."),
    ),
    "decision": (
        _noop("On {records} records: {decision}. {scope}"),
        _noop(
            "Either side may appeal once, until {until}, to an operator who did not decide before."
        ),
    ),
    "appeal_decision": (
        _noop("On {records} records, in place of the decision before: {decision}. {scope}"),
        _noop("There is no further appeal here. The courts stay open to you."),
    ),
}


_MAY_STILL = _noop(
    "{respondent} may still claim the records until {until}; if it does not, what is held is "
    "released."
)
_OPENING = _noop(
    "You registered fingerprints only: before anything is released to you, open the records that"
    " were drawn for it; the page of the conflict names them."
)


def _found(facts: Mapping[str, Any]) -> str:
    """Kinds, counts, interval, detector and how often it is wrong, always together."""
    text = _("{later} and {earlier} have records that match closely: {counts}.").format(
        later=facts["later"],
        earlier=facts["earlier"],
        counts=by_kind(facts["counts"]) or _("claimed by a person"),
    )
    if facts.get("detector"):
        text += " " + _(
            "Records that match, by detector {detector}: {count}. Of 1,000,000 unrelated records "
            "it would match at most {rate} by mistake."
        ).format(
            detector=facts["detector"],
            count=interval_in_words(facts["interval"]),
            rate=per_million(facts["false_accusation_rate"]),
        )
    return text


def interval_in_words(interval: Sequence[int]) -> str:
    """How many records match: from the one to the other, or so many where that is one."""
    first, last = (f"{bound:,}" for bound in interval)
    return first if first == last else _("%(first)s to %(last)s") % {"first": first, "last": last}


def _decision(facts: Mapping[str, Any]) -> str:
    outcome = facts.get("outcome")
    return _(_OUTCOMES[outcome]).format_map(facts) if outcome else ""


def _day(until: Any) -> str:
    """An ISO moment as a reader takes it in."""
    return moment_in_words(datetime.fromisoformat(until)) if until else _("further notice")
