"""Keccak-256 in plain Python, so that a proof can be checked with nothing but the standard library.

This is the hash of Ethereum: Keccak with its original padding, not NIST's SHA3-256. It makes a few
thousand hashes a second, enough for proofs. Source: keccak.team, "Keccak specifications summary".
"""

from __future__ import annotations

RATE_BYTES = 136
MASK = (1 << 64) - 1


def _round_constants() -> list[int]:
    """The 24 constants of step iota, from the linear feedback shift register that defines them."""
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for power in range(7):
            if register & 1:
                constant |= 1 << ((1 << power) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return constants


def _lane_walk() -> list[tuple[int, int]]:
    """Steps rho and pi as one walk over the 24 moving lanes: (where to, how far to rotate)."""
    walk, x, y = [], 1, 0
    for step in range(1, 25):
        x, y = y, (2 * x + 3 * y) % 5
        walk.append((x + 5 * y, step * (step + 1) // 2 % 64))
    return walk


ROUND_CONSTANTS = _round_constants()
LANE_WALK = _lane_walk()


def _rotate(lane: int, by: int) -> int:
    """Rotate a 64-bit lane to the left."""
    return ((lane << by) | (lane >> (64 - by))) & MASK


def _permute(lanes: list[int]) -> None:
    """Keccak-f[1600] on 25 lanes, in place."""
    for constant in ROUND_CONSTANTS:
        column = [
            lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20]
            for x in range(5)
        ]
        for x in range(5):
            change = column[(x + 4) % 5] ^ _rotate(column[(x + 1) % 5], 1)
            for y in range(0, 25, 5):
                lanes[x + y] ^= change
        moving = lanes[1]
        for target, by in LANE_WALK:
            moving, lanes[target] = lanes[target], _rotate(moving, by)
        for y in range(0, 25, 5):
            row = lanes[y : y + 5]
            for x in range(5):
                lanes[x + y] = row[x] ^ (~row[(x + 1) % 5] & MASK & row[(x + 2) % 5])
        lanes[0] ^= constant


def keccak(data: bytes) -> bytes:
    """Keccak-256 of `data`: 32 bytes."""
    padded = bytearray(data)
    padded.extend(bytes(RATE_BYTES - len(data) % RATE_BYTES))
    padded[len(data)] ^= 0x01
    padded[-1] ^= 0x80
    lanes = [0] * 25
    for start in range(0, len(padded), RATE_BYTES):
        for index in range(RATE_BYTES // 8):
            offset = start + 8 * index
            lanes[index] ^= int.from_bytes(padded[offset : offset + 8], "little")
        _permute(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])
