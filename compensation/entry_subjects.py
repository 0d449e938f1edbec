"""What entries of the journal are about, for one party: its payout, or a conflict that it is in."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from compensation import progress
from compensation.models import BankPayout, Entry, ExportedPayout, Payout, PayoutLeaf
from provenance.models import Conflict, Party


def payouts(entries: Iterable[Entry], party: Party) -> dict[int, str]:
    """By entry, the reference of the payout of `party` that it sent, settled or took back."""
    named = {entry.pk: str(entry.facts.get("payout", "")) for entry in entries}
    banks = BankPayout.objects.filter(party=party)
    exported = ExportedPayout.objects.filter(party=party)
    own = set(banks.filter(reference__in=named.values()).values_list("reference", flat=True))
    found = {entry: reference for entry, reference in named.items() if reference in own}
    for rows, name in ((banks, "run__entry"), (exported, "export__entry"), (exported, "outcome")):
        found |= dict(rows.filter(**{f"{name}__in": named}).values_list(name, "reference"))
    leaves = PayoutLeaf.objects.filter(party=party, added_units__gt=0)
    for leaf in leaves.filter(epoch__entry__in=named).select_related("epoch"):
        assert leaf.epoch.entry_id is not None, "a tree that adds something has its entry"
        found[leaf.epoch.entry_id] = progress.reference_of(leaf)
    paid = Payout.objects.filter(party=party, entry__in=named, leaf__added_units__gt=0)
    return found | {
        one.entry_id: progress.reference_of(one.leaf) for one in paid.select_related("leaf")
    }


def conflicts(entries: Iterable[Entry], party: Party) -> dict[int, Conflict]:
    """By entry, the conflict after which it divided money anew or recovered it."""
    named = {entry.pk: entry.facts.get("conflict") for entry in entries}
    sides = Q(later__owner=party) | Q(earlier__owner=party)
    rows = Conflict.objects.filter(sides, pk__in=[key for key in named.values() if key])
    own = {str(one.pk): one for one in rows.select_related("later__owner", "earlier__owner")}
    return {entry: own[str(key)] for entry, key in named.items() if str(key) in own}
