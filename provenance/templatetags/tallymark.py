"""How pages write moments, deadlines, hashes, counts and states: in words, with zone and unit."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django import template
from django.conf import settings
from django.template import Context
from django.utils import timezone
from django.utils.dateformat import format as dated
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, pgettext

from provenance import chains, event_words, states, streams
from provenance.figures import by_kind, moment_in_words, per_million, tally

if TYPE_CHECKING:
    from provenance.models import Overlap

register = template.Library()
register.filter(per_million)
register.simple_tag(tally)


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """A moment to the minute, in UTC, machine-readable too."""
    if value is None:
        return "–"
    at = value.astimezone(UTC)
    words = moment_in_words(at)
    return format_html('<time class="tm-nowrap" datetime="{}">{}</time>', at.isoformat(), words)


@register.filter
def day(value: date | None) -> SafeString | str:
    """A day, or the UTC day of a moment."""
    if value is None:
        return "–"
    at = value.astimezone(UTC) if isinstance(value, datetime) else value
    text = dated(at, pgettext("date", "j M Y"))
    return format_html('<time class="tm-nowrap" datetime="{}">{}</time>', at.isoformat(), text)


@register.filter
def until(value: datetime | None) -> str:
    """A deadline in words with its date: `within 13 days, by 3 May 2031 at 14:00 UTC`."""
    if value is None:
        return gettext("without a deadline")
    left = value - timezone.now()
    at = value.astimezone(UTC)
    date = dated(at, pgettext("a deadline", r"j M Y \a\t H:i")) + " UTC"
    if left < timedelta(0):
        return gettext("due since %(date)s") % {"date": date}
    # What has begun counts: in an hour and a half it is not within an hour.
    hours = math.ceil(left / timedelta(hours=1))
    if hours <= 1:
        return gettext("within an hour, by %(date)s") % {"date": date}
    if hours < 48:
        return gettext("within %(count)s hours, by %(date)s") % {"count": hours, "date": date}
    days = math.ceil(hours / 24)
    return gettext("within %(count)s days, by %(date)s") % {"count": days, "date": date}


@register.filter
def chip(state: Any, label: str = "") -> SafeString:
    """A state as a small label whose colour says good, waiting or bad."""
    code = str(state)
    return format_html(
        '<span class="tm-chip {}">{}</span>', states.tone(code), label or states.word(code)
    )


@register.filter
def listed(state: object) -> str:
    """A state in a list's cell, in the reader's language."""
    return states.on_lists(str(state))


@register.filter
def hexed(value: bytes | memoryview | None) -> str:
    """Bytes as hex with 0x; a dash for nothing."""
    return "0x" + bytes(value).hex() if value is not None else "–"


@register.filter
def shortened(value: object) -> str:
    """The two ends of a long hash or id, for tables."""
    return chains.shortened(str(value))


@register.filter
def size(value: int | None) -> str:
    """Bytes in the unit people read."""
    amount = float(value or 0)
    for unit in ("bytes", "KB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    if unit == "bytes":
        return gettext("%(count)s bytes") % {"count": f"{amount:,.0f}"}
    return f"{amount:,.1f} {unit}"


@register.filter
def purposes(values: list[str] | None) -> str:
    """Purposes in words."""
    from provenance.models import Purpose

    labels = dict(Purpose.choices)
    named = [str(labels.get(value, value)) for value in values or []]
    return pgettext("list", ", ").join(named) or gettext("none")


@register.filter
def meter(code: str) -> str:
    """Who counted a use."""
    return str(streams.WORDS.get(code, code))


@register.filter
def happened(kind: str) -> str:
    """What an event of this kind says happened."""
    return event_words.happened(kind)


@register.filter
def json_ld(value: Any) -> SafeString:
    """Linked data for machines: JSON in which no character can end the element."""
    text = json.dumps(value).translate({ord(one): f"\\u{ord(one):04X}" for one in "<>&"})
    return format_html('<script type="application/ld+json">{}</script>', mark_safe(text))  # noqa: S308


@register.filter
def entry(mapping: dict[str, Any], key: str) -> Any:
    """The value under a key that is only known on the page."""
    return mapping.get(key)


@register.filter
def percent(share: float) -> str:
    """A share of 0 to 1 in percent: whole ones, or one decimal near either end."""
    value = 100 * float(share)
    return f"{value:.1f} %" if 0 < value < 1 or 99 < value < 100 else f"{value:.0f} %"


@register.filter
def likely(score: float) -> str:
    """A probability that nobody may read as certainty."""
    return "> 99.9 %" if score > 0.999 else percent(score)


@register.filter
def interval(estimate: tuple[float, float, float]) -> str:
    """A share with the bounds that it lies in, where it is not counted exactly."""
    share, low, high = (percent(value) for value in estimate)
    if low == high:
        return share
    words = gettext("%(share)s (%(low)s to %(high)s)")
    return words % {"share": share, "low": low, "high": high}


@register.filter
def kinds(overlap: Overlap) -> str:
    """The records that an overlap found, by kind."""
    counts = {
        "exact": overlap.exact_count,
        "near": overlap.near_count,
        "contained": overlap.contained_count,
        "possible": overlap.possible_count,
        "lead": overlap.semantic_count,
    }
    return by_kind(counts) or gettext("none")


@register.simple_tag
def languages_by_their_names() -> list[tuple[str, str]]:
    """The codes of the languages that are spoken here, each with what its speakers call it."""
    return [(code, str(name)) for code, name in settings.LANGUAGES]


@register.inclusion_tag("provenance/guide_strip.html", takes_context=True)
def guide_strip(context: Context) -> dict[str, Any]:
    """The next of a newcomer's first steps; nothing for everybody else."""
    from provenance.admin.guide import open_guide

    request = context.get("request")
    if request is None:
        return {}
    guide = open_guide(request)
    is_here = guide is not None and guide.next is not None and guide.next.url == request.path
    return {"guide": guide, "is_here": is_here}
