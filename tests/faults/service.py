"""`./run faults --service [PYTEST ARGUMENTS]`: a whole service is killed while it works.

What the suite holds use case by use case, with workers of its own, is held here of everything that
`./run up` starts. It waits for minutes, mostly for what dies to come back.
"""

from __future__ import annotations

import os
import sys

from tests.journeys.service import ROOT

WHERE = ("tests/faults/test_killed_service.py", "tests/deploy/test_supervisor.py")


def main() -> int:
    os.chdir(ROOT)
    arguments = [one for one in sys.argv[1:] if one != "--service"]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "service", *WHERE, *arguments]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    raise SystemExit(main())
