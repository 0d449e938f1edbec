"""More owners like one that is there, set by set: a million of them in minutes."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import connection

# Tables in the order in which their rows need each other: what differs from the row that is copied.
# `n` numbers the owners; every tenth has prices by tiers.
ROWS: dict[str, dict[str, str]] = {
    "party": {
        "id": "md5('party' || n)::uuid", "name": "'owner-' || n", "namespace": "'owner-' || n",
        "salt": "sha256(('salt' || n)::bytea)",
    },
    "dataset": {"id": "md5('dataset' || n)::uuid", "owner_id": "md5('party' || n)::uuid"},
    "datasetversion": {
        "id": "md5('version' || n)::uuid", "dataset_id": "md5('dataset' || n)::uuid",
    },
    "licence": {"id": "md5('licence' || n)::uuid", "dataset_id": "md5('dataset' || n)::uuid"},
    "rateplan": {"owner_id": "md5('party' || n)::uuid", "digest": "lpad(to_hex(n), 64, '0')"},
    "rate": {
        "licence_id": "md5('licence' || n)::uuid", "price_units": "1000 + n * 7919 %% 90000",
        "plan_id": "(SELECT p.id FROM provenance_rateplan p WHERE n %% 10 = 0"
                   " AND p.owner_id = md5('party' || n)::uuid)",
    },
}  # fmt: skip
FOUND = """
SELECT md5('version' || n)::uuid, r.id FROM generate_series(%s::bigint, %s::bigint) n
  JOIN provenance_rate r ON r.licence_id = md5('licence' || n)::uuid ORDER BY n
"""


def copies(like: dict[str, Any], first: int, count: int) -> list[tuple[uuid.UUID, int]]:
    """Make the owners `first` to `first + count`, each with a dataset; their versions and rates.

    `like` names, for each table of ROWS, the key of the row to copy.
    """
    numbers = (first, first + count - 1)
    with connection.cursor() as cursor:
        for table, changed in ROWS.items():
            cursor.execute(
                "SELECT column_name FROM information_schema.columns"
                " WHERE table_schema = 'public' AND table_name = %s",
                [f"provenance_{table}"],
            )
            columns = [name for (name,) in cursor.fetchall() if name != "id" or "id" in changed]
            values = ", ".join(changed.get(name, f't."{name}"') for name in columns)
            names = ", ".join(f'"{name}"' for name in columns)
            every = 10 if table == "rateplan" else 1
            cursor.execute(
                f"INSERT INTO provenance_{table} ({names}) SELECT {values}"
                f" FROM provenance_{table} t, generate_series(%s::bigint, %s::bigint) n"
                " WHERE t.id = %s AND n %% %s = 0",
                [*numbers, like[table], every],
            )
        cursor.execute(FOUND, numbers)
        return cursor.fetchall()
