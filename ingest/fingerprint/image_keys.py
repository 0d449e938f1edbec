"""Lookup keys of an image's parts: each feature as 36 bits, and what is inside its border.

A feature's key is the signs of the 36 coefficients of its descriptor (cosines over rows and
columns, Fourier over directions) that change least when a picture is copied. Of a probe's key, the
signs that are least sure are tried both ways (multi-probe, Lv et al. 2007, "Multi-Probe LSH").
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from ingest.fingerprint import image, image_parts
from ingest.fingerprint.image_parts import Parts

LEAST_SHARED = 2
"""Keys two pictures must share to be compared: one is often chance among a million pictures."""
UNSURE, UNSURE_MIRRORED = 3, 2
"""So many signs of a probe are tried both ways: 8 keys a feature, 4 where it is mirrored."""
INNER = np.uint64(1 << 40)
"""Above the features' keys: the bands of the hash of what is inside the border."""

# By tests/bench/calibrate_images.py: the places of the coefficients in the order of how seldom a
# copy changes their sign; their medians over features; their deviations.
COEFFICIENTS = np.array([
    25, 3, 1, 9, 114, 17, 34, 2, 89, 50, 66, 4, 8, 98, 35, 10, 11, 42, 36, 0, 19, 74, 41,
    33, 12, 7, 18, 5, 64, 16, 32, 49, 82, 73, 44, 106,
])  # fmt: skip
MEDIANS = np.array([
    -0.4, 7.4, 4.1, 0.4, -0.1, -4.1, -0.4, -0.1, 0.1, 0.1, 0.0, 0.1, -0.2, 0.1, -0.1, 0.0,
    0.0, 1.4, -0.1, 32.3, -1.9, 0.0, 0.1, 0.0, -0.1, 1.6, 0.0, 1.4, -2.7, -4.1, 0.0, 0.0,
    0.0, -0.1, 0.1, -0.3,
], np.float32)  # fmt: skip
DEVIATIONS = np.array([
    5.5, 7.4, 7.2, 6.7, 2.3, 5.8, 5.2, 5.7, 2.4, 2.9, 3.9, 4.4, 4.4, 2.9, 3.9, 3.5, 4.2,
    3.3, 3.1, 3.7, 2.9, 2.9, 3.2, 2.8, 3.0, 2.5, 2.3, 2.5, 2.2, 2.4, 3.2, 2.8, 2.1, 2.1,
    2.2, 2.0,
], np.float32)  # fmt: skip


def stored_keys(part: bytes) -> NDArray[np.uint64]:
    """The keys an image is found by: uint64 [at most 316], each once."""
    own = image_parts.unpacked(part)
    return np.unique(np.concatenate([feature_keys(own, 0), _inner_keys(own, 1)]))


def probe_keys(part: bytes) -> NDArray[np.uint64]:
    """The keys an image looks others up by, as it stands and mirrored: uint64 [at most 3,728]."""
    own = image_parts.unpacked(part)
    return np.unique(
        np.concatenate(
            [
                feature_keys(own, UNSURE),
                feature_keys(image_parts.mirrored(own), UNSURE_MIRRORED),
                _inner_keys(own, 8),
            ]
        )
    )


def feature_keys(own: Parts, unsure: int) -> NDArray[np.uint64]:
    """Keys of each feature with its `unsure` least sure signs both ways: [n * 2**unsure]."""
    values = coefficients(own.roots)[:, COEFFICIENTS] - MEDIANS
    powers = np.uint64(1) << np.arange(len(COEFFICIENTS), dtype=np.uint64)
    keys = (values > 0) @ powers
    weakest = np.argsort(np.abs(values) / DEVIATIONS, axis=1)[:, :unsure]
    tried = [keys]
    for column in weakest.T:
        tried += [one ^ powers[column] for one in tried]
    return np.concatenate(tried)


def coefficients(roots: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The transform of descriptors: [n, 128] in; [n, 128] out, by row, column and direction."""
    made: NDArray[np.float32] = np.matmul(roots.astype(np.float32), _basis())
    return made


@cache
def _basis() -> NDArray[np.float32]:
    """[128, 128]: cosines over 4 rows and 4 columns times Fourier over 8 directions."""
    step = np.arange(4)
    cosines = np.cos(np.pi / 4 * np.outer(step, step + 0.5)) * np.sqrt(0.5)
    cosines[0] /= np.sqrt(2)
    turn = 2 * np.pi / 8 * np.outer(np.arange(1, 4), np.arange(8))
    waves = np.stack([np.cos(turn), np.sin(turn)], axis=1).reshape(6, 8) / 2
    flat, fast = np.ones((1, 8)) / np.sqrt(8), np.cos(np.pi * np.arange(8))[None] / np.sqrt(8)
    fourier = np.concatenate([flat, waves, fast])
    basis = np.einsum("ai,bj,ck->ijkabc", cosines, cosines, fourier)
    made: NDArray[np.float32] = basis.reshape(128, 128).astype(np.float32)
    return made


def _inner_keys(own: Parts, turns: int) -> NDArray[np.uint64]:
    if own.inner_quality < image_parts.LEAST_QUALITY:
        return np.empty(0, np.uint64)
    return (INNER | image.band_keys(own.inner_hashes[:turns])).ravel()
