"""Canonical JSON (RFC 8785), standard library only: equal values, equal bytes, one hash."""

from __future__ import annotations

import json
import math
from typing import Any

# Beyond this a JavaScript reader would see another number (RFC 8785, appendix D).
LARGEST_INTEGER = 2**53 - 1


class NotCanonical(ValueError):
    """A value has no canonical form; the message says which and what to use instead."""


def canonical(value: Any) -> bytes:
    """The canonical JSON of `value`: UTF-8, keys sorted by UTF-16 unit, no spaces.

    Raises NotCanonical for whole numbers beyond 2**53 - 1 (write them as text), for numbers that
    are not finite, keys that are not text, lone surrogates, and types that JSON does not have.
    """
    try:
        return _text(value).encode("utf-8")
    except UnicodeEncodeError as error:
        raise NotCanonical("text holds half of a surrogate pair") from error


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise NotCanonical(f"{value} is beyond 2**53 - 1: write it as text")
        return str(int(value))
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        return "{" + ",".join(_members(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text, value)) + "]"
    raise NotCanonical(f"JSON has no {type(value).__name__}: convert it first")


def _members(value: dict[Any, Any]) -> list[str]:
    for key in value:
        if not isinstance(key, str):
            raise NotCanonical(f"the key {key!r} is not text")
    keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    return [f"{json.dumps(key, ensure_ascii=False)}:{_text(value[key])}" for key in keys]


def _number(value: float) -> str:
    """A number as ECMAScript writes it: the shortest digits that read back as the same number."""
    if not math.isfinite(value):
        raise NotCanonical(f"{value} is not a finite number")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    return sign + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    """`digits` with the decimal point after `point` of them (ECMA-262, Number::toString)."""
    if len(digits) <= point <= 21:
        return digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    power = f"{point - 1:+d}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{power}"
