"""How moments, rates and counts are said, on pages, on papers and in what is kept alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from django.utils.dateformat import format as dated
from django.utils.translation import gettext, ngettext, pgettext


def moment_in_words(value: datetime) -> str:
    """A moment to the minute, in UTC: `3 May 2031, 14:00 UTC`."""
    # In Django's letters.
    return dated(value.astimezone(UTC), pgettext("date and time", "j M Y, H:i")) + " UTC"


def per_million(rate: float) -> str:
    """A rate as a count in a million, which people read better than 0.00001."""
    count = float(rate) * 1_000_000
    return f"{count:,.0f}" if count >= 10 else f"{count:.3g}"


def by_kind(counts: Mapping[str, int]) -> str:
    """How many records are alike in which way, in words; of ways that are not there, nothing."""
    words = {
        "exact": gettext("%(count)s exact"),
        "near": gettext("%(count)s near"),
        "contained": gettext("%(count)s contained"),
        "possible": gettext("%(count)s possible (holds nothing)"),
        "semantic": gettext("%(count)s same meaning"),
        "lead": gettext("%(count)s same meaning (a lead only)"),
    }
    said = [words[kind] % {"count": f"{counts[kind]:,}"} for kind in words if counts.get(kind)]
    return pgettext("list", ", ").join(said)


def tally(*, records: int, tokens: int = 0, epochs: int = 0, fetches: int = 0) -> str:
    """What a report counted, in words; of what it did not count, nothing."""
    said = [ngettext("%(count)s record", "%(count)s records", records) % {"count": f"{records:,}"}]
    if tokens:
        words = ngettext("%(count)s token", "%(count)s tokens", tokens)
        said.append(words % {"count": f"{tokens:,}"})
    if epochs:
        words = ngettext("%(count)s epoch", "%(count)s epochs", epochs)
        said.append(words % {"count": f"{epochs:,}"})
    if fetches:
        words = ngettext("%(count)s fetch", "%(count)s fetches", fetches)
        said.append(words % {"count": f"{fetches:,}"})
    return pgettext("list", ", ").join(said)
