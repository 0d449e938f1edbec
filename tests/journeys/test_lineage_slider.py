"""Lineage in a real browser: the slider takes drawing, table and sheet back to an earlier day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from provenance import lineage, usage
from provenance.models import Party
from tests import factories
from tests.journeys.browser import MISSING, chromium, program

DAY = timedelta(days=1)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason=MISSING),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def address(live_server: Any, lab: Party, ada: Party) -> str:
    """A run that used essays was reported five days ago, its model two days ago."""
    now = timezone.now()
    essays = factories.version(factories.dataset(ada), ["one essay", "another essay"])
    run = usage.start_run(lab=lab, purpose="pretrain", name="train", at=now - 9 * DAY)
    usage.report_usage(
        run=run, subject=str(essays.pk), purpose="pretrain", stream="s", sequence=1,
        count=usage.Count(2), used_at=now - 9 * DAY, received_at=now - 5 * DAY,
    )  # fmt: skip
    usage.register_model(lab=lab, name="sparrow", run=run, at=now - 2 * DAY)
    start = lineage.node_id(essays.dataset)
    page = f"{live_server.url}/admin/provenance/run/lineage/"
    return f"{page}?node={start}&open=job:cobalt-labs:train"


def test_the_slider_shows_what_was_known_on_an_earlier_day(
    address: str, lab: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The browser's driver runs a loop in this thread, and nothing here waits in it.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    person = Client()
    person.force_login(factories.user("cleo@cobalt.example", party=lab))
    ((name, cookie),) = person.cookies.items()
    with chromium() as browser:
        context = browser.new_context()
        context.add_cookies([{"name": name, "value": cookie.value, "url": address}])
        slide(context.new_page(), address)


def slide(page: Any, address: str) -> None:
    failures: list[object] = []
    page.on("pageerror", lambda error: failures.append(error))
    page.goto(address)
    page.wait_for_selector("#tm-lineage[data-nodes='3']")
    page.locator("#tm-as-of-range").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    page.wait_for_selector("#tm-lineage[data-nodes='2']")
    day = (timezone.now() - 3 * DAY).strftime("%Y-%m-%d")
    assert page.input_value("#id_as_of") == page.inner_text("#tm-as-of output") == day
    assert "sparrow" not in page.inner_text("#tm-lineage-result")
    assert f"as_of={day}" in page.get_by_role("link", name="As CSV").get_attribute("href")
    page.reload()
    page.wait_for_selector("#tm-lineage[data-nodes='2']")
    page.locator("#tm-as-of-range").press("End")
    page.wait_for_selector("#tm-lineage[data-nodes='3']")
    assert "sparrow" in page.inner_text("#tm-lineage-result")
    assert not failures
