"""Makes the one-file page that checks proofs, or with `--check` says whether it is up to date.

    python provenance/verifier/build.py [--check]

The page must work from a disk, so its scripts and style stand inside it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "static" / "provenance" / "verify.html"


def page() -> str:
    """The page, with the named files put in."""
    template = (HERE / "page.html").read_text()
    whole = re.sub(r"\{\{ ([a-z]+\.[a-z]+) \}\}", lambda name: _part(name.group(1)), template)
    return re.sub(r"\{\{ hash of ([a-z]+) \}\}", lambda tag: _hash(whole, tag.group(1)), whole)


def _part(name: str) -> str:
    return (HERE / name).read_text().strip()


def _hash(whole: str, tag: str) -> str:
    """The hash by which the page's own policy lets its one script, or style, run (CSP level 2)."""
    (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", whole, re.DOTALL)
    return base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()


def main() -> int:
    """Write the page, or compare it."""
    if "--check" in sys.argv[1:]:
        is_same = PAGE.exists() and PAGE.read_text() == page()
        if not is_same:
            sys.stderr.write("verify.html is stale: run `python provenance/verifier/build.py`.\n")
        return 0 if is_same else 1
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
