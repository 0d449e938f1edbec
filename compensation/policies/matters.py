"""What policies look at: cases and reports of use, as the facts that conditions may name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _lazy

from compensation.models import Policy
from compensation.stakes import Stake
from provenance import policy

Target = Policy.Target
USE = "use"
# So many of a kind are tried of the past, the newest first.
MOST = 10_000


@dataclass(frozen=True)
class Fact:
    """A fact that conditions may name: what it says, and an example of it."""

    words: str | Promise
    example: Any


@dataclass
class Matter:
    """A case or a report: when it came, when it was done with, and its facts."""

    kind: str
    key: str
    began_at: datetime
    ended_at: datetime | None
    # What the money at stake hangs on.
    stake_key: Any
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def parties(self) -> list[str]:
        """The namespaces of those whom it concerns."""
        named: list[str] = self.facts["parties"]
        return named


# The facts of each target, in the order in which the page names them.
FACTS: dict[str, dict[str, Fact]] = {
    Target.CASE: {
        "kind": Fact(_lazy("conflict, appeal, claim, review or difference"), "conflict"),
        "about": Fact(_lazy("of a review its rule, of a difference bank or chain"), "gap"),
        "parties": Fact(_lazy("the namespaces of the parties that it concerns"), ["aurora"]),
        "stake": Fact(_lazy("the money at stake in whole ones, of the asset with most"), 1_000),
        "assets": Fact(_lazy("the codes of the assets at stake"), ["iso4217:EUR"]),
        "records": Fact(_lazy("the records that are alike, or that a review is about"), 250),
        "share": Fact(_lazy("how much of the later dataset is alike, in percent"), 40),
        "score": Fact(_lazy("the best score among the matches, in percent"), 98),
        "age_days": Fact(_lazy("for how many whole days it has waited"), 3),
    },
    Target.USE: {
        "purpose": Fact(_lazy("what it was used for"), "pretrain"),
        "parties": Fact(_lazy("the namespaces of the lab and of the owner"), ["aurora", "cobalt"]),
        "lab": Fact(_lazy("the lab's namespace"), "cobalt"),
        "owner": Fact(_lazy("the owner's namespace; empty where nobody registered it"), "aurora"),
        "dataset": Fact(_lazy("the dataset's name, or what the report called it"), "essays"),
        "kind": Fact(_lazy("text, table, image or code; empty where it is not known"), "text"),
        "meter": Fact(_lazy("how it was counted"), "native"),
        "records": Fact(_lazy("records used so far"), 1_000),
        "tokens": Fact(_lazy("tokens used so far"), 250_000),
        "epochs": Fact(_lazy("epochs so far"), 3),
        "fetches": Fact(_lazy("fetches so far"), 0),
        "share": Fact(_lazy("records used for each hundred that the dataset holds"), 300),
        "is_granted": Fact(_lazy("whether a grant covers it"), example=True),
        "is_signed": Fact(_lazy("whether signed receipts add up to it"), example=True),
        "is_withdrawn": Fact(_lazy("whether the version was withdrawn"), example=False),
        "days_late": Fact(_lazy("whole days between the use and its report"), 0),
        "stake": Fact(_lazy("what was charged in whole ones, of the asset with most"), 10),
        "assets": Fact(_lazy("the codes of the assets charged"), ["iso4217:EUR"]),
    },
}


def examples(target: str) -> dict[str, Any]:
    """One value of each fact."""
    return {name: fact.example for name, fact in FACTS[target].items()}


def whole(number: int | float) -> int:
    """A count as conditions hold it."""
    return min(int(number), policy.MOST)


def percent(part: int, of: int) -> int:
    """A part in whole percent; 0 of nothing."""
    return whole(part * 100 // of) if of else 0


def add_stakes(matters: Collection[Matter], found: dict[str, Stake]) -> None:
    """Say of each matter what money hangs on it."""
    for matter in matters:
        stake = found.get(str(matter.stake_key), {})
        amounts = [units // 10**asset.scale for asset, units in stake.items()]
        matter.facts["stake"] = whole(max(amounts, default=0))
        matter.facts["assets"] = sorted(asset.code for asset in stake)
