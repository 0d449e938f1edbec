"""The words of a notice, made when it is read: in the reader's language, harmless as a subject."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.dateformat import format as dated
from django.utils.text import capfirst
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext as _

from provenance.access import in_words
from provenance.models import Notice
from provenance.notices.kinds import Topic, kind_of

FACT_LENGTH = 200
# Facts that hold a word of ours, not of a person.
OUR_WORDS = frozenset({"due", "outcome", "purpose", "role", "rule", "what_became", "what_is"})
# Control, format and surrogate characters, line and paragraph ends: they begin new header lines,
# turn what follows around, or hide it.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# What Persian, Indic scripts and emoji are joined with.
_JOINERS = frozenset({"\u200c", "\u200d"})


@dataclass(frozen=True)
class Said:
    """A notice as a person reads it; plain text throughout."""

    # What kind it is, in words.
    kind: str
    topic: str
    title: str
    words: str
    act: str
    # Where one acts: the path on this service, and the whole address.
    path: str
    url: str


def say(notice: Notice) -> Said:
    """The notice in the language that is active."""
    kind = kind_of(notice.kind)
    facts = {name: _shown(name, value) for name, value in notice.facts.items()}
    if notice.deadline_at is not None:
        facts.setdefault("until_at", moment_words(notice.deadline_at))
    if "of_kind" in facts:
        facts["what"] = str(kind_of(facts["of_kind"]).title) % facts
    path = reverse(kind.page, args=[] if kind.is_list or not notice.about else [notice.about])
    return Said(
        kind=str(kind.name),
        topic=str(Topic(kind.topic).label),
        title=str(kind.title) % facts,
        words=str(kind.words) % facts,
        act=str(kind.act),
        path=path,
        url=settings.PUBLIC_URL + path,
    )


def moment_words(at: datetime) -> str:
    """A moment with its zone: `3 May 2031 at 14:00 UTC`."""
    in_utc = at.astimezone(UTC)
    named = {"day": dated(in_utc, pgettext("date", "j F Y")), "time": in_utc.strftime("%H:%M")}
    return _("%(day)s at %(time)s UTC") % named


def kept(facts: Mapping[str, Any]) -> dict[str, Any]:
    """`facts` as they are stored: numbers, ISO moments, and lines of text without tricks."""
    return {name: _kept(value) for name, value in facts.items()}


def line(text: str, length: int = FACT_LENGTH) -> str:
    """`text` on one line, without characters that steer what stands around it."""
    clean = " ".join("".join(one if _is_plain(one) else " " for one in text).split())
    return clean if len(clean) <= length else clean[: length - 1] + "…"


def _is_plain(one: str) -> bool:
    return one in _JOINERS or unicodedata.category(one) not in _HIDDEN


def _kept(value: Any) -> Any:
    if isinstance(value, bool | int):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return line(str(value))


def _shown(name: str, value: Any) -> str:
    """A fact in a sentence: whole numbers in groups, moments (`..._at`) in words."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if name.endswith("_at"):
        return moment_words(datetime.fromisoformat(value))
    if name == "scopes":
        return in_words(str(value).split(", "))
    if name == "purposes":
        return pgettext("list", ", ").join(map(_word, str(value).split(", ")))
    return _word(str(value)) if name in OUR_WORDS else str(value)


def _word(kept_word: str) -> str:
    """A label that a fact holds, in the reader's language, however it begins."""
    for word in (kept_word, capfirst(kept_word)):
        if (said := gettext(word)) != word:
            return said
    return kept_word
