"""Signatures made on the device against the CPU's kernel: equality, speed, what is left to the CPU.

`./run bench device [--records N] [--rounds N] [--data FILE]`. On a machine with a GPU the device is
that; without one the same torch operations run on the CPU, every figure says so, and no speed here
says anything of a GPU. Texts are this machine's own (`corpus`), or FILE's; to see how often a
script needs the CPU, Django's messages in every language that it speaks are read as well.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import django
import numpy as np
import torch
from tallymark.fingerprint import batch
from tallymark.fingerprint.batch import Prints, Texts

from ingest.fingerprint.device import batches, hashing, lookups, minima
from ingest.fingerprint.device.folding import fold
from ingest.fingerprint.device.tokens import places
from tests.bench import corpus
from tests.bench.figures import Figures

LOCALES = Path(django.__file__).parent / "conf" / "locale"
MESSAGE = re.compile(r'^msgstr(?:\[\d\])? "(.+)"$', re.MULTILINE)


def seconds(work: Callable[[], object], rounds: int) -> float:
    """The median of `rounds` runs, each waited for."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def differing(one: Prints, other: Prints) -> int:
    """How many records have another signature, token count or shingle set."""
    rows = (one.signatures != other.signatures).any(axis=1)
    rows |= one.token_counts != other.token_counts
    sets = zip(one.shingle_sets(), other.shingle_sets(), strict=True)
    return int((rows | np.array([not np.array_equal(*pair) for pair in sets])).sum())


def messages() -> dict[str, list[str]]:
    """Django's own messages by language."""
    files = {path.parts[-3]: path for path in sorted(LOCALES.glob("*/LC_MESSAGES/django.po"))}
    read = {name: MESSAGE.findall(path.read_text("utf-8")) for name, path in files.items()}
    return {name: found for name, found in read.items() if len(found) >= 50}


def measure(figures: Figures, texts: Texts, device: str, rounds: int, note: str) -> None:
    """Speed and equality of the whole way on one set."""
    megabytes = len(texts.source) / 1e6
    made = batches.prints(texts, device=device)  # compiles, and fills caches
    figures.add(set="texts", figure="mismatches", value=differing(made, batch.prints(texts)),
                unit="records", peer="CPU kernel", note=note)  # fmt: skip
    for shingles in (False, True):
        name = "with_shingles" if shingles else "signatures"
        on_device = partial(batches.prints, texts, device=device, shingles=shingles)
        ours, theirs = (
            seconds(work, rounds)
            for work in (on_device, partial(batch.prints, texts, shingles=shingles))
        )
        for figure, value, unit in (
            ("mb_per_second", megabytes / ours, "MB/s"),
            ("mb_per_second_cpu_kernel", megabytes / theirs, "MB/s"),
            ("x_cpu_kernel", theirs / ours, "x"),
        ):
            figures.add(set="texts", figure=f"{name}_{figure}", value=value, unit=unit,
                        peer="CPU kernel, one thread", note=note)  # fmt: skip


def stages(figures: Figures, texts: Texts, device: str, rounds: int, note: str) -> None:
    """Where the time of one chunk goes."""
    known = lookups.on(device)
    most = batches.CPU_CHUNK if device == "cpu" else batches.GPU_CHUNK
    _, last = next(batches._chunks(texts.offsets, most))
    offsets = torch.from_numpy(texts.offsets[: last + 1].copy())
    host = torch.from_numpy(texts.source[: int(offsets[-1])].copy())
    source, bounds = host.to(device), offsets.to(device)
    folded = fold(source, bounds, known)
    found = places(folded, known)
    hashes = hashing.token_hashes(folded.text, found)
    ends = hashing.shingle_bounds(found.bounds)
    record = torch.repeat_interleave(ends.diff())
    mixed = hashing.mixed(hashing.shingle_hashes(hashes, found.bounds, ends, record, known))
    work: dict[str, Callable[[], object]] = {
        "transfer": lambda: host.to(device, copy=True),
        "fold": lambda: fold(source, bounds, known),
        "tokens": lambda: places(folded, known),
        "token_hashes": lambda: hashing.token_hashes(folded.text, found),
        "shingle_hashes": lambda: hashing.shingle_hashes(hashes, found.bounds, ends, record, known),
        "minima_torch": lambda: minima.signatures(mixed, ends, known),
    }
    if mixed.is_cuda:
        work["minima_chosen"] = lambda: batches._signatures(mixed, ends, known)
    for name, run in work.items():
        run()
        rate = len(host) / 1e6 / seconds(run, rounds)
        figures.add(
            set="one chunk", figure=f"{name}_mb_per_second", value=rate, unit="MB/s", note=note
        )


def left(figures: Figures, sets: dict[str, list[str]], device: str) -> None:
    """How many records only the CPU can fold, and whether each set is signed alike."""
    shares = {}
    for name, texts in sets.items():
        whole = batch.of_list(texts)
        shares[name] = float(batches.left_to_the_cpu(whole, device=device).mean())
        wrong = differing(batches.prints(whole, device=device), batch.prints(whole))
        if wrong:
            figures.add(set=f"messages {name}", figure="mismatches", value=wrong, unit="records")
    for name, share in sorted(shares.items(), key=lambda item: -item[1])[:12]:
        figures.add(set=f"messages {name}", figure="left_to_cpu", value=share, unit="of records",
                    note="the twelve languages with most")  # fmt: skip
    figures.add(
        set="messages, all languages",
        figure="left_to_cpu",
        value=float(np.mean(list(shares.values()))),
        unit="of records",
        note=f"mean over {len(shares)} languages; mismatches would be told above",
    )


def options(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", type=Path, help="JSONL with a column text, or a text a line")
    return parser.parse_args(given)


def main() -> None:
    asked = options()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    note = "torch operations on a CPU: not measured on a GPU"
    if device == "cuda":
        kind = batches._fastest().__module__.rpartition(".")[2]
        note = f"{torch.cuda.get_device_name()}, {kind}"
    items = corpus.read(asked.data) if asked.data else corpus.made(asked.records)
    texts = batch.of_list([item.text for item in items])
    figures = Figures("device")
    share = float(batches.left_to_the_cpu(texts, device=device).mean())
    figures.add(set="texts", figure="left_to_cpu", value=share, unit="of records", note=note)
    measure(figures, texts, device, asked.rounds, note)
    stages(figures, texts, device, asked.rounds, note)
    left(figures, messages(), device)
    figures.table()


if __name__ == "__main__":
    main()
