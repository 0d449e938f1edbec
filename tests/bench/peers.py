"""Other makers of signatures, from the same records: what each is given is what it asks for.

datasketch is a part of the service; the rest are installed from the registry for the benchmark
alone, into .tallymark/bench, and are left out with a note where that fails.
"""

from __future__ import annotations

import re
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from datasketch import MinHash

FOLDER = Path(__file__).resolve().parents[2] / ".tallymark" / "bench"
PINNED = ("rensa==0.5.0", "gaoya==0.2.2")
WORD = re.compile(r"\w+")
SHINGLE = 5


class Peer(NamedTuple):
    """One way to sign, its every how manieth record, and the figure that it is for."""

    name: str
    stride: int
    sign: Callable[[Sequence[str]], Any]
    figure: str | None = None


def installed() -> dict[str, str]:
    """Make the peers importable: those that are not there, and why."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    sys.path.append(str(FOLDER))
    missing = {"text-dedup": "asks for pyspark, unisim and 20 more packages; it was left out"}
    for pinned in PINNED:
        name = pinned.split("==")[0]
        if (FOLDER / name).exists():
            continue
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", FOLDER]
        done = subprocess.run([*command, pinned], capture_output=True, text=True, check=False)
        if done.returncode:
            missing[name] = "it did not install"
    return missing


def shingles_of_words(text: str) -> list[bytes]:
    """Five words in a row, as found by a regular expression in the lowered text."""
    return _joined(WORD.findall(text.lower()))


def shingles_of_split(text: str) -> list[bytes]:
    """Five pieces between blanks in a row: the least that a peer can be given."""
    return _joined(text.split())


def _joined(words: list[str]) -> list[bytes]:
    count = max(1, len(words) - SHINGLE + 1)
    return [" ".join(words[at : at + SHINGLE]).encode() for at in range(count)]


def peers(missing: dict[str, str]) -> Iterator[Peer]:
    """The peers that are here."""
    yield Peer("datasketch bulk, default", 40, _datasketch_default, "x_datasketch_bulk")
    yield Peer("datasketch bulk, fastest", 40, _datasketch_fastest, "x_datasketch_fastest")
    if "rensa" not in missing:
        yield Peer("rensa R, words", 20, _rensa(shingles_of_words), "x_rensa_r")
        yield Peer("rensa R, split", 20, _rensa(shingles_of_split), "x_rensa_r_split")
    if "gaoya" not in missing:
        yield Peer("gaoya, signed and indexed", 20, _gaoya, "x_gaoya")


def _datasketch_default(texts: Sequence[str]) -> Any:
    return MinHash.bulk(map(shingles_of_words, texts), num_perm=128)


def _datasketch_fastest(texts: Sequence[str]) -> Any:
    """crc32 instead of SHA-1, and no regular expression."""
    return MinHash.bulk(map(shingles_of_split, texts), num_perm=128, hashfunc=zlib.crc32)


def _rensa(shingles: Callable[[str], list[bytes]]) -> Callable[[Sequence[str]], Any]:
    from rensa import RMinHash

    def sign(texts: Sequence[str]) -> Any:
        return RMinHash.digest_matrix_from_token_byte_sets(map(shingles, texts), 128, 1)

    return sign


def _gaoya(texts: Sequence[str]) -> Any:
    """Its Python door makes no signature without indexing it: 16 bands of 8, 32 bits each."""
    from gaoya.minhash import MinHashStringIndex

    index = MinHashStringIndex(32, 0.5, 16, 8, None, "word", True, (5, 5))
    for number, text in enumerate(texts):
        index.insert_document(number, text)
    return index
