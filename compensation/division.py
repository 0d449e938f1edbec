"""Who gets which part, as plain arithmetic: cells of records that stand alike, and their weights.

A version's records are parted into cells. A cell that is held earns for the escrow of its
conflict, every other for its holders. Counts are of records, or of tokens where those are priced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import gcd, lcm
from typing import NamedTuple

WHOLE_BASIS_POINTS = 10_000

# Party ids and their weights, in order.
Holders = tuple[tuple[str, int], ...]


class Payee(NamedTuple):
    """Whom a weight belongs to: an owner, the escrow of a conflict, or the platform."""

    kind: str
    id: str


PLATFORM = Payee("platform", "")


@dataclass(frozen=True)
class Place:
    """How records stand: whose they are, by which dispute, and whether it holds them."""

    holders: Holders
    conflict_id: str = ""
    resolution_id: str = ""
    is_held: bool = False


@dataclass(frozen=True)
class Standing:
    """How one contested record stands now."""

    holders: Holders
    conflict_id: str
    resolution_id: str
    is_held: bool
    from_the_start: bool
    token_count: int

    @property
    def place(self) -> Place:
        """The cell that it belongs to by this standing."""
        return Place(self.holders, self.conflict_id, self.resolution_id, self.is_held)


@dataclass(frozen=True)
class Part:
    """A cell: its place, what it counts, and its records (none listed for the undisputed rest)."""

    place: Place
    count: int
    record_ids: tuple[int, ...] = ()


def parts(
    places: Mapping[int, Place], counts: Mapping[int, int], base: Place, total: int
) -> list[Part]:
    """The cells of a version: one for each place of the listed records, and one for the rest."""
    listed: dict[Place, list[int]] = {}
    for record_id in sorted(places):
        if places[record_id] != base:
            listed.setdefault(places[record_id], []).append(record_id)
    rest = total - sum(counts[one] for ids in listed.values() for one in ids)
    assert rest >= 0, "more is disputed than the version holds"
    found = [
        Part(place, sum(counts[one] for one in ids), tuple(ids)) for place, ids in listed.items()
    ]
    found.sort(key=lambda part: part.record_ids)
    return [Part(base, rest), *found]


def moved(now: Place, standing: Standing | None, base: Place) -> Place:
    """Where a record of a closed weight version stands after `standing` (None: undisputed).

    What is held stays so until it is resolved; it follows a resolution from the start, and else
    goes back. What was credited moves by a resolution from the start only: a new hold takes
    nothing back.
    """
    if standing is None:
        return base
    if standing.is_held:
        return standing.place if now.is_held else now
    if standing.from_the_start:
        return standing.place
    return base if now.is_held else now


def weights(cells: Iterable[Part], fee_basis_points: int) -> dict[Payee, int]:
    """The weight of each payee, in lowest terms; what counts nothing has none."""
    counted = [part for part in cells if part.count]
    assert counted, "a version counts something"
    common = lcm(*(sum(weight for _, weight in part.place.holders) for part in counted))
    found: dict[Payee, int] = {}
    for part in counted:
        whole = part.count * common * (WHOLE_BASIS_POINTS - fee_basis_points)
        for payee, share in _shares(part.place, whole):
            found[payee] = found.get(payee, 0) + share
    fee = sum(part.count for part in counted) * common * fee_basis_points
    found[PLATFORM] = fee
    found = {payee: weight for payee, weight in sorted(found.items()) if weight}
    divisor = gcd(*found.values())
    return {payee: weight // divisor for payee, weight in found.items()}


def _shares(place: Place, whole: int) -> list[tuple[Payee, int]]:
    if place.is_held:
        return [(Payee("escrow", place.conflict_id), whole)]
    held_by_all = sum(weight for _, weight in place.holders)
    return [
        (Payee("owner", party_id), whole // held_by_all * weight)
        for party_id, weight in place.holders
    ]
