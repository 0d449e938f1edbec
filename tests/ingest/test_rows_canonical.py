"""Two rows have one canonical text when they say the same, and only then."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tallymark.fingerprint.rows import row, value_of

names = st.text("abcdefgh", min_size=1, max_size=8)
days = st.dates(date(1000, 1, 1), date(9999, 12, 31))
numbers = st.decimals(-(10**12), 10**12, allow_nan=False, allow_infinity=False, places=4)
cells = st.one_of(
    st.none(), st.booleans(), st.integers(), numbers, days, st.text(max_size=12),
    st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


def ways_to_write(day: date) -> list[str]:
    """The day as people and programs write it, where it can only be this one."""
    month = MONTHS[day.month - 1]
    year, short = f"{day.year:04}", month[:3]
    written = [
        f"{year}/{day:%m/%d}", f"{year}-{day.month}-{day.day}", f"{day.day:02} {short} {year}",
        f"{day.day} {month} {year}", f"{day.day}-{short}-{year}", f"{month} {day.day}, {year}",
        f"{short.upper()} {day.day} {year}", f"{year}-{day:%m-%d}T00:00:00",
    ]  # fmt: skip
    if day.day > 12 or day.day == day.month:
        written += [f"{day:%d/%m}/{year}", f"{day:%m/%d}/{year}", f"{day:%d.%m}.{year}"]
    return written


@given(st.dictionaries(names, cells), st.randoms(use_true_random=False))
def test_the_order_of_columns_does_not_matter(cells, chance):
    items = list(cells.items())
    chance.shuffle(items)
    assert row(dict(items)) == row(cells)


@given(st.dictionaries(names, st.text(max_size=12)))
def test_missing_cells_case_and_spaces_do_not_matter(cells):
    written = {f" {name.upper()}": f"  {cell} \t" for name, cell in cells.items()}
    assert row({**written, "gone": None, "blank": " ", "nothing": "N/A"}) == row(cells)


@given(st.dictionaries(names, cells))
def test_a_canonical_row_is_its_own_canonical_row(cells):
    text = row(cells)
    read = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    assert row(read) == text


@given(numbers)
def test_a_number_is_the_same_however_it_is_written(number):
    plain = value_of(number)
    for written in (f"{number:f}", f"{number:.6f}", f" {number} ", f"{number:,.4f}", f"{number:e}"):
        assert value_of(written) == plain, written


@given(numbers, numbers)
def test_two_numbers_never_become_one(one, other):
    assume(one != other)
    assert value_of(str(one)) != value_of(str(other))


@given(days)
def test_a_day_is_the_same_however_it_is_written(day):
    for written in [day, *ways_to_write(day)]:
        assert value_of(written) == json.dumps(day.isoformat()), written


@given(days, days)
def test_two_days_never_become_one(one, other):
    assume(one != other)
    assert not {value_of(w) for w in ways_to_write(one)} & {
        value_of(w) for w in ways_to_write(other)
    }


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)))
def test_a_moment_in_utc_is_the_same_however_its_zone_is_written(moment):
    moment = moment.replace(microsecond=0)
    assume(moment.time() != datetime.min.time())
    plain = value_of(moment.replace(tzinfo=UTC))
    written = f"{moment:%Y-%m-%d}T{moment:%H:%M:%S}"
    assert {value_of(written + zone) for zone in ("Z", "+00:00", "+0000", " UTC")} == {plain}
    assert value_of(written) != plain
    assert value_of(moment + timedelta(seconds=1)) != value_of(moment)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("007", "7"), ("1,234", "1234"), ("1,234", "1.234"), ("12e5", "1200000"),
        ("1.10.0", "1.1.0"), ("v1.10", "v1.1"), ("2021.3.4", "2021-03-04"),
        ("03/04/2021", "2021-04-03"), ("03/04/2021", "2021-03-04"), ("2021-02-30", "2021-03-02"),
        ("1234", "12:34"), ("NA", ""), ("-", ""), ("0", ""), ("false", "0"), ("1 234", "1234"),
    ],
)  # fmt: skip
def test_what_may_mean_two_things_stays_as_it_is(one, other):
    assert value_of(one) != value_of(other)


def test_names_of_columns_are_part_of_what_a_row_says():
    assert row({"height": 3, "width": 4}) != row({"height": 4, "width": 3})
