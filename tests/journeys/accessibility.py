"""`./run accessibility`: axe-core on every page that each of the sample people can open.

Light and dark, wide and on a phone: WCAG 2.2 A and AA. What is serious or critical is wrong, and so
is whatever the browser refuses by our policy, a page that scrolls sideways, and words that are cut
off at a side. Script of a page weighs less than 200 KB (gzip).
"""

from __future__ import annotations

import argparse
import gzip
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tests import npm
from tests.journeys.browser import chromium
from tests.journeys.service import running
from tests.journeys.walker import NEWCOMER, PEOPLE, SIZES, Walker

AXE = ("axe-core", "4.14.1")
THEMES = ("light", "dark")
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
WHO = ("public", NEWCOMER, *PEOPLE)
GRAVE = frozenset({"serious", "critical"})
SCRIPT_LIMIT_BYTES = 200_000
ASK = """async tags => (await axe.run(document, {
  runOnly: tags, resultTypes: ["violations"],
})).violations.map(one => ({
  id: one.id, impact: one.impact, help: one.help,
  nodes: one.nodes.slice(0, 3).map(node => node.html.slice(0, 160)), count: one.nodes.length,
}))"""

# Words that end in an ellipsis say that there is more; those in a box that scrolls can be read.
CUT = """() => {
  const found = new Set(), root = document.scrollingElement;
  if (root.scrollWidth > innerWidth + 1) found.add(`the page is ${root.scrollWidth} px wide`);
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const shown = {visibilityProperty: true, opacityProperty: true};
  while (words.nextNode()) {
    const node = words.currentNode, range = document.createRange();
    if (!node.data.trim() || !node.parentElement.checkVisibility(shown)) continue;
    range.selectNodeContents(node);
    const rects = [...range.getClientRects()].filter(rect => rect.width > 1);
    for (let box = node.parentElement; box !== document.body; box = box.parentElement) {
      const style = getComputedStyle(box), edge = box.getBoundingClientRect();
      if (style.overflowX === "visible") continue;
      if (!["hidden", "clip"].includes(style.overflowX) || style.textOverflow === "ellipsis") break;
      if (edge.width < 2 || style.position === "fixed") break;
      if (rects.some(rect => rect.right > edge.right + 1 || rect.left < edge.left - 1))
        found.add(`cut off: ${node.data.trim().slice(0, 60)}`);
    }
  }
  return [...found].slice(0, 3);
}"""


@cache
def axe() -> str:
    """The script of axe-core; raises NpmMissing."""
    return (npm.modules(*AXE, alone=True) / "axe-core" / "axe.min.js").read_text()


class Scale:
    """Weighs the scripts of a page, gzipped as a server would send them."""

    def __init__(self, page: Any) -> None:
        self._asked: list[str] = []
        self._known: dict[str, int] = {}
        self._page = page
        page.on("request", self._note)

    def weigh(self, address: str) -> int:
        """Load the page; how many bytes of script came with it."""
        self._asked.clear()
        self._page.goto(address)
        self._page.wait_for_load_state("load")
        for url in {*self._asked} - {*self._known}:
            body = self._page.request.get(url).body()
            self._known[url] = len(gzip.compress(body, 9))
        return sum(self._known[url] for url in {*self._asked})

    def _note(self, request: Any) -> None:
        if request.resource_type == "script":
            self._asked.append(request.url)


def look(page: Any) -> list[str]:
    """What axe finds grave on the page as it stands, and what of it cannot be read."""
    page.evaluate(axe())
    found = page.evaluate(ASK, list(TAGS))
    grave = [
        f"{one['id']} ({one['impact']}, {one['count']}): {one['help']}: {one['nodes'][0]}"
        for one in found
        if one["impact"] in GRAVE
    ]
    return [*grave, *page.evaluate(CUT)]


def look_at_all(walker: Walker, names: Iterator[str], settings: list[tuple[str, str]]) -> list[str]:
    """What is wrong on the pages that the walker opens, each once in every setting."""
    wrong, scale = [], Scale(walker.page)
    for name in names:
        address = walker.page.url
        for theme in dict.fromkeys(theme for theme, _ in settings):
            walker.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            weight = scale.weigh(address)
            if weight > SCRIPT_LIMIT_BYTES:
                wrong.append(f"{name}: its scripts weigh {weight:,} bytes")
            for size in (size for each, size in settings if each == theme):
                width, height = SIZES[size]
                walker.page.set_viewport_size({"width": width, "height": height})
                wrong += [f"{name} {size} {theme}: {one}" for one in look(walker.page)]
        walker.count += 1
    return wrong


def pages_of(walker: Walker, who: str) -> Iterator[str]:
    """The pages that somebody can open, one after the other."""
    if who == "public":
        return walker.public()
    return walker.newcomer() if who == NEWCOMER else walker.person(who)


def main() -> None:
    """Look at the pages; end with 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="./run accessibility", description=__doc__)
    parser.add_argument("--data", type=Path, help="the data folder of a service that runs")
    parser.add_argument("--who", action="append", choices=WHO, default=None)
    parser.add_argument("--size", action="append", choices=SIZES, default=None)
    parser.add_argument("--theme", action="append", choices=THEMES, default=None)
    given = parser.parse_args()
    settings = [
        (theme, size) for theme in given.theme or THEMES for size in given.size or list(SIZES)
    ]
    wrong: list[str] = []
    count = 0
    with running(given.data) as place, chromium() as browser:
        for who in given.who or WHO:
            walker = Walker(browser, place)
            names = pages_of(walker, who)
            wrong += look_at_all(walker, names, settings)
            wrong += walker.watched.wrong()
            count += walker.count
            print(f"{who}: {walker.count} pages looked at", file=sys.stderr, flush=True)
            walker.close()
    for one in dict.fromkeys(wrong):
        print(f"wrong: {one}")
    print(f"{count} pages in {len(settings)} settings, {len(set(wrong))} wrong")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
