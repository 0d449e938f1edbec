"""Heads of columns have a word in every language."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import FieldDoesNotExist

from compensation.admin import names as money_names
from ingest.admin import names as ingest_names
from provenance.admin import names
from provenance.admin.site import site

LISTS = sorted(site._registry.items(), key=lambda one: one[0].__name__)
MARKED = {*names.NAMES, *money_names.NAMES, *ingest_names.NAMES}


@pytest.mark.parametrize(("model", "admin"), LISTS, ids=[one.__name__ for one, _ in LISTS])
def test_a_field_that_heads_a_column_is_marked_as_a_word(model: Any, admin: Any) -> None:
    for name in admin.list_display:
        try:
            field = model._meta.get_field(name)
        except FieldDoesNotExist:
            continue
        assert hasattr(admin, name) or str(field.verbose_name) in MARKED
