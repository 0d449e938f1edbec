"""Whether our `migrate` makes of an empty database what Django's own makes: `python -m` this.

It takes as long as Django's way does, so CI runs it beside the tests. The exit status is 1 where
the two differ.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys

import django
from django.core.management import call_command
from django.core.management.commands import migrate
from django.db import connections

from deploy.embedded import postgres
from tests.conftest import Cluster

# pg_dump of late encloses what it writes in a key that is another one each time.
KEY = re.compile(r"^\\(un)?restrict .*$", re.MULTILINE)


def main() -> int:
    """Migrate two databases of one server, each in its way, and print where they differ."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")
    django.setup()
    with postgres.temporary(database=None) as server:
        ours = _made(server, "ours", "migrate")
        theirs = _made(server, "theirs", migrate.Command())
    difference = list(difflib.unified_diff(theirs, ours, "Django's", "ours", lineterm="", n=3))
    print("\n".join(difference) or f"{len(ours)} lines of tables, the same in both ways")
    return 1 if difference or len(ours) < 1_000 else 0


def _made(server: postgres.Server, name: str, command: str | migrate.Command) -> list[str]:
    """What a database is made of after `command`, line by line."""
    server.create_database(name)
    Cluster.of(server).use(name)
    call_command(command, database="owner", verbosity=0)
    connections.close_all()
    dump = [
        str(server.place.binaries / "pg_dump"),
        "--schema-only",
        server.url("superuser", name),
    ]
    made = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
    return KEY.sub("", made).splitlines()


if __name__ == "__main__":
    sys.exit(main())
