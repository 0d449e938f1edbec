"""Passing a dataset from one party to another: proposed, accepted, and from then on the other's.

The ledger dates it. What was used before is charged for who owned it then, what is used from then
on for who owns it now; nothing that was earned is touched. Licences, grants, derivations, settled
conflicts and the page that anybody sees go with the dataset; bundles in which it stood are offered
no longer. It does not pass while a conflict of it is open, so that nobody hands an answer away.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from provenance import ledger, licensing, restrictions
from provenance.models import (
    Bundle,
    Claim,
    Conflict,
    Dataset,
    DatasetVersion,
    OwnershipTransfer,
    Party,
    Tenure,
    User,
)
from provenance.refusals import Refused

State = OwnershipTransfer.State
LASTS = timedelta(days=30)
UNDER_WAY = (DatasetVersion.State.OPEN, DatasetVersion.State.READY)
SETTLED = (Conflict.State.RELEASED, Conflict.State.CLOSED)


class BadTransfer(Refused):
    """That dataset cannot pass to that party."""

    code = "bad_transfer"
    status = 400
    hint = "Name another organisation that is an owner, and say why the dataset passes to it."


class PaperMissing(Refused):
    """Operators pass a dataset on only because a paper says so."""

    code = "paper_missing"
    status = 400
    hint = "Name the judgment, deed or letter that you go by, and where it is kept."


class NotYetTransferable(Refused):
    """Something of this dataset is under way that its present owner has to end first."""

    code = "not_yet_transferable"
    hint = "End what is named here, then try again."


class NameTakenThere(Refused):
    """The receiver has a dataset of the same name."""

    code = "name_taken_there"
    hint = "The receiver's own must be registered under another name before this one can pass."


class TransferWaits(Refused):
    """A transfer of this dataset waits for its receiver already."""

    code = "transfer_waits"
    hint = "Withdraw the one that waits before you propose another."


class TransferEnded(Refused):
    """This transfer does not wait any more."""

    code = "transfer_ended"
    hint = "Look at it: it says what became of it. Propose it anew if it is still wanted."


class NotYoursToTransfer(Refused):
    """Only the owner gives a dataset away, and only the receiver takes or refuses it."""

    code = "not_yours_to_transfer"
    status = 403
    hint = "Sign in for the organisation that gives it, or for the one that receives it."


@transaction.atomic
def propose_transfer(
    *,
    dataset: Dataset,
    receiver: Party,
    reason: str,
    by: User | None,
    at: datetime,
    paper: str = "",
    confirmed_by: User | None = None,
) -> OwnershipTransfer:
    """Offer a dataset to another party; it stays its owner's until the other accepts.

    `paper` names what an operator goes by, and then `confirmed_by` is a second operator. Raises
    BadTransfer, NotYetTransferable, NameTakenThere, TransferWaits, or what restrictions refuse.
    """
    reason, paper = reason.strip(), paper.strip()
    dataset = _locked(dataset)
    waiting = OwnershipTransfer.objects.select_for_update().filter(
        dataset=dataset, state=State.PROPOSED
    )
    for one in waiting:
        if one.expires_at <= at:
            _end(one, State.EXPIRED, None, "", at)
    require_transferable(dataset=dataset, receiver=receiver, reason=reason, at=at)
    made = OwnershipTransfer.objects.create(
        dataset=dataset,
        giver=dataset.owner,
        receiver=receiver,
        reason=reason,
        paper=paper,
        proposed_by=by,
        confirmed_by=confirmed_by,
        proposed_at=at,
        expires_at=at + LASTS,
    )
    _record("ownership.proposed", made, at)
    return made


def require_transferable(*, dataset: Dataset, receiver: Party, reason: str, at: datetime) -> None:
    """Raise what stands in the way of proposing that `dataset` passes to `receiver`."""
    if not reason.strip() or not receiver.is_owner or receiver.pk == dataset.owner_id:
        raise BadTransfer
    waits = OwnershipTransfer.objects.filter(dataset=dataset, state=State.PROPOSED)
    if waits.filter(expires_at__gt=at).exists():
        raise TransferWaits
    _require_free(dataset, receiver, at)


@transaction.atomic
def accept_transfer(
    *, transfer: OwnershipTransfer, party: Party, by: User | None, at: datetime
) -> OwnershipTransfer:
    """The receiver takes the dataset over: from `at` on it is its owner. Safe to repeat.

    Raises NotYoursToTransfer, TransferEnded, and what has become an obstacle meanwhile.
    """
    dataset = _locked(transfer.dataset)
    locked = _waiting(transfer, party, "receiver")
    if locked.state == State.ACCEPTED:
        return locked
    _require_waiting(locked, at)
    _require_free(dataset, locked.receiver, at)
    if dataset.owner_id != locked.giver_id:
        raise TransferEnded
    _pass_on(dataset, locked, at)
    return _end(locked, State.ACCEPTED, by, "", at)


@transaction.atomic
def refuse_transfer(
    *, transfer: OwnershipTransfer, party: Party, reason: str, by: User | None, at: datetime
) -> OwnershipTransfer:
    """The receiver does not want it; a reason may be given. Raises as accepting does."""
    locked = _waiting(transfer, party, "receiver")
    _require_waiting(locked, at)
    return _end(locked, State.REFUSED, by, reason.strip(), at)


@transaction.atomic
def withdraw_transfer(
    *, transfer: OwnershipTransfer, party: Party, reason: str, by: User | None, at: datetime
) -> OwnershipTransfer:
    """Who proposed it takes it back: the giver, or an operator where operators did."""
    locked = _waiting(transfer, party, "giver")
    _require_waiting(locked, at)
    return _end(locked, State.WITHDRAWN, by, reason.strip(), at)


@transaction.atomic
def expire_transfers(*, at: datetime) -> int:
    """End what no receiver answered in time; how many."""
    late = OwnershipTransfer.objects.select_for_update(skip_locked=True).filter(
        state=State.PROPOSED, expires_at__lte=at
    )
    return len([_end(one, State.EXPIRED, None, "", at) for one in late])


def _locked(dataset: Dataset) -> Dataset:
    rows = Dataset.objects.select_related("owner").select_for_update(of=("self",))
    return rows.get(pk=dataset.pk)


def _waiting(transfer: OwnershipTransfer, party: Party, side: str) -> OwnershipTransfer:
    """The transfer, locked, if `party` speaks for that side of it."""
    rows = OwnershipTransfer.objects.select_related("giver", "receiver", "dataset")
    locked = rows.select_for_update(of=("self",)).get(pk=transfer.pk)
    if side == "giver" and locked.is_by_operator:
        may = party.is_operator
    else:
        may = getattr(locked, f"{side}_id") == party.pk
    if not may:
        raise NotYoursToTransfer
    return locked


def _require_waiting(transfer: OwnershipTransfer, at: datetime) -> None:
    if transfer.state != State.PROPOSED or transfer.expires_at <= at:
        raise TransferEnded


def _require_free(dataset: Dataset, receiver: Party, at: datetime) -> None:
    """Raise what stands in the way of a dataset's passing to `receiver`."""
    for party in (dataset.owner, receiver):
        restrictions.require_active(party, at)
    restrictions.require_erasable(dataset, at)
    if dataset.versions.filter(state__in=UNDER_WAY).exists():
        raise NotYetTransferable(_("A version of it is being registered."))
    mine = Conflict.objects.filter(Q(later=dataset) | Q(earlier=dataset))
    claimed = Claim.objects.waiting().filter(conflict__in=mine)
    if mine.exclude(state__in=SETTLED).exists() or claimed.exists():
        raise NotYetTransferable(_("A conflict about it is not settled."))
    if Dataset.objects.filter(owner=receiver, name=dataset.name).exists():
        raise NameTakenThere(
            _("%(receiver)s has a dataset named '%(name)s'.")
            % {"receiver": receiver, "name": dataset.name}
        )


def _pass_on(dataset: Dataset, transfer: OwnershipTransfer, at: datetime) -> None:
    """Make the receiver the owner from `at` on, and end what the giver sold with other data."""
    last = Tenure.objects.filter(dataset=dataset, ends_at=None).first()
    if last is None:
        last = Tenure.objects.create(
            dataset=dataset, owner=transfer.giver, begins_at=dataset.created_at
        )
    Tenure.objects.filter(pk=last.pk).update(ends_at=at)
    Tenure.objects.create(dataset=dataset, owner=transfer.receiver, begins_at=at, transfer=transfer)
    for bundle in Bundle.objects.filter(licences__dataset=dataset, retired_at=None).distinct():
        licensing.retire_bundle(bundle=bundle, at=at)
    dataset.owner, dataset.owned_since = transfer.receiver, at
    dataset.save(update_fields=["owner", "owned_since"])


def _end(
    transfer: OwnershipTransfer, state: State, by: User | None, answer: str, at: datetime
) -> OwnershipTransfer:
    transfer.state, transfer.answer = state, answer
    transfer.decided_by, transfer.decided_at = by, at
    transfer.save(update_fields=["state", "answer", "decided_by", "decided_at"])
    _record(
        "dataset.transferred" if state == State.ACCEPTED else f"ownership.{state}", transfer, at
    )
    return transfer


def _record(kind: str, transfer: OwnershipTransfer, at: datetime) -> None:
    """Both parties read it; the paper and the reasons stay out of the ledger."""
    ledger.record(
        kind,
        at=at,
        subject_kind="dataset",
        subject_id=transfer.dataset_id,
        party=transfer.giver,
        other_party=transfer.receiver,
        body={
            "transfer": transfer.pk,
            "from": transfer.giver_id,
            "to": transfer.receiver_id,
            "by_operator": transfer.is_by_operator,
            "proposed_by": transfer.proposed_by_id,
            "confirmed_by": transfer.confirmed_by_id,
        },
    )
