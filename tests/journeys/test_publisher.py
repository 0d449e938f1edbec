"""A publisher's days in a real browser: thousands of articles, a delta, one answer to all matches.

`./run test` walks with 500 articles, `./run journeys` with 10,000.
"""

from __future__ import annotations

import os
import random
import re
import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.browser import MISSING, Watched, program
from tests.journeys.people import file_of, page_of, register, sees, send_delta
from tests.journeys.service import Place

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason=MISSING),
]

ARTICLES = int(os.environ.get("TALLYMARK_JOURNEY_ARTICLES", "500"))
DELTA = ARTICLES * 3 // 100
MATCHES = ARTICLES // 5
WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "lmnrst"]
Rows = list[tuple[str, str]]


def articles(count: int, start: int = 0) -> Rows:
    """Articles of about a hundred words that nobody has registered before, each with its id."""
    draw = random.Random(secrets.token_hex(8))
    return [
        (f"wire/{number}", " ".join(draw.choices(WORDS, k=100)) + ".")
        for number in range(start, start + count)
    ]


def test_a_publisher_answers_all_matches_of_thousands_of_articles_in_one_action(
    browser: Any, place: Place, watched: Watched, tmp_path: Path
) -> None:
    tag = secrets.token_hex(3)
    wire = articles(ARTICLES)
    ada = page_of(browser, place, "aurora-archive", watched)
    register(ada, place, f"Wire {tag}", file_of(tmp_path, f"wire-{tag}", wire))
    sees(ada, f"is sealed with {ARTICLES:,} records")
    sees(ada, "Nothing alike was registered before")
    sees(ada, f"{ARTICLES:,} records of this version are new and were compared.")

    ben = page_of(browser, place, "birch-books", watched)
    half = MATCHES // 2
    for at, rows in enumerate((wire[:half], wire[half:MATCHES])):
        title = f"Reader {tag} {at}"
        copied = [(f"page/{key}", text) for key, text in rows]
        register(ben, place, title, file_of(tmp_path, f"reader-{tag}-{at}", copied))
        sees(ben, f"{half:,} exact")

    changed = [(key, f"{text} Corrected.") for key, text in wire[-DELTA // 3 :]]
    delta = changed + articles(DELTA - len(changed), start=ARTICLES)
    send_delta(ada, place, f"Wire {tag}", file_of(tmp_path, f"delta-{tag}", delta))

    answer_all(ada, place, f"Wire {tag}")
    sees(ada, f"Records answered: {MATCHES:,}; conflicts: 2.")

    again = [(f"again/{key}", text) for key, text in wire[: half // 2]]
    send_delta(ben, place, f"Reader {tag} 0", file_of(tmp_path, f"again-{tag}", again))
    ada.goto(f"{place.url}/admin/provenance/conflict/")
    ada.get_by_role("link", name="Answer these at once").click()
    narrow(ada, f"Wire {tag}")
    sees(ada, "Nothing here waits for an answer")


def answer_all(page: Any, place: Place, title: str) -> None:
    """Narrow the inbox to one dataset and let the other side keep all of it."""
    page.goto(f"{place.url}/admin/")
    page.get_by_role("link", name="Conflicts", exact=True).first.click()
    page.get_by_role("link", name="Answer these at once").click()
    narrow(page, title)
    page.get_by_label(re.compile("Each keeps its own")).check()
    page.get_by_label("What you say").fill("Agency news, licensed to all readers.")
    page.get_by_role("button", name="Give this answer").click()
    page.wait_for_selector("[data-tm-state=done]")


def narrow(page: Any, title: str) -> None:
    page.get_by_label("My dataset").select_option(label=title)
    page.get_by_role("button", name="Show", exact=True).click()
    sees(page, "conflicts are chosen")
