"""The web admin of the facts: importing it registers every noun's pages on the one site."""

from provenance.admin import (
    conflicts,
    datasets,
    events,
    grants,
    graphs,
    keys,
    licences,
    members,
    models,
    operators,
    overlaps,
    reviews,
    runs,
)

__all__ = [
    "conflicts",
    "datasets",
    "events",
    "grants",
    "graphs",
    "keys",
    "licences",
    "members",
    "models",
    "operators",
    "overlaps",
    "reviews",
    "runs",
]
