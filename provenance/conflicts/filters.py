"""Which contested records a decision or an answer names: one small vocabulary for both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from provenance.models import ContestedRecord, Dataset, MatchKind
from provenance.refusals import Refused

KINDS, RECORDS, KEYS, UP_TO = "kind", "record_ids", "key_starts", "up_to"
FOR_ALL = (KINDS, RECORDS)
"""What may be kept with a resolution: both sides read it."""
FOR_A_SIDE = (*FOR_ALL, KEYS, UP_TO)


class BadFilter(Refused):
    """That names no set of contested records."""

    code = "bad_decision"
    status = 400
    hint = 'Filter by {"kind": ["exact", "near", "contained"], "record_ids": [...]}.'


def chosen_by(given: Mapping[str, Any] | None, known: tuple[str, ...] = FOR_ALL) -> dict[str, Any]:
    """The filter with known words and whole numbers only, so that it reads the same for ever."""
    given = given or {}
    unknown = set(given) - set(known)
    kinds = list(given.get(KINDS, []))
    wrong = [kind for kind in kinds if kind not in MatchKind.values]
    if unknown or wrong:
        raise BadFilter(
            _("The filter does not know '%(name)s'.") % {"name": sorted(unknown | set(wrong))[0]}
        )
    try:
        ids = [int(pk) for pk in given.get(RECORDS, [])]
        up_to = int(given.get(UP_TO) or 0)
    except (TypeError, ValueError) as error:
        raise BadFilter(_("Record ids are whole numbers.")) from error
    found = {KINDS: kinds, RECORDS: ids, KEYS: str(given.get(KEYS) or ""), UP_TO: up_to}
    return {name: value for name, value in found.items() if value}


def within(
    rows: QuerySet[ContestedRecord], chosen: Mapping[str, Any], own: Dataset | None = None
) -> QuerySet[ContestedRecord]:
    """The rows that the filter names; a pair follows either of its records.

    `key_starts` is about the keys of `own` alone: nobody narrows a set by what it cannot see.
    """
    if KINDS in chosen:
        rows = rows.filter(kind__in=chosen[KINDS])
    if RECORDS in chosen:
        ids = chosen[RECORDS]
        rows = rows.filter(Q(record__in=ids) | Q(counterpart__in=ids))
    if KEYS in chosen:
        assert own is not None, "keys are one side's"
        start = chosen[KEYS]
        rows = rows.filter(
            Q(record__dataset=own, record__key__startswith=start)
            | Q(counterpart__dataset=own, counterpart__key__startswith=start)
        )
    if UP_TO in chosen:
        rows = rows.filter(pk__lte=chosen[UP_TO])
    # By key, so that it can be updated whatever it was joined with.
    return ContestedRecord.objects.filter(pk__in=rows.values("pk"))
