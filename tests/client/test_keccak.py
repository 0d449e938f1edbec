"""The client's Keccak-256 is Ethereum's."""

from __future__ import annotations

import pytest
from eth_hash.auto import keccak as reference
from hypothesis import given
from hypothesis import strategies as st
from tallymark.keccak import keccak


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
        (
            b"The quick brown fox jumps over the lazy dog",
            "4d741b6f1eb29cb2a9b9911c82f56fa8d73b04959d3d9d222895df6c0b28aa15",
        ),
        (
            b"Transfer(address,address,uint256)",
            "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
        ),
    ],
)
def test_known_texts_have_their_known_hashes(data, digest):
    assert keccak(data).hex() == digest


@pytest.mark.parametrize("length", [0, 1, 135, 136, 137, 271, 272, 273, 1000])
def test_every_padding_equals_the_reference(length):
    assert keccak(b"\xa5" * length) == reference(b"\xa5" * length)


@given(st.binary(max_size=600))
def test_any_bytes_hash_as_in_the_reference(data):
    assert keccak(data) == reference(data)
