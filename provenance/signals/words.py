"""What a review says: the figures in a sentence, and what each side may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop
from django.utils.translation import pgettext

from provenance.models import Review

Rule = Review.Rule
Evidence = Mapping[str, Any]
# So many ranges of missing numbers are named; the rest is counted.
SHOWN = 5


def say_evidence(review: Review) -> str:
    """What was found, for the lab and for operators, in whole numbers; in the active language."""
    return _SAYING[Rule(review.rule)](review.evidence)


def for_owner(review: Review) -> str:
    """What the owner of the data reads: that it is looked at, and nothing of the lab's own."""
    if review.state == Review.State.CLOSED:
        closed = _("A person looked at how this use was reported: %(outcome)s.")
        return closed % {"outcome": review.get_outcome_display()}
    words = _(
        "A person looks at how this use was reported (%(rule)s). What was charged stays as it is "
        "meanwhile."
    )
    return words % {"rule": review.get_rule_display().lower()}


def advice(review: Review) -> str:
    """What the lab may do about it."""
    return _("%(advice)s Nothing is charged or taken back because of a review.") % {
        "advice": _(_ADVICE[Rule(review.rule)])
    }


def _numbers(found: Evidence) -> dict[str, str]:
    """The whole numbers among what was found, as they are written."""
    return {name: f"{value:,}" for name, value in found.items() if isinstance(value, int)}


def _range(first: int, last: int) -> str:
    if first == last:
        return f"{first:,}"
    return _("%(first)s to %(last)s") % {"first": f"{first:,}", "last": f"{last:,}"}


def _gap(found: Evidence) -> str:
    parts = []
    for stream in found["streams"]:
        ranges = stream["missing"]
        named = pgettext("list", ", ").join(
            _range(int(first), int(last)) for first, last in ranges[:SHOWN]
        )
        if len(ranges) > SHOWN:
            left = {"places": named, "count": len(ranges) - SHOWN}
            named = _("%(places)s and %(count)s more places") % left
        came = _("stream %(stream)s (%(meter)s) came to number %(last)s without %(places)s")
        parts.append(came % {**stream, "last": f"{int(stream['last']):,}", "places": named})
    said = {"missing": f"{int(found['missing']):,}", "parts": _joined(parts)}
    return _("Reports that never came: %(missing)s. %(parts)s.") % said


def _joined(parts: list[str]) -> str:
    text = pgettext("between sentences' parts", "; ").join(parts)
    return f"{text[:1].upper()}{text[1:]}"


def _plan(found: Evidence) -> str:
    said = {**_numbers(found), "counted": _counted(found)}
    if found["direction"] == "surge":
        words = _(
            "The run's plan said %(expected)s %(counted)s; %(reported)s were reported, which is "
            "more."
        )
    else:
        words = _(
            "The run's plan said %(expected)s %(counted)s; %(reported)s were reported, which is "
            "less."
        )
    return words % said


def _counted(found: Evidence) -> str:
    return _(str(found["counted"]))


def _history(found: Evidence) -> str:
    if found["same_dataset"]:
        words = _(
            "%(reported)s records were reported. The lab's %(runs)s other runs on this dataset "
            "used %(usual)s in the middle, and between %(low)s and %(high)s would be no surprise."
        )
    else:
        words = _(
            "%(reported)s records were reported. The lab's %(runs)s other runs for this purpose, "
            "by the dataset's size, used %(usual)s in the middle, and between %(low)s and "
            "%(high)s would be no surprise."
        )
    text = words % _numbers(found)
    if found["direction"] == "drop":
        text = _("%(finding)s The run lasted about as long, though.") % {"finding": text}
    return text


def _size(found: Evidence) -> str:
    if int(found["tokens"]) > int(found["most_tokens"]) > 0:
        words = _(
            "The dataset has %(size)s records and %(size_tokens)s tokens. With %(epochs)s epochs "
            "and one under way at most %(most)s records can be used; %(records)s were reported, "
            "and %(tokens)s tokens."
        )
    else:
        words = _(
            "The dataset has %(size)s records and %(size_tokens)s tokens. With %(epochs)s epochs "
            "and one under way at most %(most)s records can be used; %(records)s were reported."
        )
    return words % _numbers(found)


def _two_names(found: Evidence) -> str:
    if found["how"] == "reads_like":
        words = _(
            "Nobody registered '%(said)s', which reads like '%(registered)s'; %(records)s records "
            "were reported under it."
        )
    elif found["how"] == "own_copy":
        words = _(
            "The lab used a version of its own, and another registered it earlier: %(shared)s of "
            "%(smaller)s records are the same."
        )
    else:
        words = _(
            "The run reports two versions that hold the same: %(shared)s of %(smaller)s records "
            "are the same."
        )
    return words % {**found, **_numbers(found)}


def _meters(found: Evidence) -> str:
    if int(found["epochs"] or 0):
        words = _(
            "The %(meter)s meter counted %(reported)s %(counted)s in %(epochs)s epochs, the "
            "%(other_meter)s meter %(other_reported)s."
        )
    else:
        words = _(
            "The %(meter)s meter counted %(reported)s %(counted)s, the %(other_meter)s meter "
            "%(other_reported)s."
        )
    return words % {**found, **_numbers(found), "counted": _counted(found)}


def _policy(found: Evidence) -> str:
    return _("The operator's policy '%(policy)s' names this use: %(words)s") % found


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
    Rule.GAP: _noop(
        "Send the missing reports if you still have them (`tallymark flush` does), or say "
        "what became of them."
    ),
    Rule.PLAN: _noop("Send what is missing, or say why the run differed from its plan."),
    Rule.HISTORY: _noop("Say what was different about this run."),
    Rule.SIZE: _noop("Look whether epochs are counted, and whether one process reports for all."),
    Rule.TWO_NAMES: _noop(
        "Report one content under one name, as its owner registered it, or say why it is two."
    ),
    Rule.METERS: _noop(
        "Look which meter counts wrongly; counters only grow, so a late report can put a low one "
        "right."
    ),
    Rule.POLICY: _noop("Answer what it asks."),
}
