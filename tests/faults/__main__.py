"""`./run faults`: at money's work; `--chain`: on the way to a chain; `--node`: in our own chain;
`--service`: in a whole service.
"""

from __future__ import annotations

import sys
from importlib import import_module

HARNESSES = {
    "--chain": "tests.faults.chain.__main__",
    "--node": "tests.faults.node",
    "--service": "tests.faults.service",
}


def main() -> int:
    named = next((one for one in sys.argv[1:] if one in HARNESSES), None)
    module = import_module(HARNESSES[named] if named else "tests.faults.money.__main__")
    return int(module.main())


if __name__ == "__main__":
    raise SystemExit(main())
