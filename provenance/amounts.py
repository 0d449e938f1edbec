"""Amounts as people write them, for apps that know prices and not the assets they are in.

The app that keeps the assets registers how it writes them; who asks names all the codes at once,
so that they are looked up in one query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.utils.translation import gettext as _

Writer = Callable[[int, str], str]
"""Units and the asset's code in, such as `25.00 EUR` out."""

_writers: list[Callable[[Iterable[str]], Writer]] = []


def register(make: Callable[[Iterable[str]], Writer]) -> None:
    """Let `make` write amounts from now on."""
    _writers[:] = [make]


def writer(codes: Iterable[str]) -> Writer:
    """What writes amounts of these assets; whole units where nobody knows assets."""
    return _writers[0](codes) if _writers else _in_units


def _in_units(units: int, code: str) -> str:
    return _("%(units)s units of %(code)s") % {"units": f"{units:,}", "code": code}
