"""`./run screenshots DIR`: every page that each of the sample people can open, as a picture."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from tests.journeys.browser import chromium
from tests.journeys.service import running
from tests.journeys.walker import LOCALES, PEOPLE, SIZES, Walker

SETTLE_MS = 250


def take(walker: Walker, names: Iterator[str], folder: Path, suffix: str) -> None:
    """A picture of each page that the walker opens."""
    for name in names:
        file = folder / f"{name}{suffix}.png"
        if name.endswith("-reason") and file.exists():
            continue
        walker.page.wait_for_timeout(SETTLE_MS)
        walker.page.screenshot(path=str(file), full_page=True)
        walker.count += 1


def main() -> None:
    """Take the pictures; end with 1 where a page failed or asked another host."""
    parser = argparse.ArgumentParser(prog="./run screenshots", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, help="the data folder of a service that runs")
    parser.add_argument("--size", choices=SIZES, default="wide")
    parser.add_argument("--theme", choices=["light", "dark"], default="light")
    parser.add_argument("--language", choices=[*LOCALES], default="en")
    parser.add_argument("--each", type=int, default=1, help="of each kind of page so many")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    chosen = ((given.size, "wide"), (given.theme, "light"), (given.language, "en"))
    suffix = "".join(f"-{value}" for value, usual in chosen if value != usual)
    count, wrong = 0, []
    with running(given.data) as place, chromium() as browser:
        for who in ("", *PEOPLE):
            walker = Walker(
                browser, place, size=given.size, theme=given.theme, language=given.language,
                each=given.each,
            )  # fmt: skip
            names = walker.person(who) if who else walker.public()
            take(walker, names, given.folder, suffix)
            count += walker.count
            wrong += walker.watched.wrong()
            walker.close()
    print(f"{count} pictures in {given.folder}")
    for one in wrong:
        print(f"wrong: {one}")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
