"""Contributors and splits: who else a dataset's own part belongs to, in whole weights.

A contributor is a party from the moment it is named: its share accrues before anybody has an
account, and an invitation hands it over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import gcd
from typing import Any, Final

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from provenance import croissant, ledger, parties, quality
from provenance.models import (
    Contributor,
    Dataset,
    DatasetVersion,
    Invitation,
    Membership,
    Party,
    Record,
    RecordCredit,
    Split,
    SplitShare,
    User,
)
from provenance.refusals import Refused

# What keeps every product of weights within sixty digits, for up to 10**15 tokens.
WEIGHTS_LIMIT: Final = 10**13
WHOLE_BASIS_POINTS: Final = 10_000
CONTRIBUTORS_LIMIT: Final = 10_000
CHUNK: Final = 5_000


class BadSplit(Refused):
    """Weights are whole numbers, and somebody has one."""

    code = "bad_split"
    status = 400
    hint = "Give whole weights of 0 or more, at least one of them positive, 10**13 at most in all."


class TooManyContributors(Refused):
    """There are more contributors than can be divided among well."""

    code = "too_many_contributors"
    status = 400
    hint = f"Name at most {CONTRIBUTORS_LIMIT:,} contributors; join those who share an account."


class PastDate(Refused):
    """A split cannot begin in the past."""

    code = "split_in_the_past"
    status = 400
    hint = "Let it hold from the start, or from now or a later moment on."


class ContributorUnnamed(Refused):
    """A contributor has a name."""

    code = "contributor_unnamed"
    status = 400
    hint = "Give the name by which your files call it, 200 characters at most."


class ContributorClaimed(Refused):
    """Somebody has taken over this contributor's account already."""

    code = "contributor_claimed"
    hint = "Its own members let further people in."


class NobodyNamed(Refused):
    """Nobody is named as a contributor there."""

    code = "nobody_named"
    status = 400
    hint = "Name contributors by hand, or credit records to them first."


class RecordUnknown(Refused):
    """The version has no record with that key."""

    code = "record_unknown"
    status = 400
    hint = "Use the keys of the version's records; its export lists them."


@dataclass(frozen=True)
class Part:
    """One party's weight, and where records were counted, how many and what they count."""

    party: Party
    weight: int
    record_count: int | None = None
    points: int | None = None


@transaction.atomic
def name(*, owner: Party, label: str, email: str = "", at: datetime) -> Contributor:
    """The contributor whom `owner` calls `label`, with a party of its own; made once."""
    label = " ".join(label.split())
    if not label or len(label) > croissant.NAMES_LIMIT:
        raise ContributorUnnamed
    Party.objects.select_for_update(no_key=True).get(pk=owner.pk)
    found = Contributor.objects.select_related("party").filter(owner=owner, label=label).first()
    if found is not None:
        return found
    # The number, and not the name, stands in what everybody sees.
    number = Contributor.objects.filter(owner=owner).count() + 1
    if number > CONTRIBUTORS_LIMIT:
        raise TooManyContributors
    party = parties.create_party(
        name=f"Contributor {number} of {owner.name}"[:200],
        is_owner=True,
        is_lab=False,
        contact_email=email,
        at=at,
    )
    return Contributor.objects.create(owner=owner, label=label, party=party, named_at=at)


@transaction.atomic
def invite(
    *, contributor: Contributor, email: str, by: User, at: datetime
) -> tuple[Invitation, str]:
    """Ask a person to take over a contributor's account, with all it has earned; and its token.

    Only while nobody has: from then on its own members decide.
    """
    party = Party.objects.select_for_update(no_key=True).get(pk=contributor.party_id)
    if Membership.objects.filter(party=party).exists():
        raise ContributorClaimed
    return parties.invite(
        party=party, email=email, role=Membership.Role.ADMIN, invited_by=by, at=at
    )


@transaction.atomic
def divide(
    *,
    dataset: Dataset,
    owner_weight: int,
    weights: Mapping[Contributor, int],
    from_the_start: bool = False,
    applies_at: datetime | None = None,
    at: datetime,
    by: User | None = None,
) -> Split:
    """Divide what `dataset` earns for itself by these weights, from a moment or from the start.

    Raises BadSplit, TooManyContributors or PastDate.
    """
    owner = Part(dataset.owner, owner_weight)
    parts = [owner, *(Part(each.party, weight) for each, weight in weights.items())]
    when = (from_the_start, applies_at or at)
    return _divide(dataset, parts, when, at, by, origin=Split.Origin.GIVEN)


@transaction.atomic
def divide_by_records(
    *,
    version: DatasetVersion,
    contributors_basis_points: int,
    from_the_start: bool = False,
    applies_at: datetime | None = None,
    at: datetime,
    by: User | None = None,
) -> Split:
    """Divide by the records that each contributor is credited with, by the published rule.

    Of each record `contributors_basis_points` go to its contributor and the rest to the owner,
    who has the whole of what nobody is credited with.
    """
    if not 0 < contributors_basis_points <= WHOLE_BASIS_POINTS:
        raise BadSplit(_("The contributors' part is 1 to 10,000 hundredths of a percent."))
    counted = quality.points_of(version)
    named = Contributor.objects.select_related("party").in_bulk(
        [each.contributor_id for each in counted if each.contributor_id]
    )
    if not named:
        raise NobodyNamed
    parts = [
        Part(
            named[each.contributor_id].party,
            each.points * contributors_basis_points,
            each.record_count,
            each.points,
        )
        for each in counted
        if each.contributor_id
    ]
    whole = sum(each.points for each in counted) * WHOLE_BASIS_POINTS
    rest = Part(version.dataset.owner, whole - sum(part.weight for part in parts))
    when = (from_the_start, applies_at or at)
    return _divide(
        version.dataset, [rest, *parts], when, at, by, origin=Split.Origin.RECORDS, version=version
    )


@transaction.atomic
def credit(*, version: DatasetVersion, labels: Mapping[str, str], at: datetime) -> int:
    """Credit records, by key, to the contributors with these labels; how many were new.

    A record that is credited already stays as it is. Raises RecordUnknown for the first key that
    the version does not hold.
    """
    keys = sorted(labels)
    made = 0
    for first in range(0, len(keys), CHUNK):
        chunk = keys[first : first + CHUNK]
        rows = Record.objects.of_version(version).filter(key__in=chunk)
        found = dict(rows.values_list("key", "pk"))
        missing = next((key for key in chunk if key not in found), None)
        if missing is not None:
            raise RecordUnknown(
                _("There is no record '%(missing)s' in %(version)s.")
                % {"missing": missing, "version": version}
            )
        made += credit_records(
            owner=version.dataset.owner, labels={found[key]: labels[key] for key in chunk}, at=at
        )
    return made


def credit_records(*, owner: Party, labels: Mapping[int, str], at: datetime) -> int:
    """Credit records, by id; those credited already stay as they are. How many were new."""
    words = sorted({*labels.values()})
    named = {each.label: each for each in Contributor.objects.filter(owner=owner, label__in=words)}
    for word in words:
        if word not in named:
            named[word] = name(owner=owner, label=word, at=at)
    before = RecordCredit.objects.filter(record__in=labels).count()
    RecordCredit.objects.bulk_create(
        (RecordCredit(record_id=key, contributor=named[word]) for key, word in labels.items()),
        ignore_conflicts=True,
    )
    return RecordCredit.objects.filter(record__in=labels).count() - before


def name_from_croissant(
    *, owner: Party, document: Mapping[str, Any], at: datetime
) -> list[Contributor]:
    """Name those whom a Croissant description names as labellers and contributors."""
    found = croissant.contributors_of(document)
    if not found:
        raise NobodyNamed
    if len(found) > CONTRIBUTORS_LIMIT:
        raise TooManyContributors
    return [name(owner=owner, label=each.name, email=each.email, at=at) for each in found]


def split_in_force(dataset: Dataset, at: datetime) -> Split | None:
    """By which what is charged at `at` is divided; None: it is all the owner's."""
    return dataset.splits.filter(applies_at__lte=at).order_by("-number").first()


def _divide(
    dataset: Dataset,
    parts: Sequence[Part],
    when: tuple[bool, datetime],
    at: datetime,
    by: User | None,
    *,
    origin: str,
    version: DatasetVersion | None = None,
) -> Split:
    """Make the next split of these parts; `when`: from the start, and else from which moment."""
    from_the_start, applies_at = when
    kept = _lowest(parts)
    if applies_at < at:
        raise PastDate
    Dataset.objects.select_for_update(no_key=True).get(pk=dataset.pk)
    last = dataset.splits.aggregate(last=Max("number"))["last"] or 0
    split = Split.objects.create(
        dataset=dataset,
        number=last + 1,
        origin=origin,
        rule=quality.RULE if origin == Split.Origin.RECORDS else "",
        version=version,
        from_the_start=from_the_start,
        applies_at=at if from_the_start else applies_at,
        made_by=by,
        made_at=at,
    )
    SplitShare.objects.bulk_create(
        SplitShare(
            split=split,
            party=part.party,
            weight=part.weight,
            record_count=part.record_count,
            points=part.points,
        )
        for part in kept
    )
    _record(split, kept)
    return split


def _lowest(parts: Sequence[Part]) -> list[Part]:
    """The parts that weigh something, one for each party, in lowest terms."""
    joined: dict[Any, Part] = {}
    for part in parts:
        if part.weight < 0:
            raise BadSplit
        before = joined.get(part.party.pk)
        weight = part.weight + (before.weight if before else 0)
        joined[part.party.pk] = Part(part.party, weight, part.record_count, part.points)
    kept = [part for part in joined.values() if part.weight]
    if not kept:
        raise BadSplit
    if len(kept) > CONTRIBUTORS_LIMIT:
        raise TooManyContributors
    divisor = gcd(*(part.weight for part in kept))
    lowest = [
        Part(part.party, part.weight // divisor, part.record_count, part.points) for part in kept
    ]
    if sum(part.weight for part in lowest) > WEIGHTS_LIMIT:
        raise BadSplit
    return lowest


def _record(split: Split, parts: Sequence[Part]) -> None:
    """For the owner's eyes; a contributor's own share stands on its own page."""
    ledger.record(
        "dataset.split",
        at=split.made_at,
        subject_kind="dataset",
        subject_id=split.dataset_id,
        party=split.dataset.owner,
        body={
            "split": split.pk,
            "number": split.number,
            "origin": split.origin,
            "rule": split.rule,
            "from_the_start": split.from_the_start,
            "applies_at": split.applies_at,
            "shares": [[part.party.pk, str(part.weight)] for part in parts],
        },
    )
