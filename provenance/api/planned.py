"""What a run is expected to use, as its start says it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from provenance.models import Purpose
from provenance.streams import LARGEST_COUNT

# More datasets than this are planned by none.
PLAN_LIMIT = 1000


class PlannedIn(serializers.Serializer[Any]):
    """One dataset of a plan: the records expected in all, over all epochs, or epochs, or both."""

    subject = serializers.CharField(
        max_length=300, help_text="A version's id, or namespace/name@number."
    )
    records = serializers.IntegerField(min_value=0, max_value=LARGEST_COUNT, default=None)
    epochs = serializers.IntegerField(min_value=0, max_value=LARGEST_COUNT, default=None)
    purpose = serializers.ChoiceField(
        choices=Purpose.choices, default="", help_text="The run's own, unless said."
    )
