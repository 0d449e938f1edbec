"""Recomputes an export of the journal: every price, total, share, line and balance, offline.

An export is a zip of `manifest.json` and files of JSON lines; docs/statements.md lists their
fields. Nothing is trusted that can be computed: what was reported and the terms go in, and what
the service charged, credited and paid must come out, to the unit. Memory does not grow with the
number of usages.
"""

from tallymark.replay.archive import Archive, Difference, NotAnExport
from tallymark.replay.outcome import Outcome, replay

__all__ = ["Archive", "Difference", "NotAnExport", "Outcome", "replay"]
