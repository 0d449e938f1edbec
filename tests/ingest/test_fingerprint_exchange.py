"""Signatures that go to datasketch and come back, and those that are turned away."""

import numpy as np
import pytest
from datasketch import LeanMinHash, MinHash
from hypothesis import given
from hypothesis import strategies as st
from tallymark import fingerprint

from ingest.fingerprint import exchange, minhash

TEXT = "the quick brown fox jumps over the lazy dog and runs away"
signatures = st.lists(st.integers(0, 2**32 - 1), min_size=128, max_size=128).map(
    lambda values: np.array(values, np.uint32)
)


def made_by_datasketch(**options: object) -> MinHash:
    wanted = {"num_perm": 128, "seed": 1, "scheme": "affine32", "hashfunc": fingerprint.hash32}
    made = MinHash(**{**wanted, **options})
    made.update_batch(fingerprint.shingles(TEXT))
    return made


@given(signatures)
def test_a_signature_comes_back_from_datasketch_as_it_went(signature: np.ndarray) -> None:
    assert (exchange.from_minhash(exchange.to_minhash(signature)) == signature).all()
    assert (exchange.from_minhash(exchange.to_lean_minhash(signature)) == signature).all()
    assert (exchange.from_bytes(exchange.to_bytes(signature)) == signature).all()


def test_an_exported_signature_is_datasketchs_own_and_can_be_updated() -> None:
    exported, own = exchange.to_minhash(minhash.signatures([TEXT])[0]), made_by_datasketch()
    assert exported == own
    for one in (exported, own):
        one.update(b"five more words of text")
    assert exported.jaccard(own) == 1


@pytest.mark.parametrize("order", ["<", "@", "="])
def test_the_bytes_of_a_lean_minhash_are_read_in_each_layout(order: str) -> None:
    lean = LeanMinHash(made_by_datasketch())
    buffer = bytearray(lean.bytesize(order))
    lean.serialize(buffer, order)
    assert (exchange.from_bytes(bytes(buffer)) == minhash.signatures([TEXT])[0]).all()


def test_our_bytes_are_read_by_datasketch() -> None:
    data = exchange.to_bytes(minhash.signatures([TEXT])[0])
    assert LeanMinHash.deserialize(data, "<") == LeanMinHash(made_by_datasketch())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"scheme": "legacy"}, "scheme legacy"),
        ({"scheme": "affine64"}, "scheme affine64"),
        ({"seed": 2}, "seed 2"),
        ({"num_perm": 64}, "64 permutations"),
    ],
)
def test_signatures_made_otherwise_are_refused_by_name(options: dict, named: str) -> None:
    made = made_by_datasketch(**options)
    lean = LeanMinHash(made)
    buffer = bytearray(lean.bytesize("<"))
    lean.serialize(buffer, "<")
    for read in (lambda: exchange.from_minhash(made), lambda: exchange.from_bytes(bytes(buffer))):
        with pytest.raises(exchange.NotComparable, match=named):
            read()


@pytest.mark.parametrize("length", [0, 11, 12, 13, 100, 524, 526, 527, 529])
def test_bytes_of_the_wrong_length_are_refused(length: int) -> None:
    data = (exchange.to_bytes(np.zeros(128, np.uint32)) + bytes(8))[:length]
    with pytest.raises(exchange.NotComparable):
        exchange.from_bytes(data)
