"""What a review says: the figures in a sentence, and what each side may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from provenance.models import Review

Rule = Review.Rule
Evidence = Mapping[str, Any]
# So many ranges of missing numbers are named; the rest is counted.
SHOWN = 5


def say_evidence(review: Review) -> str:
    """What was found, for the lab and for operators, in whole numbers."""
    return _SAYING[Rule(review.rule)](review.evidence)


def for_owner(review: Review) -> str:
    """What the owner of the data reads: that it is looked at, and nothing of the lab's own."""
    if review.state == Review.State.CLOSED:
        return f"A person looked at how this use was reported: {review.get_outcome_display()}."
    return (
        f"A person looks at how this use was reported ({review.get_rule_display().lower()}). "
        "What was charged stays as it is meanwhile."
    )


def advice(review: Review) -> str:
    """What the lab may do about it."""
    return f"{_ADVICE[Rule(review.rule)]} Nothing is charged or taken back because of a review."


def _number(value: Any) -> str:
    return f"{int(value):,}"


def _gap(found: Evidence) -> str:
    parts = []
    for stream in found["streams"]:
        ranges = stream["missing"]
        named = ", ".join(
            _number(first) if first == last else f"{_number(first)} to {_number(last)}"
            for first, last in ranges[:SHOWN]
        )
        rest = f" and {len(ranges) - SHOWN} more places" if len(ranges) > SHOWN else ""
        parts.append(
            f"stream {stream['stream']} ({stream['meter']}) came to number "
            f"{_number(stream['last'])} without {named}{rest}"
        )
    return f"Reports that never came: {_number(found['missing'])}. {_sentence('; '.join(parts))}"


def _plan(found: Evidence) -> str:
    how = "more" if found["direction"] == "surge" else "less"
    return (
        f"The run's plan said {_number(found['expected'])} {found['counted']}; "
        f"{_number(found['reported'])} were reported, which is {how}."
    )


def _history(found: Evidence) -> str:
    of = "on this dataset" if found["same_dataset"] else "for this purpose, by the dataset's size"
    lasting = ", though the run lasted about as long" if found["direction"] == "drop" else ""
    return (
        f"{_number(found['reported'])} records were reported. The lab's {_number(found['runs'])} "
        f"other runs {of} used {_number(found['usual'])} in the middle, and between "
        f"{_number(found['low'])} and {_number(found['high'])} would be no surprise{lasting}."
    )


def _size(found: Evidence) -> str:
    text = (
        f"The dataset has {_number(found['size'])} records and {_number(found['size_tokens'])} "
        f"tokens. With {_number(found['epochs'])} epochs and one under way at most "
        f"{_number(found['most'])} records can be used; {_number(found['records'])} were reported"
    )
    if int(found["tokens"]) > int(found["most_tokens"]) > 0:
        text += f", and {_number(found['tokens'])} tokens"
    return f"{text}."


def _two_names(found: Evidence) -> str:
    if found["how"] == "reads_like":
        return (
            f"Nobody registered '{found['said']}', which reads like '{found['registered']}'; "
            f"{_number(found['records'])} records were reported under it."
        )
    same = f"{_number(found['shared'])} of {_number(found['smaller'])} records are the same"
    if found["how"] == "own_copy":
        return f"The lab used a version of its own, and another registered it earlier: {same}."
    return f"The run reports two versions that hold the same: {same}."


def _meters(found: Evidence) -> str:
    epochs = f" in {_number(found['epochs'])} epochs" if int(found["epochs"] or 0) else ""
    return (
        f"The {found['meter']} meter counted {_number(found['reported'])} {found['counted']}"
        f"{epochs}, the {found['other_meter']} meter {_number(found['other_reported'])}."
    )


def _policy(found: Evidence) -> str:
    return f"The operator's policy '{found['policy']}' names this use: {found['words']}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


_SAYING: dict[Rule, Callable[[Evidence], str]] = {
    Rule.GAP: _gap,
    Rule.PLAN: _plan,
    Rule.HISTORY: _history,
    Rule.SIZE: _size,
    Rule.TWO_NAMES: _two_names,
    Rule.METERS: _meters,
    Rule.POLICY: _policy,
}
_ADVICE: dict[Rule, str] = {
    Rule.GAP: "Send the missing reports if you still have them (`tallymark flush` does), or say "
    "what became of them.",
    Rule.PLAN: "Send what is missing, or say why the run differed from its plan.",
    Rule.HISTORY: "Say what was different about this run.",
    Rule.SIZE: "Look whether epochs are counted, and whether one process reports for all.",
    Rule.TWO_NAMES: "Report one content under one name, as its owner registered it, or say why "
    "it is two.",
    Rule.METERS: "Look which meter counts wrongly; counters only grow, so a late report can put a "
    "low one right.",
    Rule.POLICY: "Answer what it asks.",
}
