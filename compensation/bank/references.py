"""Our reference of a payment: short, digits only, with two that check the others.

It stands as EndToEndId, and within the remittance text, where a bank may break it by spaces.
"""

from __future__ import annotations

import re

_FOUND = re.compile(r"TM\d{13}")
RUN_LIMIT, PLACE_LIMIT = 10**6, 10**5


def make(run_number: int, place: int) -> str:
    """`TM`, six digits of the run, five of the place in it, two check digits (ISO 7064, 97-10)."""
    assert 0 < run_number < RUN_LIMIT, "the run's number has at most six digits"
    assert 0 < place < PLACE_LIMIT, "the place has at most five digits"
    body = f"{run_number:06}{place:05}"
    return f"TM{body}{_check(body):02}"


def find(text: str) -> str:
    """The one reference in a text; empty where there is none, or more than one."""
    dense = re.sub(r"[\s\-]", "", text.upper())
    found = {one for one in _FOUND.findall(dense) if is_ours(one)}
    return found.pop() if len(found) == 1 else ""


def is_ours(reference: str) -> bool:
    """Whether a text is a reference of this form, check digits included."""
    if not _FOUND.fullmatch(reference):
        return False
    return _check(reference[2:13]) == int(reference[13:])


def creditor_reference(reference: str) -> str:
    """The same as an ISO 11649 creditor reference: RF, two check digits, ours."""
    number = "".join(str(int(one, 36)) for one in reference + "RF00")
    return f"RF{98 - int(number) % 97:02}{reference}"


def _check(body: str) -> int:
    return 98 - int(body + "00") % 97
