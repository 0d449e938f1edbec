"""The web admin of the facts: importing it registers every noun's pages on the one site."""

from provenance.admin import (
    conflicts,
    datasets,
    derivations,
    events,
    grants,
    graphs,
    keys,
    licences,
    members,
    models,
    operators,
    overlaps,
    reporting_keys,
    reviews,
    runs,
    splits,
)

__all__ = [
    "conflicts",
    "datasets",
    "derivations",
    "events",
    "grants",
    "graphs",
    "keys",
    "licences",
    "members",
    "models",
    "operators",
    "overlaps",
    "reporting_keys",
    "reviews",
    "runs",
    "splits",
]
