"""What an export covers: whose money, and which stretch of the journal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Min, Q
from django.utils.translation import gettext as _

from compensation import audit
from compensation.models import Account, Charge, Entry, Weight, WeightVersion
from compensation.statements import Period
from provenance.models import Party, Tenure
from provenance.refusals import Refused

MOST_MONTHS = 24


class BadRange(Refused):
    """These months cannot be exported together."""

    code = "bad_range"
    status = 400
    hint = f"Name a first and a last month, in order, {MOST_MONTHS} at most."


@dataclass(frozen=True)
class Scope:
    """A stretch of the journal as one party may see it; as a whole where `party` is null.

    The stretch holds every entry of the periods. Where months overlapped it holds entries of
    others too: each names its own.
    """

    party: Party | None
    first: Period
    last: Period
    made_at: datetime
    # Entries `first_entry` to `last_entry`, and the hash of the one before; none if last < first.
    first_entry: int
    last_entry: int
    previous_hash: bytes
    hash: bytes
    # Charges with `after_charge` < id <= `last_charge`, those that cost nothing among them.
    after_charge: int
    last_charge: int
    account_ids: tuple[int, ...]
    lab_account_ids: tuple[int, ...]
    # Divisions of the party's own data, and those that it has a part in.
    weight_version_ids: tuple[int, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return self.party is None

    @property
    def file_name(self) -> str:
        """What to call the file, without its ending."""
        whose = self.party.namespace if self.party else "journal"
        months = [self.first.name, self.last.name]
        return " ".join(["export", whose, *dict.fromkeys(months)])


def scope_of(*, party: Party | None, first: Period, last: Period, at: datetime) -> Scope:
    """What an export of these months holds, as the journal stands now. Raises BadRange."""
    months = (last.starts_at.year - first.starts_at.year) * 12
    months += last.starts_at.month - first.starts_at.month
    if not 0 <= months < MOST_MONTHS:
        raise BadRange(
            _("%(name)s to %(name_2)s is no range.") % {"name": first.name, "name_2": last.name}
        )
    found = Entry.objects.filter(period__gte=first.name, period__lte=last.name)
    ends = found.aggregate(first=Min("pk"), last=Max("pk"))
    head = Entry.objects.order_by("-pk").first()
    after_all = (head.pk if head else 0) + 1
    first_entry = ends["first"] or after_all
    last_entry = ends["last"] or after_all - 1
    accounts = Account.objects.order_by("pk")
    if party is not None:
        accounts = accounts.filter(party=party)
    rows = list(accounts.values_list("pk", "kind"))
    return Scope(
        party=party,
        first=first,
        last=last,
        made_at=at,
        first_entry=first_entry,
        last_entry=last_entry,
        previous_hash=_hash_of(first_entry - 1),
        hash=_hash_of(last_entry),
        after_charge=_last_charge(first_entry - 1),
        last_charge=_last_charge(last_entry, with_free=True),
        account_ids=tuple(pk for pk, _ in rows),
        lab_account_ids=tuple(pk for pk, kind in rows if kind == Account.Kind.LAB),
        weight_version_ids=_divisions_of(party) if party else (),
    )


def _divisions_of(party: Party) -> tuple[int, ...]:
    has_part = Weight.objects.filter(account__party=party).values("weight_version")
    before = Tenure.objects.before(party, dataset="version__dataset", moment="owned_at")
    of_its_own = Q(version__dataset__owner=party) & ~before
    found = WeightVersion.objects.filter(of_its_own | Q(pk__in=has_part))
    return tuple(found.order_by("pk").values_list("pk", flat=True))


def _hash_of(number: int) -> bytes:
    """The hash of an entry; what the chain begins with, before the first."""
    return bytes(Entry.objects.get(pk=number).hash) if number else audit.GENESIS


def _last_charge(number: int, *, with_free: bool = False) -> int:
    """The last charge made up to an entry: charges are numbered in the order of entries.

    `with_free` goes on to those that cost nothing, if no other charges came after.
    """
    charged = Entry.objects.filter(charge_count__gt=0)
    if with_free and not charged.filter(pk__gt=number).exists():
        return int(Charge.objects.aggregate(last=Max("pk"))["last"] or 0)
    entry = charged.filter(pk__lte=number).order_by("-pk").first()
    if entry is None:
        return 0
    return int(Charge.objects.filter(entry=entry).aggregate(last=Max("pk"))["last"] or 0)
