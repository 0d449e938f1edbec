"""Whether the figures of short benchmarks are what they must be on any machine.

`python tests/bench/check.py FILE`: FILE holds their JSON lines. Speed is not looked at: what is
exact must be exact, and nothing may be missing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

EXACT = {
    ("fingerprint", "oracle_mismatches"): 0,
    ("index", "recall_vs_oracle"): 1,
    ("quality", "false_accusation_rate"): 0,
    ("quality", "false_alarms"): 0,
    ("web", "pages_failed"): 0,
    ("statements", "replay_agrees"): True,
    ("statements", "changed_digit_found"): True,
}
# Billing refuses to measure a batch of which anything is not charged.
THERE = {("billing", "netted_1k_x_copy"), ("billing", "hash_chain_cost")}


def main(path: Path) -> int:
    """Print what is wrong; 1 where anything is."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    found = {(row["bench"], row["figure"]) for row in rows}
    wrong = [f"{bench}: no figure {figure}" for bench, figure in (EXACT.keys() | THERE) - found]
    for row in rows:
        due = EXACT.get((row["bench"], row["figure"]))
        if due is not None and row["value"] != due:
            wrong.append(f"{row['bench']}, {row['set']}: {row['figure']} is {row['value']}")
    print("\n".join(wrong) or f"{len(rows)} figures; what must be exact is")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
