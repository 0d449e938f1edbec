"""Changes of shipped code, in a database and in forked workers only; they fit, or fail loudly."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from unittest import mock

import psycopg


class NoLongerFits(Exception):
    """A mutant changes code that is not there any more; write it anew."""


@dataclass(frozen=True)
class InSql:
    """A database function in which `good` becomes `bad`."""

    function: str
    good: str
    bad: str

    @contextmanager
    def applied(self, owner: psycopg.Connection[Any]) -> Iterator[None]:
        """The change lasts as long as its database."""
        row = owner.execute("SELECT pg_get_functiondef(%s::regproc)", [self.function]).fetchone()
        assert row is not None
        owner.execute(replaced(row[0], self.good, self.bad, self.function))
        yield


@dataclass(frozen=True)
class InTables:
    """A statement of the tables' owner."""

    statement: str

    @contextmanager
    def applied(self, owner: psycopg.Connection[Any]) -> Iterator[None]:
        """The change lasts as long as its database."""
        owner.execute(self.statement)  # type: ignore[call-overload]
        yield


@dataclass(frozen=True)
class InPython:
    """A function, a class or a text of a module in which `good` becomes `bad`."""

    module: str
    name: str
    good: str
    bad: str

    @contextmanager
    def applied(self, _: psycopg.Connection[Any]) -> Iterator[None]:
        """Within, workers that are forked have the change."""
        module = import_module(self.module)
        before = getattr(module, self.name)
        with mock.patch.object(module, self.name, self._changed(before)):
            yield

    def _changed(self, before: Any) -> Any:
        if isinstance(before, str):
            return replaced(before, self.good, self.bad, self.name)
        shipped = inspect.unwrap(before)
        source = textwrap.dedent(inspect.getsource(shipped))
        text = "from __future__ import annotations\n" + source
        names = dict(vars(import_module(self.module)))
        # Under the name of its file, so that its lines are steps like the shipped ones.
        file = inspect.getsourcefile(shipped) or self.module
        exec(compile(replaced(text, self.good, self.bad, self.name), file, "exec"), names)
        return names[self.name]


Change = InSql | InTables | InPython


def replaced(text: str, good: str, bad: str, where: str) -> str:
    """`text` with `bad` for every `good`; raises NoLongerFits where there is none."""
    if good not in text:
        raise NoLongerFits(f"{where} holds no {good!r} any more")
    return text.replace(good, bad)
