"""What an act that sends money would send now, for the form that asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils import timezone

from compensation import payouts, settlement
from compensation.dues import Due
from compensation.models import Asset
from provenance.admin.verbs import VerbForm

# Of one asset: the units that would be sent, and to how many payees.
Sum = tuple[Asset, int, int]


class DueNowForm(VerbForm):
    """A form that says what is due; its kinds know whereof."""

    about_template = "compensation/due_now.html"

    def due_now(self) -> list[Sum]:
        """What would be sent now, of each asset of which anything is due."""
        raise NotImplementedError


class BuildForm(DueNowForm):
    """The next trees."""

    def due_now(self) -> list[Sum]:
        """What the trees would add."""
        return sums(payouts.look(at=timezone.now()))


class PushForm(DueNowForm):
    """What is open in a tree."""

    def due_now(self) -> list[Sum]:
        """What nobody claimed."""
        payee_count, units = settlement.look_at_push(epoch=self.subject, at=timezone.now())
        return [(self.subject.asset, units, payee_count)] if payee_count else []


def sums(due: Mapping[Asset, Sequence[Due]]) -> list[Sum]:
    """What is due of each asset of which anything is."""
    return [
        (asset, sum(one.units for one in each), len(each)) for asset, each in due.items() if each
    ]
