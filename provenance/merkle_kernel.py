"""Keccak-256 of many short messages at once, and the nodes of a Merkle tree: eight in each step.

A permutation works on 25 words; eight messages are hashed side by side, a vector of eight words for
each. It is written in LLVM's generic vectors, which any processor can be compiled for. Compiled on
first use, then cached. Source: FIPS 202, section 3.2, with Keccak's own padding (0x01).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray
from tallymark.fingerprint.intrinsics import compiled

AT_ONCE = 8
ROUNDS = 24
# The words of a block of Keccak-256: 136 bytes.
RATE_WORDS = 17
WORD = ir.IntType(64)
LANES = ir.VectorType(WORD, AT_ONCE)

# rho: by how many bits each word is turned; the word of column x and row y stands at x + 5 * y.
TURNS = (
    (0, 1, 62, 28, 27),
    (36, 44, 6, 55, 20),
    (3, 10, 43, 25, 39),
    (41, 45, 15, 21, 8),
    (18, 2, 61, 56, 14),
)


def _round_constants() -> list[int]:
    """iota's constants, from the shift register of FIPS 202, algorithm 5."""
    register, constants = 1, []
    for _ in range(ROUNDS):
        constant = 0
        for power in range(7):
            constant |= (register & 1) << ((1 << power) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return constants


def _round(builder: Any, words: list[Any], constant: Any) -> list[Any]:
    """One round on 25 vectors: theta, rho and pi, chi, iota."""

    def turned(value: Any, bits: int) -> Any:
        if not bits:
            return value
        left = builder.shl(value, ir.Constant(LANES, [bits] * AT_ONCE))
        return builder.or_(left, builder.lshr(value, ir.Constant(LANES, [64 - bits] * AT_ONCE)))

    columns = [words[x] for x in range(5)]
    for x in range(5):
        for y in range(1, 5):
            columns[x] = builder.xor(columns[x], words[x + 5 * y])
    mixed: list[Any] = [None] * 25
    for x in range(5):
        effect = builder.xor(columns[x - 1], turned(columns[(x + 1) % 5], 1))
        for y in range(5):
            moved = y + 5 * ((2 * x + 3 * y) % 5)
            mixed[moved] = turned(builder.xor(words[x + 5 * y], effect), TURNS[y][x])
    after = []
    for y in range(5):
        row = mixed[5 * y : 5 * y + 5]
        for x in range(5):
            masked = builder.and_(builder.not_(row[(x + 1) % 5]), row[(x + 2) % 5])
            after.append(builder.xor(row[x], masked))
    after[0] = builder.xor(after[0], constant)
    return after


def _permute(typing: Any, state: Any) -> Any:
    """Keccak-f[1600] on eight states side by side: uint64 [25, 8], in place."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        first = builder.bitcast(data, LANES.as_pointer())
        places = [builder.gep(first, [ir.Constant(WORD, at)]) for at in range(25)]
        tools: Any = cgutils  # which has no types
        held = [tools.alloca_once(builder, LANES) for _ in places]
        for place, own in zip(places, held, strict=True):
            builder.store(builder.load(place, align=8), own)
        vectors = [ir.Constant(LANES, [one] * AT_ONCE) for one in _round_constants()]
        table = ir.Constant(ir.ArrayType(LANES, ROUNDS), vectors)
        constants = tools.global_constant(builder, "keccak_round_constants", table)
        with tools.for_range(builder, ir.Constant(WORD, ROUNDS)) as loop:
            constant = builder.load(builder.gep(constants, [ir.Constant(WORD, 0), loop.index]))
            words = _round(builder, [builder.load(own) for own in held], constant)
            for word, own in zip(words, held, strict=True):
                builder.store(word, own)
        for place, own in zip(places, held, strict=True):
            builder.store(builder.load(own), place, align=8)
        return context.get_dummy_value()

    return types.void(state), generate


permute: Any = intrinsic(_permute)


@compiled
def _hash(messages: NDArray[np.uint64], digests: NDArray[np.uint64]) -> None:
    """Keccak-256 of each row: uint64 [n, words up to 16] in, uint64 [n, 4] out."""
    state = np.empty((25, AT_ONCE), np.uint64)
    count, words = messages.shape
    for start in range(0, count, AT_ONCE):
        held = min(AT_ONCE, count - start)
        state[:] = 0
        for lane in range(held):
            for word in range(words):
                state[word, lane] = messages[start + lane, word]
        state[words] = 1
        state[RATE_WORDS - 1] ^= np.uint64(1 << 63)
        permute(state)
        for lane in range(held):
            for word in range(4):
                digests[start + lane, word] = state[word, lane]


@compiled
def _is_below(nodes: NDArray[np.uint8], one: int, other: int) -> bool:
    """Whether one node is smaller than another, as bytes compare."""
    for at in range(32):
        if nodes[one, at] != nodes[other, at]:
            return bool(nodes[one, at] < nodes[other, at])
    return False


@compiled
def _fill(
    nodes: NDArray[np.uint8], words: NDArray[np.uint64], pairs: NDArray[np.uint64], first: int
) -> None:
    """Hash parents from `first` down to the root; `words` are the nodes again, as uint64."""
    parents = pairs[:, :4].copy()
    at = first
    while at >= 0:
        # Eight neighbours at once, unless one of them is the parent of another.
        held = AT_ONCE if at >= 2 * AT_ONCE else 1
        for lane in range(held):
            left = 2 * (at - lane) + 1
            right = left + 1
            if _is_below(nodes, right, left):
                left, right = right, left
            for word in range(4):
                pairs[lane, word] = words[left, word]
                pairs[lane, 4 + word] = words[right, word]
        _hash(pairs[:held], parents[:held])
        for lane in range(held):
            words[at - lane] = parents[lane]
        at -= held


def hashes(messages: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keccak-256 of each row: uint8 [n, a multiple of 8 up to 128] in, uint8 [n, 32] out."""
    digests = np.empty((len(messages), 4), np.uint64)
    _hash(np.ascontiguousarray(messages).view(np.uint64), digests)
    return digests.view(np.uint8)


def fill(nodes: NDArray[np.uint8], leaf_count: int) -> None:
    """Complete a tree whose leaves stand at the end of `nodes`: uint8 [2 * leaf_count - 1, 32]."""
    _fill(nodes, nodes.view(np.uint64), np.empty((AT_ONCE, 8), np.uint64), leaf_count - 2)
