"""`/api/docs`: the API's reference as plain pages of words, made from its OpenAPI schema.

Swagger's page is 1.4 MB of script and writes styles into itself, which our policy refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from drf_spectacular.generators import SchemaGenerator

_CODE = re.compile(r"`{1,2}([^`]+)`{1,2}")


@dataclass(frozen=True)
class Field:
    """One name that an address takes or answers, where it stands, and what it is."""

    name: str
    place: str
    kind: str
    is_required: bool
    words: str


@dataclass(frozen=True)
class Operation:
    """One method of one address."""

    noun: str
    method: str
    path: str
    summary: str
    words: str
    takes: tuple[Field, ...]
    answers: tuple[tuple[str, str, tuple[Field, ...]], ...]


def reference(request: HttpRequest) -> HttpResponse:
    """Every address of the API with what it takes and answers; for anybody."""
    nouns = [(noun, list(found)) for noun, found in groupby(operations(), lambda one: one.noun)]
    return render(request, "reference.html", {"nouns": nouns})


@cache
def operations() -> tuple[Operation, ...]:
    """All operations, by noun, then by path; the schema does not change while a process lives."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    schema = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    parts = schema["components"]["schemas"]
    found = [
        _operation(path, method, one, parts)
        for path, methods in schema["paths"].items()
        for method, one in methods.items()
    ]
    return tuple(sorted(found, key=lambda one: (one.noun, one.path, one.method)))


def _operation(
    path: str, method: str, one: dict[str, Any], parts: dict[str, dict[str, Any]]
) -> Operation:
    takes = [
        Field(
            name=field["name"],
            place=field["in"],
            kind=_kind(field.get("schema", {})),
            is_required=field.get("required", False),
            words=_marked(field.get("description", "")),
        )
        for field in one.get("parameters", [])
    ]
    takes += _fields(_body(one.get("requestBody", {})), parts)
    answers = tuple(
        (status, _marked(answer.get("description", "")), tuple(_fields(_body(answer), parts)))
        for status, answer in one["responses"].items()
        if status != "default"
    )
    words = one.get("description", "")
    told = _marked(_first_sentence(words)), _marked(words)
    return Operation(one["tags"][0], method.upper(), path, *told, tuple(takes), answers)


def _first_sentence(words: str) -> str:
    first, _end, _rest = " ".join(words.split()).partition(". ")
    return first.removesuffix(".")


def _marked(words: str) -> SafeString:
    """Words as a page shows them: what stands between backticks is code."""
    return mark_safe(_CODE.sub(r"<code>\1</code>", escape(words)))  # noqa: S308 - escaped


def _body(holder: dict[str, Any]) -> dict[str, Any]:
    """The schema of a body: JSON's where there is one."""
    contents = holder.get("content", {})
    chosen: dict[str, Any] = contents.get("application/json") or next(iter(contents.values()), {})
    schema: dict[str, Any] = chosen.get("schema", {})
    return schema


def _fields(schema: dict[str, Any], parts: dict[str, dict[str, Any]]) -> Iterator[Field]:
    """The fields of an object; of a page or a list, those of a row."""
    named = parts[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    properties = named.get("properties", {})
    rows = properties.get("results") or named
    if "items" in rows:
        yield from _fields(rows["items"], parts)
        return
    for name, field in properties.items():
        required = name in named.get("required", [])
        yield Field(name, "body", _kind(field), required, _marked(field.get("description", "")))


def _kind(schema: dict[str, Any]) -> str:
    """What a value is, in a word or two."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    for way in ("allOf", "oneOf", "anyOf"):
        if way in schema:
            return " or ".join(_kind(one) for one in schema[way])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "any")
