"""Who is looking: everything a user or a key sees is limited to its party, operators aside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import pgettext, pgettext_lazy

from provenance.refusals import Refused

if TYPE_CHECKING:
    from provenance.models import ApiKey, Party, User

# What each role of a member may do; a verb is what a door asks for.
ROLE_VERBS: dict[str, frozenset[str]] = {
    "admin": frozenset({"read", "rights", "finance", "develop", "members"}),
    "rights": frozenset({"read", "rights"}),
    "finance": frozenset({"read", "finance"}),
    "developer": frozenset({"read", "develop", "rights"}),
    "viewer": frozenset({"read"}),
}
# What each verb but `members` lets a key do.
VERB_WORDS: dict[str, str | Promise] = {
    "read": pgettext_lazy("what a key may", "read"),
    "rights": _lazy("register, license, claim and answer"),
    "finance": _lazy("deposits and payouts"),
    "develop": _lazy("runs, usage and models"),
}


class NotAllowed(Refused):
    """This role or key may not do that."""

    code = "not_allowed"
    status = 403
    hint = "Ask an admin of your organisation for the role or the key scope that is named here."


def words_of(party: Party) -> Mapping[str, str | Promise]:
    """What each verb lets a key of this party do; a party that is a lab alone asks for grants."""
    if party.is_lab and not party.is_owner:
        return VERB_WORDS | {"rights": _lazy("ask for grants and subscribe to bundles")}
    return VERB_WORDS


def in_words(verbs: Iterable[str], party: Party | None = None) -> str:
    """What a key, or that of `party`, may: for people to read."""
    words = words_of(party) if party else VERB_WORDS
    return pgettext("list", "; ").join(str(words.get(verb, verb)) for verb in verbs)


@dataclass(frozen=True)
class Viewer:
    """The party on whose behalf a request is made, and by whom: a user with a role or a key."""

    party: Party
    role: str
    user: User | None = None
    key: ApiKey | None = None

    @property
    def is_operator(self) -> bool:
        """Whether this viewer sees every party's facts (each look is logged)."""
        return self.party.is_operator

    @property
    def is_test(self) -> bool:
        """Whether a key for tests asks: it sees the lab's test data and no facts."""
        return self.key is not None and self.key.is_test

    def may(self, verb: str) -> bool:
        """Whether the role, or the key's scopes, allow `verb` (see ROLE_VERBS)."""
        if self.key is not None:
            return verb == "read" or verb in self.key.scopes
        return verb in ROLE_VERBS.get(self.role, frozenset())

    def require(self, verb: str) -> None:
        """Raise NotAllowed unless `verb` is allowed."""
        if not self.may(verb):
            raise NotAllowed(_("This needs the right '%(verb)s'.") % {"verb": verb})
