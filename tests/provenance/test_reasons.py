"""Statements of reasons: kept in English, and said in the language of whoever reads them."""

from __future__ import annotations

import re

import pytest
from django.utils import translation

from provenance import reasons
from provenance.conflicts.resolutions import FROM_NOW

FACTS = {
    "later": "北/二",
    "earlier": "南/一",
    "counts": {"exact": 5, "near": 3, "semantic": 0},
    "detector": "甲/2",
    "interval": [7, 8],
    "false_accusation_rate": 0.000958,
    "until": "2031-05-03T14:00:00+00:00",
    "records": 8,
    "held": "北/二",
    "claimant": "南方",
    "respondent": "北方",
    "conceder": "北方",
    "parent": "南/一",
    "child": "北/二",
    "outcome": "shared",
    "earlier_parts": 4000,
    "scope": FROM_NOW,
    "reasons": "草稿更早。",
}


@pytest.mark.parametrize("kind", sorted(reasons._EFFECTS))
def test_every_statement_is_said_in_chinese_to_its_last_word(kind: str) -> None:
    with translation.override("zh-hans"):
        said = reasons.translated(kind, FACTS, "")
    assert "草稿更早。" in said
    assert set(re.findall(r"[A-Za-z{}]+", said)) <= {"UTC"}


def test_who_reads_english_reads_the_statement_that_was_kept() -> None:
    with translation.override("en-gb"):
        assert reasons.translated("hold", FACTS, "") == ""
        assert reasons.write("hold", FACTS).startswith(
            "What was found\n北/二 and 南/一 have records that match closely: 5 exact, 3 near. "
            "Records that match, by detector 甲/2: 7 to 8. Of 1,000,000 unrelated records it would "
            "match at most 958 by mistake."
        )


def test_what_a_side_by_fingerprints_must_do_is_said_with_the_statement() -> None:
    with translation.override("en-gb"):
        kept = f"{reasons.write('hold', FACTS)}\n{reasons.opening()}"
    with translation.override("zh-hans"):
        assert reasons.translated("hold", FACTS, kept).endswith(reasons.opening())
