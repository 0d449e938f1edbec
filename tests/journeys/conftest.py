"""One service for all journeys that a person walks, and a browser for each module."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys import service
from tests.journeys.browser import Watched, chromium
from tests.journeys.service import Place


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    """A service of its own; or the one on TALLYMARK_JOURNEY_DATA, if that is named."""
    data = os.environ.get("TALLYMARK_JOURNEY_DATA")
    if data:
        yield service.place_of(Path(data))
        return
    with service.temporary() as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def watched(place: Place) -> Iterator[Watched]:
    """Whatever pages of this test complain of, or ask of other hosts, fails it."""
    found = Watched(place.url)
    yield found
    assert not found.errors
    assert not found.foreign
