"""Who gets which part, as plain arithmetic: cells of records that stand alike, and their weights.

A version's records are parted into cells. A cell that is held earns for the escrow of its
conflict, every other for its holders. Counts are of records, or of tokens where those are priced.

What the dataset itself holds is divided into portions: its own, by its split, and one for each
version it was made from, whose own cells and split divide that portion again. All of a version's
own division is exact. Within another version's portion each division is rounded down to one part
in 10**24 or finer; what that leaves goes with the platform's fee, never to an owner.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import gcd, lcm
from typing import Final, NamedTuple

from compensation.derivation import WHOLE_PARTS
from provenance.debts import WHOLE_BASIS_POINTS

# The holder of what is simply the dataset's: its portions divide it.
OWN: Final = "own"

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


@dataclass(frozen=True)
class Portion:
    """What a version gets of what is a dataset's own, in parts of WHOLE_PARTS, and its split."""

    source_id: str
    parts: int
    holders: Holders


@dataclass(frozen=True)
class Division:
    """How a version's revenue is divided: the version's cells first, its portions, their cells.

    The first portion is the version's own. A source without cells is whole.
    """

    portions: tuple[Portion, ...]
    cells: Mapping[str, Sequence[Part]]

    @property
    def source_id(self) -> str:
        """The version whose revenue it is."""
        return self.portions[0].source_id

    def weights(self, fee_basis_points: int) -> dict[Payee, int]:
        """The weight of each payee; see `weights`."""
        return weights(self.cells[self.source_id], fee_basis_points, self.portions, self.cells)


def weights(
    cells: Iterable[Part],
    fee_basis_points: int,
    portions: Sequence[Portion] = (),
    cells_of: Mapping[str, Sequence[Part]] | None = None,
) -> dict[Payee, int]:
    """The weight of each payee, in lowest terms; what counts nothing has none.

    `portions` divide what is held by OWN; `cells_of` are the cells of their versions, by id.
    """
    counted = [part for part in cells if part.count]
    assert counted, "a version counts something"
    common = lcm(*(sum(weight for _, weight in part.place.holders) for part in counted))
    whole = common * sum(part.count for part in counted)
    found: dict[Payee, int] = defaultdict(int)
    for part in counted:
        for payee, share in _shares(part.place, part.count * common):
            found[payee] += share
    own = found.pop(_OWN_PAYEE, 0)
    if own:
        scale = WHOLE_PARTS * sum(weight for _, weight in portions[0].holders)
        found = defaultdict(int, {payee: share * scale for payee, share in found.items()})
        _divide_own(own * scale, portions, cells_of or {}, found)
        whole *= scale
    return _with_fee(found, whole, fee_basis_points)


_OWN_PAYEE: Final = Payee("own", "")


def _divide_own(
    amount: int,
    portions: Sequence[Portion],
    cells_of: Mapping[str, Sequence[Part]],
    found: dict[Payee, int],
) -> None:
    """Add to `found` what each payee has of `amount`, which the parts and own holders divide."""
    own, *others = portions
    for payee, share in _split(amount // WHOLE_PARTS * own.parts, own.holders):
        found[payee] += share
    for portion in others:
        given = amount // WHOLE_PARTS * portion.parts
        cells = cells_of.get(portion.source_id) or [Part(OWN_PLACE, 1)]
        whole = sum(part.count for part in cells)
        for part in cells:
            for payee, share in _shares(part.place, given * part.count // whole):
                if payee != _OWN_PAYEE:
                    found[payee] += share
                    continue
                for member, inner in _split(share, portion.holders):
                    found[member] += inner


def _with_fee(found: Mapping[Payee, int], whole: int, fee_basis_points: int) -> dict[Payee, int]:
    """All weights after the platform's fee, which takes what rounding left, in lowest terms."""
    rest = WHOLE_BASIS_POINTS - fee_basis_points
    weighed = {payee: share * rest for payee, share in found.items() if share * rest}
    left = whole * WHOLE_BASIS_POINTS - sum(weighed.values())
    assert left >= 0, "no more is given than there is"
    if left:
        weighed[PLATFORM] = left
    divisor = gcd(*weighed.values())
    return {payee: weighed[payee] // divisor for payee in sorted(weighed)}


def _shares(place: Place, whole: int) -> list[tuple[Payee, int]]:
    if place.is_held:
        return [(Payee("escrow", place.conflict_id), whole)]
    return _split(whole, place.holders)


def _split(whole: int, holders: Holders) -> list[tuple[Payee, int]]:
    """What each holder has of `whole`, rounded down."""
    held_by_all = sum(weight for _, weight in holders)
    return [
        (_OWN_PAYEE if holder == OWN else Payee("owner", holder), whole * weight // held_by_all)
        for holder, weight in holders
    ]


OWN_PLACE: Final = Place(((OWN, 1),))
