"""Use cases in a process that is killed before one of its statements, one later each time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from urllib.parse import quote

from django.db import connection

from compensation import audit, invariants

# Waits for numbers; for each it acts in a process of its own, which is killed before it sends
# that statement, and says how it went.
ACTOR = """
import os, signal, sys, django
django.setup()
from datetime import UTC, date, datetime
from pathlib import Path
from django.db import connection
from compensation import bank_files, payment_runs, pools
from compensation.models import Asset

what, at = sys.argv[1], datetime(2026, 3, 11, 12, tzinfo=UTC)

def act():
    if what == "run":
        payment_runs.make_run(asset=Asset.objects.get(), execute_on=date(2026, 3, 11), at=at)
    elif what == "pools":
        pools.settle_due(at=datetime(2026, 4, 1, 2, tzinfo=UTC))
    else:
        bank_files.take_file(content=Path(what).read_bytes(), name="file", at=at)

def act_and_die(number):
    count = 0
    def killing(execute, *args):
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(*args)
    with connection.execute_wrapper(killing):
        act()
    os._exit(0)

print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if not child:
        act_and_die(int(line))
    status = os.waitpid(child, 0)[1]
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    print("killed" if killed else "done" if status == 0 else "failed", flush=True)
"""


def kills(what: str, check: Callable[[], None], stride: int = 1) -> int:
    """Act again and again, killed one statement later each time, until it is done."""
    row = connection.settings_dict
    url = (
        f"postgresql://{quote(row['USER'])}:{quote(row['PASSWORD'])}@{row['HOST']}:"
        f"{row['PORT']}/{row['NAME']}"
    )
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "DATABASE_OWNER_URL": url,
        "DJANGO_SETTINGS_MODULE": "deploy.settings",
        "PYTHONPATH": ".:client",
    }
    actor = subprocess.Popen(
        [sys.executable, "-c", ACTOR, what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert actor.stdout.readline() == "ready\n"
        number = 1
        while True:
            actor.stdin.write(f"{number}\n")
            actor.stdin.flush()
            how = actor.stdout.readline().strip()
            if how == "done":
                return number - 1
            assert how == "killed"
            check()
            number += stride
    finally:
        actor.stdin.close()
        actor.wait()
        actor.stdout.close()


def sound() -> None:
    """All sums hold, and the chain."""
    assert list(invariants.broken()) == []
    assert list(audit.chain_breaks(audit.documents())) == []
