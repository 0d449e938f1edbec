"""Without a mouse: signing in, skipping the navigation, registering a dataset, the menus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.browser import MISSING, chromium, program
from tests.journeys.service import Place
from tests.journeys.walker import Walker

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason=MISSING),
]

STEPS = 120
IS_VISIBLE = """() => {
  const one = document.activeElement, box = one.getBoundingClientRect();
  const style = getComputedStyle(one);
  const marked = style.outlineStyle !== "none" || style.boxShadow !== "none";
  return box.width > 0 && box.left >= 0 && box.top >= 0 && marked;
}"""


@pytest.fixture
def walker(place: Place) -> Iterator[Walker]:
    # The keyboard's focus is the window's: no other may be open.
    with chromium() as browser:
        walker = Walker(browser, place)
        yield walker
        walker.close()


def tab_to(page: Any, selector: str) -> None:
    """Press Tab until what the selector names has the focus, and is seen to have it."""
    for _ in range(STEPS):
        page.keyboard.press("Tab")
        if page.evaluate("which => document.activeElement.matches(which)", selector):
            assert page.evaluate(IS_VISIBLE), f"nobody sees that {selector} has the focus"
            return
    raise AssertionError(f"Tab never came to {selector}")


def choose_by_keyboard(page: Any, file: Path) -> None:
    """Open the dialogue for files, as a person does: who sees nothing happen presses again."""
    chosen: list[Any] = []
    page.on("filechooser", lambda found: chosen.append(found))
    for key in ("Enter", "Space", "Enter"):
        page.keyboard.press(key)
        for _ in range(50):
            if chosen:
                chosen[0].set_files(str(file))
                return
            page.wait_for_timeout(200)
    raise AssertionError("no key opened the dialogue for files")


def sign_in_by_keyboard(walker: Walker) -> None:
    page = walker.page
    email, password = walker.place.passwords["birch-books"]
    walker.open("/accounts/login/")
    page.evaluate("document.activeElement.blur()")
    tab_to(page, "input[name=login]")
    page.keyboard.type(email)
    tab_to(page, "input[name=password]")
    page.keyboard.type(password)
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/**")


def test_a_dataset_is_registered_without_a_mouse(walker: Walker, tmp_path: Path) -> None:
    page = walker.page
    file = tmp_path / "letters.jsonl"
    rows = [{"id": f"l{place}", "text": f"a letter, number {place}, to nobody"} for place in (1, 2)]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    sign_in_by_keyboard(walker)
    walker.open("/admin/provenance/dataset/do/register/")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate(IS_VISIBLE)
    page.keyboard.press("Enter")
    tab_to(page, "input[name$=title]")
    page.keyboard.type("Letters to nobody")
    tab_to(page, "input[type=file]")
    choose_by_keyboard(page, file)
    tab_to(page, "#content button[type=submit]")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/admin/ingest/upload/[0-9a-f-]{36}/"))
    assert not walker.watched.wrong()


def test_menus_open_and_close_by_keyboard(walker: Walker) -> None:
    page = walker.page
    sign_in_by_keyboard(walker)
    tab_to(page, "[aria-controls=user-links]")
    page.keyboard.press("Enter")
    page.locator("#user-links").wait_for(state="visible")
    page.keyboard.press("Escape")
    page.locator("#user-links").wait_for(state="hidden")
    page.set_viewport_size({"width": 390, "height": 844})
    walker.open("/admin/")
    tab_to(page, "#header-inner button")
    page.keyboard.press("Enter")
    page.locator("#nav-sidebar").wait_for(state="visible")
    assert not walker.watched.wrong()
