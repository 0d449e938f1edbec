"""Which numbers of a stream are missing: plain arithmetic on ranges."""

from __future__ import annotations

from collections.abc import Sequence

# What lies further back than this many ranges is no longer told apart from what was heard.
LONGEST = 200


def heard(missing: Sequence[Sequence[int]], last: int, number: int) -> list[list[int]]:
    """The ranges still missing after `number`, where `last` was the highest until now (0: none).

    Ranges are [first, last], ascending, both included. A number that comes late fills its place.
    """
    if number > last + 1:
        return [*map(list, missing), [last + 1, number - 1]][-LONGEST:]
    left: list[list[int]] = []
    for first, end in missing:
        if not first <= number <= end:
            left.append([first, end])
            continue
        if first < number:
            left.append([first, number - 1])
        if number < end:
            left.append([number + 1, end])
    return left


def count(missing: Sequence[Sequence[int]]) -> int:
    """How many numbers the ranges hold."""
    return sum(end - first + 1 for first, end in missing)
