"""The kernels against datasketch on made-up records: how many signatures differ.

`python -m tests.bench.oracle COUNT SEED` signs COUNT fuzzed records and prints the number that
differs from `datasketch.MinHash` updated with the reference's shingles, by the reference's hash.
"""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from datasketch import MinHash
from tallymark import fingerprint as reference
from tallymark.fingerprint import batch, normal, scheme, tables

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 500
REFERENCE_SUMS = """
import hashlib, json, sys
from tallymark import fingerprint
for line in sys.stdin:
    text = ''.join(map(chr, json.loads(line)))
    made = repr((fingerprint.digest(text), fingerprint.shingle_hashes(text)))
    print(hashlib.sha256(made.encode()).hexdigest())
"""
"""What another Python is asked to compute, from the client alone."""


class Maker:
    """Records of every kind that a kernel may trip over; the same from the same seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        known = tables.load()
        self.loose = sorted(normal.loose_characters())
        self.folding = [code for code in known.fold if not 0xD800 <= code < 0xE000]
        self.unspaced = [first for first, _, value in known.classes if value >= tables.PAIR]
        self.kinds: list[Callable[[], str]] = [
            self.ascii, self.ascii, self.words, self.planes, self.combining, self.jamo,
            self.scripts, self.disguised, self.ignorable, self.surrogates, self.long_token,
        ]  # fmt: skip

    def record(self) -> str:
        """Up to four stretches of different kinds; now and then nothing at all."""
        if self.rng.random() < 0.01:
            return ""
        return "".join(self.rng.choice(self.kinds)() for _ in range(self.rng.randint(1, 4)))

    def some(self, alphabet: list[str] | str, most: int) -> str:
        return "".join(self.rng.choices(alphabet, k=self.rng.randint(0, most)))

    def ascii(self) -> str:
        return "".join(chr(self.rng.randrange(128)) for _ in range(self.rng.randint(0, 150)))

    def words(self) -> str:
        return " ".join(self.some("abcdeXYZ_019", 20) for _ in range(self.rng.randint(1, 30)))

    def planes(self) -> str:
        codes = [self.rng.randrange(0x110000) for _ in range(self.rng.randint(0, 30))]
        return "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)

    def combining(self) -> str:
        return self.some([*"aeiouАеинक가", *self.rng.choices(self.loose, k=12)], 40)

    def jamo(self) -> str:
        leads, vowels = range(0x1100, 0x1113), range(0x1161, 0x1176)
        return self.some([chr(code) for code in (*leads, *vowels, *range(0x11A7, 0x11C3))], 20)

    def scripts(self) -> str:
        starts = self.rng.choices(self.unspaced, k=8)
        return self.some([*" a.", *(chr(code) for code in starts), *self.loose[:9]], 40)

    def disguised(self) -> str:
        return self.some([*"paypal ", *map(chr, self.rng.choices(self.folding, k=10))], 40)

    def ignorable(self) -> str:
        return self.some("word \u200b\u200d\u00ad\ufeff\u2060\U000e0041", 60)

    def surrogates(self) -> str:
        return self.some("ab \ud800\udc00\udfff", 20)

    def long_token(self) -> str:
        return self.rng.choice("aй中") * self.rng.choice((7, 8, 9, 15, 16, 17, 63, 64, 65, 900))


def mismatches(count: int, seed: int) -> int:
    """How many of `count` records are signed or digested otherwise than by the reference."""
    maker, wrong = Maker(seed), 0
    for first in range(0, count, AT_ONCE):
        records = [maker.record() for _ in range(min(AT_ONCE, count - first))]
        texts = batch.of_list(records)
        made, digests = batch.prints(texts, threads=1), batch.digests(texts)
        for record, signature, digest in zip(records, made.signatures, digests, strict=True):
            oracle = MinHash(128, seed=scheme.SEED, scheme=scheme.SCHEME, hashfunc=reference.hash32)
            oracle.update_batch(reference.shingles(record))
            same = np.array_equal(oracle.hashvalues, signature)
            wrong += not (same and digest == reference.digest(record))
    return wrong


def in_processes(count: int, processes: int) -> int:
    """`mismatches`, shared out to processes of their own, each with its own seed."""
    share = -(-count // processes)
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.bench.oracle", str(share), str(seed)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(processes)
    ]
    answers = [process.communicate()[0] for process in started]
    assert all(process.returncode == 0 for process in started), "an oracle process failed"
    return sum(map(int, answers))


def between_pythons(python: str, count: int) -> int:
    """How many records the reference fingerprints otherwise under the interpreter `python`."""
    maker = Maker(count)
    records = [maker.record() for _ in range(count)]
    # As numbers: two lone surrogates side by side would become one character on the way.
    lines = "".join(f"{[*map(ord, record)]}\n" for record in records)
    asked = subprocess.run(
        [python, "-c", REFERENCE_SUMS], input=lines,
        capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT / "client")},
    )  # fmt: skip
    answers = asked.stdout.split()
    assert len(answers) == count, "the other Python did not answer for each record"
    return sum(
        hashlib.sha256(
            repr((reference.digest(record), reference.shingle_hashes(record))).encode()
        ).hexdigest()
        != answer
        for record, answer in zip(records, answers, strict=True)
    )


if __name__ == "__main__":
    print(mismatches(int(sys.argv[1]), int(sys.argv[2])))
