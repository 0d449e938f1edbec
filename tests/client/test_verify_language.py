"""The page that checks proofs has a sentence of its own in Chinese for each of its English ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from deploy.words.bare import in_template
from tests.client.test_verify_page import ROOT, needs_node, page
from tests.proofs import OLDER_TAMPERINGS, TAMPERINGS, with_change

__all__ = ["page"]

PARTS = ROOT / "provenance" / "verifier"
HOLE = re.compile(r"\{(\w+)\}")
IS_SENTENCE = re.compile(r"[a-z]{2,} [a-z{\[]|[a-z]{2,} [A-Z]")
IS_CHINESE = re.compile(r"[\u4e00-\u9fff]")
# The dictionary and its use, and a part that names types.
SILENT = ("chinese.js", "language.js", "signatures.js")
# Words that the script puts into its sentences.
WORDS = {"Payout", "text", "a UUID", "of no kind"}


def template(words: str) -> str:
    """A sentence with each of its holes as `{}`: from a script's template or the dictionary."""
    return re.sub(r"\$?\{[^{}]*\}", "{}", words.replace("\\`", "`"))


def sentences_of(path: Path) -> set[str]:
    """The sentences that stand in a script, whatever they are put into."""
    script = re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.MULTILINE)
    texts = re.findall(r"`((?:[^`\\]|\\.)*)`", script)
    texts += re.findall(r'"((?:[^"\\\n]|\\.)*)"', re.sub(r"`(?:[^`\\]|\\.)*`", "", script))
    return {one for one in map(template, texts) if IS_SENTENCE.search(one)}


@needs_node
def test_every_sentence_of_the_page_has_its_chinese_and_none_is_left_over(page):
    (chinese,) = page({"words": True})
    scripts = [one for one in PARTS.glob("*.js") if one.name not in SILENT]
    said = set().union(*(sentences_of(one) for one in scripts)) | WORDS
    html = (PARTS / "page.html").read_text()
    html = re.sub(r"\{\{.*?\}\}|<span id=\"languages\".*?</span>", "", html)
    title = re.search(r"<title>(.*?)</title>", html)
    said |= {*in_template(html), title[1]} - {"https://..."}
    assert len(said) > 100
    assert {template(one) for one in chinese} == said


@needs_node
def test_what_is_put_into_a_sentence_is_put_into_its_chinese(page):
    (chinese,) = page({"words": True})
    for english, own in chinese.items():
        assert sorted(HOLE.findall(english)) == sorted(HOLE.findall(own)), english
        if IS_SENTENCE.search(english):
            assert IS_CHINESE.search(own) or "0x" in english or english == "a UUID", english


@needs_node
@pytest.mark.django_db(transaction=True)
def test_nothing_of_a_report_stays_english_and_no_figure_is_lost(
    page, chain, payment_proof, older_payment_proof
):
    proof, older = (json.loads(json.dumps(one)) for one in (payment_proof, older_payment_proof))
    forged = [proof, *(with_change(proof, path) for path, _ in TAMPERINGS.values())]
    forged += [older, *(with_change(older, path) for path, _ in OLDER_TAMPERINGS.values())]
    answers = page(*({"proof": json.dumps(one), "rpc": chain.url} for one in forged))
    words = {one["words"] for answer in answers for one in answer["checks"]}
    words |= {one for answer in answers for one in [*answer["facts"], *answer["notChecked"]]}
    for english, own in zip(
        sorted(words), page(*({"said": one} for one in sorted(words))), strict=True
    ):
        assert IS_CHINESE.search(own), english
        assert not re.search(r"\b(the|is|was|not|has|it)\b", own), own
        assert sorted(re.findall(r"0x\w+|\d+", english)) == sorted(re.findall(r"0x\w+|\d+", own))


@needs_node
def test_the_page_speaks_as_its_address_says_or_else_as_the_browser_asks(page):
    asked = [
        ("", ["fr-FR", "zh-CN", "en-GB"]),
        ("#zh-hans", ["en-GB"]),
        ("#en-gb", ["zh-CN"]),
        ("#elsewhere", ["fr"]),
    ]
    answers = page(*({"address": address, "asked": tags} for address, tags in asked))
    assert answers == ["zh-Hans", "zh-Hans", "en", "en"]
