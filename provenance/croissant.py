"""Who worked on a dataset, as its Croissant description says: labellers and contributors.

Read are schema.org's `contributor`, an `annotator` in any vocabulary (`cr:`, `rai:`), and the
agents of the activities that made the dataset (`prov:wasGeneratedBy`, Croissant 1.1). Software is
no contributor, and neither is the `creator`: that is who registers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

NAMES_LIMIT: Final = 200
_PEOPLE: Final = frozenset({"contributor", "annotator", "annotators"})
_ACTIVITIES: Final = "wasGeneratedBy"
_AGENTS: Final = "wasAssociatedWith"
_SOFTWARE: Final = frozenset({"SoftwareAgent", "SoftwareApplication"})


@dataclass(frozen=True)
class Named:
    """Somebody that a description names; `email` may be empty."""

    name: str
    email: str


def contributors_of(document: Mapping[str, Any]) -> list[Named]:
    """Those that a Croissant description names, each once, in its order."""
    found: dict[str, Named] = {}
    for one in _people(document):
        if one.name and one.name not in found:
            found[one.name] = one
    return list(found.values())


def _people(document: Mapping[str, Any]) -> Iterator[Named]:
    for key, value in document.items():
        if _local(key) in _PEOPLE:
            yield from _agents(value)
        elif _local(key) == _ACTIVITIES:
            for activity in _listed(value):
                if isinstance(activity, Mapping):
                    for inner, agents in activity.items():
                        if _local(inner) in {_AGENTS, "agent"} | _PEOPLE:
                            yield from _agents(agents)


def _agents(value: Any) -> Iterator[Named]:
    for one in _listed(value):
        if isinstance(one, str):
            yield Named(_clean(one), "")
        elif isinstance(one, Mapping):
            kinds = {
                _local(kind) for kind in _listed(one.get("@type", "")) if isinstance(kind, str)
            }
            if not kinds & _SOFTWARE:
                given = {_local(key): text for key, text in one.items() if isinstance(text, str)}
                name = given.get("name") or given.get("@id") or ""
                yield Named(_clean(name), given.get("email", "").removeprefix("mailto:").strip())


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _local(key: str) -> str:
    """A key without its vocabulary: `rai:annotator` and a whole IRI alike."""
    return key if key.startswith("@") else key.replace("#", "/").rsplit("/", 1)[-1].split(":")[-1]


def _clean(name: str) -> str:
    return " ".join(name.split())[:NAMES_LIMIT]
