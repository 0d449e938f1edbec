"""Rows of any model with the least that its columns demand.

What a door lets through depends on whose a row is, not on what stands in it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from itertools import count
from typing import Any

from django.db import models
from django.db.models import NOT_PROVIDED, Model

from provenance.models import Party
from tests.factories import NOON

# An owner and a lab.
Parties = tuple[Party, Party]
_numbers = count(1)
# The columns that name a party as a lab.
LABS = frozenset({"lab"})


def bake(model: type[Model], row: Callable[[type[Model]], Any], parties: Parties, **given: Any):
    """A row of `model`; what its keys lead to is asked of `row`."""
    owner, lab = parties
    values = dict(given)
    for field in model._meta.concrete_fields:
        if field.name in values or field.attname in values:
            continue
        is_filled = field.default is not NOT_PROVIDED or field.null or field.has_db_default()
        if field.primary_key and (is_filled or isinstance(field, models.AutoField)):
            continue
        if isinstance(field, models.ForeignKey):
            if field.null:
                continue
            is_party = field.related_model is Party
            mine = lab if field.name in LABS else owner
            values[field.name] = mine if is_party else row(field.related_model)
        elif not is_filled:
            values[field.name] = _value(field)
    return model._base_manager.create(**values)


def _value(field: models.Field[Any, Any]) -> Any:
    number = next(_numbers)
    if field.blank and isinstance(field, models.CharField | models.TextField):
        return ""
    if field.choices:
        return next(iter(field.choices))[0]
    for kind, value in (
        (models.UUIDField, uuid.UUID(int=number)),
        (models.DateTimeField, NOON),
        (models.DateField, NOON.date()),
        (models.BooleanField, False),
        (models.JSONField, {}),
        (models.BinaryField, number.to_bytes(32, "big")),
        (models.DecimalField, number),
        (models.IntegerField, number),
        (models.CharField, f"x{number}"),
        (models.TextField, f"x{number}"),
    ):
        if isinstance(field, kind):
            return value
    raise AssertionError(f"{field}: say how such a column is filled")
