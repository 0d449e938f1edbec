"""The words of a statement of reasons: what was found, the rule, the effect, what one may do.

Text only, from the facts that stand beside it; whoever reads it must be able to act on it alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RULE_OF_ORDER = (
    "The order of registration is a date and not a right: it decides who is asked first, not who "
    "is right."
)
_OUTCOMES = {
    "to_earlier": "the records are those of {earlier}",
    "to_later": "the records are those of {later}",
    "shared": "both hold rights: {earlier_parts} of 10,000 parts to {earlier}, the rest to {later}",
    "common": "the records are common material: each side keeps what it registered",
}


def write(kind: str, facts: Mapping[str, Any]) -> str:
    """The statement of `kind` in English: four short parts, each with its heading."""
    effect, may = _EFFECTS[kind]
    filled = {**facts, "until": _day(facts.get("until")), "decision": _decision(facts)}
    parts = [
        ("What was found", _found(facts)),
        ("The rule", f"{RULE_OF_ORDER} {_RULES[kind]}"),
        ("The effect", effect.format_map(filled)),
        ("What you may do", may.format_map(filled)),
    ]
    if facts.get("reasons"):
        parts.insert(2, ("The reasons given", str(facts["reasons"])))
    return "\n\n".join(f"{title}\n{text}" for title, text in parts)


_RULES = {
    "hold": "What a newcomer's matching records earn is held at once, for 14 days, and released "
    "if nobody claims.",
    "claim": "A claim keeps what is held until it is settled; the other side has 14 days to "
    "answer.",
    "claim_waits": "What was registered earlier is held only after a claim with evidence that an "
    "operator admitted.",
    "claim_rejected": "An operator admits a claim only where its evidence is worth an answer.",
    "claim_withdrawn": "A claimant may take its claim back until it is decided.",
    "released": "Where nobody claims within 14 days, what was held is released.",
    "silence": "Where the claimant does not reply within 14 days, what was held is released.",
    "referred": "Where the other side does not answer within 14 days, a person decides.",
    "agreed": "Where the other side accepts a claim, it is settled at once.",
    "conceded": "A side may settle records by its own word where it gives up nothing but its own.",
    "derived": "Where both owners say that one dataset was made from the other, what is alike in "
    "them is expected, and what is owed for it is agreed.",
    "decision": "An operator decides on the records and what both sides said; there is one "
    "appeal, within 30 days, to another operator.",
    "appeal_decision": "An appeal is decided by an operator who did not decide before; it is "
    "final here.",
}

_EFFECTS = {
    "hold": (
        "What {records} records of {later} earn is held from now until {until}. Nothing of "
        "{earlier} is held.",
        "Either side may claim the records as its own until {until}, with a statement and any "
        "evidence. You need do nothing if you have nothing to say about them.",
    ),
    "claim": (
        "{claimant} claims the records. What {records} records of {held} earn is held until the "
        "claim is settled.",
        "{respondent} may answer until {until}, or accept the claim, which settles it at once. "
        "Without an answer a person decides.",
    ),
    "claim_waits": (
        "{claimant} claims records that {respondent} registered earlier, or claims after the "
        "time for it. Nothing more is held unless an operator admits the claim.",
        "Nothing yet: both sides are told when an operator has looked at the evidence.",
    ),
    "claim_rejected": (
        "The claim of {claimant} is not admitted, and nothing is held because of it.",
        "{claimant} may bring better evidence to the operator.",
    ),
    "claim_withdrawn": (
        "{claimant} took its claim back. What {records} records earned is released to their "
        "registrant.",
        "The same records cannot be claimed by {claimant} again. A claim of the other side, if "
        "there is one, goes on.",
    ),
    "released": (
        "Nobody claimed in time. What {records} records of {held} earned is released to their "
        "registrant.",
        "A claim is still possible, but holds something only after an operator admitted it.",
    ),
    "silence": (
        "{claimant} did not reply in time. What {records} records earned is released to their "
        "registrant, and the matter is closed.",
        "Nothing is awaited of either side.",
    ),
    "referred": (
        "{respondent} did not answer in time. What is held stays held until a person has "
        "decided, by {until} at the latest.",
        "You will be told the decision and its reasons.",
    ),
    "agreed": (
        "{respondent} accepts the claim of {claimant} on {records} records: {decision}. {scope}",
        "Nothing is awaited of either side.",
    ),
    "conceded": (
        "{conceder} says of {records} records: {decision}. {scope}",
        "Nothing is awaited for these records, nor for the same records in later versions. What "
        "else is in question goes on as before.",
    ),
    "derived": (
        "{parent} accepts that {child} was made from it. What {records} records earned is "
        "released, and divided as that derivation says.",
        "Nothing is awaited of either side.",
    ),
    "decision": (
        "On {records} records: {decision}. {scope}",
        "Either side may appeal once, until {until}, to an operator who did not decide before.",
    ),
    "appeal_decision": (
        "On {records} records, in place of the decision before: {decision}. {scope}",
        "There is no further appeal here. The courts stay open to you.",
    ),
}


OPENING = (
    "You registered fingerprints only: before anything is released to you, open the records that"
    " were drawn for it; the page of the conflict names them."
)


def _found(facts: Mapping[str, Any]) -> str:
    """Kinds, counts, interval, detector and its false-accusation rate, always together."""
    sides = f"{facts['later']} and {facts['earlier']} have records that match closely"
    counts = ", ".join(f"{count:,} {kind}" for kind, count in facts["counts"].items() if count)
    text = f"{sides}: {counts or 'claimed by a person'}."
    if facts.get("detector"):
        low, high = facts["interval"]
        text += (
            f" Between {low:,} and {high:,} records match, by detector {facts['detector']}, which"
            f" names unrelated records alike at a rate of {facts['false_accusation_rate']:g}."
        )
    return text


def _decision(facts: Mapping[str, Any]) -> str:
    outcome = facts.get("outcome")
    return _OUTCOMES[outcome].format_map(facts) if outcome else ""


def _day(until: Any) -> str:
    """An ISO moment as a reader takes it in."""
    return f"{str(until)[:16].replace('T', ' ')} UTC" if until else "further notice"
