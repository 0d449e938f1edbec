"""What states are called on pages, in the reader's language, and which are good, wait or are bad.

Rows and the API keep the code. A short word stands on the page; where a state needs a sentence,
its model says it.
"""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import pgettext_lazy as _named

_GOOD: dict[str, Promise] = {
    "accepted": _named("state", "Accepted"),
    "active": _named("state", "Active"),
    "approved": _named("state", "Approved"),
    "claimed on chain": _named("state", "Claimed on chain"),
    "closed": _named("state", "Closed"),
    "decided": _named("state", "Decided"),
    "delivered": _named("state", "Delivered"),
    "done": _named("state", "Done"),
    "ended": _named("state", "Ended"),
    "explained": _named("state", "Explained"),
    "final": _named("state", "Final"),
    "finished": _named("state", "Finished"),
    "given": _named("state", "Given"),
    "in force": _named("state", "In force"),
    "matched": _named("state", "Matched"),
    "paid": _named("state", "Paid"),
    "payable": _named("state", "Payable"),
    "released": _named("state", "Released"),
    "sealed": _named("state", "Sealed"),
    "settled": _named("state", "Settled"),
    "well": _named("state", "Well"),
}
_WAIT: dict[str, Promise] = {
    "answered": _named("state", "Answered"),
    "appealed": _named("state", "Appealed"),
    "attention": _named("state", "Attention"),
    "building": _named("state", "Building"),
    "built": _named("state", "Built"),
    "claimed": _named("state", "Claimed"),
    "deciding": _named("state", "Deciding"),
    "draft": _named("state", "Draft"),
    "funded": _named("state", "Funded"),
    "held": _named("state", "Held"),
    "mined": _named("state", "Mined"),
    "on hold": _named("state", "On hold"),
    "open": _named("state", "Open"),
    "pending": _named("state", "Pending"),
    "prepared": _named("state", "Prepared"),
    "proposed": _named("state", "Proposed"),
    "queued": _named("state", "Queued"),
    "reading": _named("state", "Reading"),
    "ready": _named("state", "Ready"),
    "ready to claim": _named("state", "Ready to claim"),
    "received": _named("state", "Received"),
    "requested": _named("state", "Requested"),
    "running": _named("state", "Running"),
    "sent": _named("state", "Sent"),
    "to be proved": _named("state", "To be proved"),
    "unknown": _named("state", "Unknown"),
    "waiting": _named("state", "Waiting"),
    "waiting period": _named("state", "Waiting period"),
}
_BAD: dict[str, Promise] = {
    "a payout came back": _named("state", "A payout came back"),
    "broken": _named("state", "Broken"),
    "erased": _named("state", "Erased"),
    "failed": _named("state", "Failed"),
    "lapsed": _named("state", "Lapsed"),
    "off": _named("state", "Off"),
    "refused": _named("state", "Refused"),
    "rejected": _named("state", "Rejected"),
    "removed": _named("state", "Removed"),
    "returned": _named("state", "Returned"),
    "review": _named("state", "Review"),
    "revoked": _named("state", "Revoked"),
    "unexplained": _named("state", "Unexplained"),
    "vetoed": _named("state", "Vetoed"),
    "void": _named("state", "Void"),
    "withdrawn": _named("state", "Withdrawn"),
}
_PLAIN: dict[str, Promise] = {
    "accrued": _named("state", "Accrued"),
    "activating": _named("state", "Activating"),
    "charge": _named("state", "Charge"),
    "charged": _named("state", "Charged"),
    "credited": _named("state", "Credited"),
    "declared": _named("state", "Declared"),
    "dismissed": _named("state", "Dismissed"),
    "expired": _named("state", "Expired"),
    "gone": _named("state", "Gone"),
    "granted": _named("state", "Granted"),
    "lifted": _named("state", "Lifted"),
    "not yet": _named("state", "Not yet"),
    "offered": _named("state", "Offered"),
    "on its way": _named("state", "On its way"),
    "on offer": _named("state", "On offer"),
    "over": _named("state", "Over"),
    "posted": _named("state", "Posted"),
    "private": _named("state", "Private"),
    "published": _named("state", "Published"),
    "repeated": _named("state", "Repeated"),
    "reserved": _named("state", "Reserved"),
    "retired": _named("state", "Retired"),
    "screening": _named("state", "Screening"),
    "spent": _named("state", "Spent"),
    "split": _named("state", "Split"),
    "unassigned": _named("state", "Unassigned"),
    "ungranted": _named("state", "Ungranted"),
    "valid": _named("state", "Valid"),
    "waits for money": _named("state", "Waits for money"),
    "waits": _named("state", "Waits"),
}
_TONES = {"good": _GOOD, "wait": _WAIT, "bad": _BAD}
_WORDS = _GOOD | _WAIT | _BAD | _PLAIN


def tone(code: str) -> str:
    """Whether a state is `good`, `wait` or `bad`; empty where it is none of them."""
    return next((name for name, held in _TONES.items() if code.replace("_", " ") in held), "")


def on_lists(text: str) -> str:
    """A list's word for a state: as it stands in English, and as `word` says it elsewhere."""
    known = _WORDS.get(text.replace("_", " "))
    return text if known is None or str(known).lower() == text.replace("_", " ") else str(known)


def within(code: str) -> str:
    """A state inside a sentence, such as `in force`."""
    return word(code).lower()


def word(code: str) -> str:
    """What a state is called in the active language, such as `In force`."""
    text = code.replace("_", " ")
    known = _WORDS.get(text)
    return str(known) if known is not None else gettext(text).capitalize()
