"""Events are said in words: each kind that the code writes has its own, in both languages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import translation

from provenance import event_words, signals
from provenance.models import Review

ROOT = Path(__file__).resolve().parents[2]
KIND = re.compile(r"[a-z_]+\.[a-z_]+")
RECORDS = re.compile(r"(_?record(_\w+)?|note)$")


def written() -> Iterator[str]:
    """The kinds that calls of the ledger, and of what leads to it, name as they stand."""
    for app in ("provenance", "ingest", "compensation"):
        for path in (ROOT / app).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and RECORDS.match(_name(node.func)):
                    yield from _kinds(node)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)


def _kinds(call: ast.Call) -> Iterator[str]:
    is_note = _name(call.func) == "note"
    for argument in call.args[:2]:
        for part in ast.walk(argument):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                kind = f"conflict.{part.value}" if is_note else part.value
                if KIND.fullmatch(kind):
                    yield kind


def test_every_kind_of_event_has_its_words_and_its_chinese() -> None:
    kinds = set(written())
    assert {"version.sealed", "conflict.claimed", "payout.settled", "dataset.transferred"} <= kinds
    assert kinds - event_words.WORDS.keys() == set()
    with translation.override("zh-hans"):
        for kind in event_words.WORDS:
            assert not event_words.happened(kind).isascii(), kind
        for subject in event_words.SUBJECTS.keys() - {"webhook"}:
            assert not event_words.about(subject).isascii(), subject


def test_a_kind_that_nobody_knows_is_shown_as_its_code() -> None:
    assert event_words.happened("moon.landed") == "moon.landed"


EVIDENCE = {
    "gap": {
        "missing": 1200,
        "streams": [{"stream": "甲", "meter": "乙", "last": 2000, "missing": [[1, 1], [3, 1201]]}],
    },
    "plan": {"direction": "drop", "expected": 2000, "reported": 7, "counted": "records"},
    "history": {
        "direction": "drop", "same_dataset": False, "reported": 9, "runs": 11, "usual": 4000,
        "low": 3000, "high": 5000,
    },
    "size": {
        "size": 10, "size_tokens": 20, "epochs": 1, "most": 30, "records": 4000, "tokens": 90,
        "most_tokens": 50,
    },
    "two_names": {"how": "reads_like", "said": "甲", "registered": "乙", "records": 3000},
    "meters": {
        "meter": "甲", "other_meter": "乙", "reported": 1, "other_reported": 2, "epochs": 3,
        "counted": "records",
    },
    "policy": {"policy": "甲", "words": "乙"},
}  # fmt: skip


@pytest.mark.parametrize("rule", Review.Rule.values)
def test_what_a_review_found_is_said_in_chinese_with_every_figure(rule: str) -> None:
    review = Review(rule=rule, evidence=EVIDENCE[rule])
    said = {}
    for language in ("en-gb", "zh-hans"):
        with translation.override(language):
            said[language] = signals.say_evidence(review)
            advice = signals.advice(review)
    figures = [sorted(re.findall(r"[\d,]*\d", text)) for text in said.values()]
    assert figures[0] == figures[1]
    assert re.findall(r"[A-Za-z]{2,}", said["zh-hans"]) == []
    assert re.findall(r"[A-Za-z]{2,}", re.sub(r"`.*?`", "", advice)) == []
