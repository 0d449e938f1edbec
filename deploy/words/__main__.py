"""`./run words`: bring the catalogs up to date, or say what of people's words is missing."""

from __future__ import annotations

import argparse
import sys

from deploy.words import bare, catalogs


def main() -> int:
    """Renew and compile the catalogs; with --check change nothing, and fail where words lack."""
    parser = argparse.ArgumentParser(prog="./run words", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; 1 if words lack")
    parser.add_argument("--bare", action="store_true", help="list what is not marked; nothing else")
    given = parser.parse_args()
    if given.check or given.bare:
        found = [*bare.wrong(catalogs.ROOT)]
        if not given.bare:
            found = [*catalogs.wrong(), *found]
        print("\n".join(found) or "Every word is marked, and has its Chinese.")
        return bool(found)
    lacking = catalogs.renew()
    print(f"The catalogs are up to date; {lacking} words have no Chinese yet.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
