"""How a method becomes a column of a list: unfold's `display`, with its types kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from unfold.decorators import display

from provenance.admin.verbs import Words

Shown = TypeVar("Shown", bound=Callable[..., object])


def column(
    description: Words,
    *,
    ordering: str | None = None,
    label: Mapping[str, str] | None = None,
    header: bool = False,
) -> Callable[[Shown], Shown]:
    """Name a column; `label` gives values a colour, `header` shows two lines."""

    def named(shown: Shown) -> Shown:
        decorate = display(
            description=description, ordering=ordering, label=label, header=header or None
        )
        made: Shown = decorate(shown)
        return made

    return named
