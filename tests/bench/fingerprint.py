"""How fast texts become signatures, and whether they are datasketch's: one JSON line a figure.

    ./run bench fingerprint [--records N] [--data FILE] [--fuzz N] [--python PATH] [--rounds N]

All speed is CPU time of one process pinned to one core, in rounds in which every contestant takes
its turn; a figure is the median over the rounds of the ratio within a round. Contestants sign
samples of the same records and are compared by bytes signed a second. `--fuzz` records are held
against datasketch bit for bit, on as many processes as there are cores; `--python` names another
interpreter, under which the plain Python reference must say the same.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from tallymark.fingerprint import batch

from ingest.fingerprint import minhash
from tests.bench import corpus, limit, oracle, peers
from tests.bench.figures import Figures

MEGA = 1_000_000


class Runner(NamedTuple):
    """A contestant: what it does in its turn, and how many bytes that signs."""

    name: str
    turn: Callable[[], Any]
    size: int


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run bench fingerprint")
    parser.add_argument("--records", type=int, default=24_000, help="of the corpus made here")
    parser.add_argument("--data", type=Path, help="JSONL with a column text, or a text a line")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--fuzz", type=int, default=20_000, help="records held against datasketch")
    parser.add_argument("--python", action="append", default=[], help="another interpreter")
    return parser.parse_args()


def size_of(texts: Sequence[str]) -> int:
    return sum(len(text.encode()) for text in texts)


def rounds(runners: Sequence[Runner], count: int) -> dict[str, list[float]]:
    """Bytes a second of CPU time of each runner, round by round."""
    speeds: dict[str, list[float]] = {runner.name: [] for runner in runners}
    for runner in runners:
        runner.turn()  # compiled and warm
    for _ in range(count):
        for runner in runners:
            gc.collect()
            begun = time.process_time()
            runner.turn()
            speeds[runner.name].append(runner.size / (time.process_time() - begun))
    return speeds


def ratio(speeds: dict[str, list[float]], ours: str, theirs: str) -> float:
    pairs = zip(speeds[ours], speeds[theirs], strict=True)
    return statistics.median(one / other for one, other in pairs)


def against_peers(figures: Figures, texts: list[str], count: int) -> None:
    array, missing = pa.array(texts, pa.large_string()), peers.installed()
    whole = size_of(texts)
    runners = [
        Runner("arrow", lambda: minhash.signatures(array), whole),
        Runner("strings", lambda: minhash.signatures(texts), whole),
    ]
    known = list(peers.peers(missing))
    for peer in known:
        some = texts[:: peer.stride]
        runners.append(Runner(peer.name, lambda p=peer, t=some: p.sign(t), size_of(some)))
    speeds = rounds(runners, count)
    for peer in known:
        for ours in ("arrow", "strings"):
            note = f"ours from {ours}, {peer.name} from Python strings; a sample for the peer"
            figures.add(set=ours, figure=peer.figure or peer.name, unit="x", peer=peer.name,
                        value=ratio(speeds, ours, peer.name), note=note)  # fmt: skip
    for name, found in speeds.items():
        figures.add(set=f"{len(texts)} records", figure=f"throughput: {name}", unit="MB/s",
                    value=statistics.median(found) / MEGA)  # fmt: skip
    for name, why in missing.items():
        figures.add(set="", figure="peer left out", value=None, peer=name, note=why)


def against_limit(figures: Figures, texts: list[str], count: int) -> None:
    plain = batch.of_list([text for text in texts if text.isascii()])
    size = len(plain.source)
    try:
        sign = limit.signer(plain)
    except limit.NoLimit as error:
        figures.add(set="ascii", figure="share_of_c_limit_ascii", value=None, note=str(error))
        return
    ours = batch.prints(plain, shingles=False, threads=1).signatures
    assert (sign() == ours).all(), "the C program signs otherwise"
    runners = [
        Runner("C, AVX-512", sign, size),
        Runner("ours", lambda: batch.prints(plain, shingles=False, threads=1), size),
    ]
    speeds = rounds(runners, count)
    figures.add(set="ascii", figure="share_of_c_limit_ascii", peer="tests/bench/limit.c",
                value=ratio(speeds, "ours", "C, AVX-512"), note="signatures alone")  # fmt: skip
    for name, found in speeds.items():
        figures.add(set="ascii", figure=f"throughput: {name}", unit="MB/s",
                    value=statistics.median(found) / MEGA)  # fmt: skip


def stages(figures: Figures, texts: list[str], count: int) -> None:
    """Each stage's own time: that of the work with it, less that of the work without it."""
    made = batch.of_list(texts)
    size = len(made.source)

    def sign(**parts: bool) -> Callable[[], Any]:
        return lambda: batch.prints(made, threads=1, **parts)

    speeds = rounds([
        Runner("read", lambda: minhash.as_texts(texts), size),
        Runner("fold and cut", sign(signatures=False, shingles=False), size),
        Runner("sign", sign(shingles=False), size),
        Runner("shingles", sign(signatures=False), size),
        Runner("canonical form", lambda: batch.canonical(made), size),
        Runner("digest", lambda: batch.digests(made), size),
    ], count)  # fmt: skip
    seconds = {name: size / statistics.median(found) for name, found in speeds.items()}
    cut = seconds["fold and cut"]
    own = {
        "strings to bytes": seconds["read"],
        "fold and cut into tokens": cut,
        "hash and minimise": seconds["sign"] - cut,
        "hash and sort the shingle set": seconds["shingles"] - cut,
        "canonical form": seconds["canonical form"],
        "SHA-256 of it": seconds["digest"] - seconds["canonical form"],
    }
    for name, taken in own.items():
        figures.add(set="stages", figure=name, unit="MB/s", value=size / taken / MEGA)


def exactness(figures: Figures, fuzz: int, cores: int, pythons: Sequence[str]) -> None:
    figures.add(set=f"{fuzz} fuzzed records", figure="oracle_mismatches", unit="records",
                value=oracle.in_processes(fuzz, cores), peer="datasketch.MinHash",
                note=f"kernel and reference, Python {platform.python_version()}")  # fmt: skip
    for python in pythons:
        asked = subprocess.run([python, "-V"], capture_output=True, text=True, check=True)
        count = max(fuzz // 10, 1000)
        figures.add(set=f"{count} fuzzed records", figure="oracle_mismatches", unit="records",
                    value=oracle.between_pythons(python, count), peer=asked.stdout.strip(),
                    note="the reference under another Python")  # fmt: skip


def main() -> None:
    chosen, figures = arguments(), Figures("fingerprint")
    cores = batch.processors()
    items = corpus.read(chosen.data) if chosen.data else corpus.made(chosen.records)
    texts = [item.text for item in items]
    if hasattr(os, "sched_setaffinity"):
        every = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(every)})
    os.environ.update(OMP_NUM_THREADS="1", RAYON_NUM_THREADS="1")
    against_peers(figures, texts, chosen.rounds)
    against_limit(figures, texts, chosen.rounds)
    stages(figures, texts, chosen.rounds)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, every)
    exactness(figures, chosen.fuzz, cores, chosen.python)
    figures.table()


if __name__ == "__main__":
    main()
