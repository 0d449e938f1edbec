"""What parties are told: a table of kinds, and one way to write a notice.

A notice is written in the transaction of the fact that it tells of. Most follow an event: a rule
says which parties an event of the ledger concerns, and what each may be told. Apps further out
declare their own kinds and rules (`register`, `follows`); nothing here knows them.
"""

from provenance.notices import of_conflicts, of_licences, of_ownership, of_parties
from provenance.notices.awaiting import RECALL, awaited
from provenance.notices.kinds import (
    LABS,
    OPERATORS,
    OWNERS,
    Kind,
    Topic,
    kind_of,
    kinds,
    kinds_for,
    register,
)
from provenance.notices.telling import follow, follows, operators, tell
from provenance.notices.words import Said, say

__all__ = [
    "LABS",
    "OPERATORS",
    "OWNERS",
    "RECALL",
    "Kind",
    "Said",
    "Topic",
    "awaited",
    "follow",
    "follows",
    "kind_of",
    "kinds",
    "kinds_for",
    "of_conflicts",
    "of_licences",
    "of_ownership",
    "of_parties",
    "operators",
    "register",
    "say",
    "tell",
]
