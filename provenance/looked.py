"""What the access log keeps in English, in the language of whoever reads it.

A row says what kind of thing was looked at and how that is called, or a sentence of its own.
"""

from __future__ import annotations

from functools import lru_cache

from django.apps import apps
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import gettext_noop as _noop
from django.utils.translation import pgettext_lazy

from provenance import kept
from provenance.event_words import happened

LIST_REASON = _noop("from a list; no reason is asked for lists")
QUEUE = _noop("the operators' queue")
FOR_ACCOUNTING = _noop("the books of a month, for accounting")
# A thing that is work for an operator is its own reason.
OWN_REASONS = ("case ", "restriction ", "review ")
CASE = OWN_REASONS[0]
OFFERED_LICENCE = _noop("offered licence")
OFFERED_BUNDLE = _noop("offered bundle")
PARTIES = _noop("looking after parties")
AS_PARTY = "as you: "
LIST = "list of "
BEGAN = _noop("began to look as you do")
# What stands between the two names of a thing that has two.
_JOINED = {
    "conflict": (" and ", _lazy("%(one)s and %(other)s")),
    "overlap": (" and ", _lazy("%(one)s and %(other)s")),
    "event": (" ", _lazy("%(one)s (%(other)s)")),
    "grant": (" to ", pgettext_lazy("a grant", "%(one)s to %(other)s")),
    "invitation": (" to ", _lazy("%(one)s to %(other)s")),
    "upload": (" to ", _lazy("%(one)s to %(other)s")),
    "usage": (" by ", _lazy("%(one)s by %(other)s")),
    "licence": (" for ", _lazy("%(one)s for %(other)s")),
}
# Sentences that doors of all apps write, or wrote.
_SENTENCES = (
    _noop("explanation of charge %(number)s"),
    _noop("export of month %(month)s"),
    _noop("overview list"),
    _noop("policies"),
    _noop("queue"),
    _noop("shares of entry %(number)s"),
    _noop("sheet of %(things)s"),
    _noop("statement %(month)s"),
)


def in_words(what: str) -> str:
    """What an operator looked at, in the active language."""
    for beginning, words in (
        (AS_PARTY, _noop("as you: %(rest)s")),
        (LIST, _noop("list of %(rest)s")),
    ):
        if what.startswith(beginning):
            return _(words) % {"rest": _(what.removeprefix(beginning))}
    name = next((name for name in _names() if what.startswith(f"{name} ")), "")
    if not name:
        return kept.said(what)
    called = without_noun(what.removeprefix(name).strip(), name)
    link, joined = _JOINED.get(name, ("", ""))
    one, found, other = called.partition(link) if link else (called, "", "")
    if found:
        called = joined % {"one": one, "other": happened(other)}
    return _("%(thing)s %(name)s") % {"thing": _(name), "name": called}


def without_noun(called: str, noun: str) -> str:
    """A thing's name without the noun that it begins with: "payment run 2" is payment run "2"."""
    for beginning in (noun, noun.rpartition(" ")[2]):
        if called.startswith(f"{beginning} "):
            return called.removeprefix(beginning).strip()
    return called


def reason_in_words(reason: str) -> str:
    """Why an operator looked: its own words, or what the page itself says."""
    is_own = reason.startswith(OWN_REASONS) and " " not in reason.partition(" ")[2]
    return _("the case itself") if is_own else kept.said(reason)


@lru_cache(maxsize=1)
def _names() -> list[str]:
    """How things are called, the longest first: one name may begin with another."""
    return sorted({str(one._meta.verbose_name) for one in apps.get_models()}, key=len, reverse=True)
