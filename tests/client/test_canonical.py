"""Canonical JSON is RFC 8785's, and what has no canonical form is refused in words."""

from __future__ import annotations

import math

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st
from tallymark.canonical import NotCanonical, canonical

safe_integers = st.integers(-(2**53) + 1, 2**53 - 1)
finite = st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | safe_integers | finite | text
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=20
)


@given(values)
def test_any_value_has_the_bytes_that_the_reference_gives(value):
    assert canonical(value) == rfc8785.dumps(value)


@given(finite)
@example(1e21)
@example(1e-7)
@example(5e-324)
@example(9007199254740993.0)
@example(0.000001)
@example(-0.0)
@example(123456789012345680000.0)
def test_any_number_is_written_as_javascript_writes_it(number):
    assert canonical(number) == rfc8785.dumps(number)


def test_keys_are_sorted_by_utf16_unit_and_not_by_code_point():
    assert canonical({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (2**53, "write it as text"),
        (math.nan, "not a finite number"),
        (math.inf, "not a finite number"),
        ({1: "one"}, "is not text"),
        (b"bytes", "JSON has no bytes"),
        ("\ud800", "surrogate"),
    ],
)
def test_a_value_without_canonical_form_is_refused_in_words(value, says):
    with pytest.raises(NotCanonical, match=says):
        canonical(value)
