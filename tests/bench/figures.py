"""How a benchmark speaks: one JSON object for each figure, and a table for people on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

WIDTHS = (24, 34, 14, 12, 20)


class Figures:
    """The figures of one benchmark, printed as they are made."""

    def __init__(self, bench: str) -> None:
        self.bench = bench
        self._rows: list[dict[str, Any]] = []

    def add(
        self,
        *,
        set: str,  # noqa: A002 - the field's own name
        figure: str,
        value: Any,
        unit: str = "",
        peer: str | None = None,
        note: str = "",
    ) -> None:
        """Print one figure at once: what was measured, of which set, against which peer."""
        row = {"bench": self.bench, "set": set, "figure": figure, "value": _short(value),
               "unit": unit, "peer": peer, "note": note}  # fmt: skip
        self._rows.append(row)
        print(json.dumps(row, ensure_ascii=False), flush=True)

    def table(self) -> None:
        """All figures so far, as a table on stderr."""
        names = ("set", "figure", "value", "unit", "peer", "note")
        for row in [dict(zip(names, names, strict=True)), *self._rows]:
            cells = [str(row[name] if row[name] is not None else "") for name in names]
            padded = [cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=False)]
            print("  ".join([*padded, cells[-1]]).rstrip(), file=sys.stderr)


def _short(value: Any) -> Any:
    """Six significant digits of a float: more would be noise."""
    return float(f"{value:.6g}") if isinstance(value, float) else value
