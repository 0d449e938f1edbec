"""Whether a grant covers a use, and what it is priced by then."""

from __future__ import annotations

from datetime import datetime

from provenance import quoting
from provenance.models import DatasetVersion, Grant, Run, Usage

State = DatasetVersion.State


def judge(usage: Usage, root: Run, version: DatasetVersion | None, used_at: datetime) -> None:
    """Make the next revision, with its grant and flags.

    A grant once found stays: a started run continues.
    """
    usage.revision += 1
    usage.used_at = max(usage.used_at, used_at)
    usage.is_unknown = version is None
    if version is None:
        return
    if usage.grant_id is None:
        quoted = quoting.quoted(root, version, usage.purpose)
        usage.grant = Grant.objects.covering(
            lab=root.lab,
            version=version,
            purpose=usage.purpose,
            at=used_at,
            licence=quoted.licence_id if quoted else None,
        )
        usage.rate = quoting.rate_of(usage.grant, quoted)
    is_own = version.dataset.owner_id == root.lab_id
    usage.is_ungranted = usage.grant_id is None and not is_own
    taken_back = version.state != State.SEALED
    since = version.withdrawn_at or version.erased_at
    if taken_back and since is not None and used_at >= since:
        usage.is_of_withdrawn = True
