"""Puts the database's own functions in place: each file of this folder may be run again.

A migration that changes a file names it here once more, so that a database that was made earlier
gets what a new one gets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

FOLDER: Final = Path(__file__).resolve().parent
FUNCTION: Final = re.compile(r"^CREATE FUNCTION (compensation_\w+)", re.MULTILINE)


def put_functions(
    schema_editor: BaseDatabaseSchemaEditor, file: str, callable_names: Iterable[str] = ()
) -> None:
    """Make the functions of `file` anew, replacing those of the same names.

    Nobody but the owner may call them, except the application those in `callable_names`. Bodies
    are not checked while they are made: they may name what a later migration adds.
    """
    text = (FOLDER / file).read_text("utf-8")
    names = FUNCTION.findall(text)
    schema_editor.execute("SET LOCAL check_function_bodies = off")
    for signature in _signatures(schema_editor, names):
        schema_editor.execute(f"DROP FUNCTION {signature}")
    schema_editor.execute(text, params=None)
    for signature in _signatures(schema_editor, names):
        schema_editor.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
    role = application_role(schema_editor)
    if role:
        for signature in _signatures(schema_editor, callable_names):
            schema_editor.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO {role}")


def only_added_to(schema_editor: BaseDatabaseSchemaEditor, table: str, changing: str = "") -> None:
    """Let the application add to `table` and change nothing but the columns in `changing`."""
    role = application_role(schema_editor)
    if role:
        schema_editor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {role}")
        if changing:
            schema_editor.execute(f"GRANT UPDATE ({changing}) ON {table} TO {role}")


def only_by_functions(schema_editor: BaseDatabaseSchemaEditor, table: str) -> None:
    """Let the application read `table`, and write it only through functions."""
    role = application_role(schema_editor)
    if role:
        schema_editor.execute(f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {table} FROM {role}")


def application_role(schema_editor: BaseDatabaseSchemaEditor) -> str | None:
    """The application's role, quoted; None where one role does everything."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_roles WHERE rolname = %s AND rolname <> current_user",
            [settings.APP_DATABASE_ROLE],
        )
        found = cursor.fetchone()
    return str(schema_editor.quote_name(settings.APP_DATABASE_ROLE)) if found else None


def _signatures(schema_editor: BaseDatabaseSchemaEditor, names: Iterable[str]) -> list[str]:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regprocedure::text FROM pg_proc WHERE proname = ANY(%s)", [list(names)]
        )
        return [row[0] for row in cursor.fetchall()]
