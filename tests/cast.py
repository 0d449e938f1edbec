"""The people of our tests: Ada and Ben own data, Cobalt Labs trains, an operator decides."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from provenance.access import Viewer
from provenance.models import Party, User
from tests import factories

# When everything in a test happens unless it says otherwise.
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def noon() -> datetime:
    return NOON


@pytest.fixture
def ada(db: None) -> Party:
    """Aurora Archive, whose Ada writes."""
    return factories.party("Aurora Archive", is_owner=True)


@pytest.fixture
def ben(db: None) -> Party:
    """Birch Books, whose Ben copies now and then."""
    return factories.party("Birch Books", is_owner=True)


@pytest.fixture
def lab(db: None) -> Party:
    return factories.party("Cobalt Labs", is_lab=True)


@pytest.fixture
def operator(db: None) -> Party:
    return factories.party("Tallymark Operations", is_operator=True)


@pytest.fixture
def olga(operator: Party) -> User:
    """An operator, who decides."""
    return factories.user("olga@operations.example", party=operator)


@pytest.fixture
def otto(operator: Party) -> User:
    """Another operator, who decides appeals."""
    return factories.user("otto@operations.example", party=operator)


@pytest.fixture
def as_ada(ada: Party) -> Viewer:
    return factories.viewer(ada)


@pytest.fixture
def as_ben(ben: Party) -> Viewer:
    return factories.viewer(ben)


@pytest.fixture
def as_lab(lab: Party) -> Viewer:
    return factories.viewer(lab)


@pytest.fixture
def as_operator(operator: Party) -> Viewer:
    return factories.viewer(operator)
