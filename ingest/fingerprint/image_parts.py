"""What is kept of an image so that parts of it are found again: local features and a small plane.

A crop, a border, a small turn or a paste into another picture changes the hash of the whole, but
not the surroundings of most corners and blobs. So many of those as are worth keeping are described
by SIFT (Lowe 2004, "Distinctive Image Features from Scale-Invariant Keypoints") in their root form
(Arandjelovic and Zisserman 2012), spread over the picture. Beside them stand the luminance at 96
pixels, on which an alignment is checked, and the PDQ hashes of what is inside a uniform border.

A sketch is at most 31 KB: 70 bytes a feature, 9 KB of luminance and 265 bytes of hashes.
"""

from __future__ import annotations

import struct
from functools import cache
from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.fingerprint import image

SCHEME = "image-parts/1"
SIDE = 400
"""Features are looked for at this length of the longer side."""
MOST_FEATURES = 300
CELLS = 6
"""The longer side in cells: each gets its share of the features before any gets more."""
CONTRAST = 0.02
"""SIFT's least contrast: half its default, since pictures of low contrast are copied too."""
LIGHT_SIDE = 96
LEAST_SIDE = 16
"""A stripe is widened to so many pixels: SIFT sees nothing in a line."""
LEAST_QUALITY = 50
"""Of 100: a hash of a plainer picture says nothing (PDQ's own threshold)."""
STRETCH_MOST = 4.0
"""A dull picture is stretched by so much at most: beyond it, noise becomes features."""
ROOT_FULL = 0.35
"""The root of a histogram bin that fills the 4 bits it is kept in; few are larger."""
BORDER_TOLERANCE = 12
"""Of 255: how far the pixels of a uniform border may be apart (JPEG rings a little)."""
BORDER_STRAYS = 0.02
"""A row of the border may hold so many pixels of another colour."""
BORDER_LEAST = 0.02
"""A border thinner than this part of a side is left: it changes no hash."""

HEADER = struct.Struct("<IIHBBB")
FEATURE = np.dtype(
    [("x", "<u2"), ("y", "<u2"), ("size", "u1"), ("angle", "u1"), ("root", "u1", 64)]
)
SIZE_BASE, SIZE_STEP = 2e-3, 1.03
"""A feature's size is kept as a power: 0.002 to 3.8 of the longer side in 256 steps."""


class Parts(NamedTuple):
    """The parts of one image; lengths are in units of its longer side."""

    width: int
    height: int
    places: NDArray[np.float32]
    """[n, 2]: x and y of each feature."""
    sizes: NDArray[np.float32]
    """[n]."""
    angles: NDArray[np.float32]
    """[n], in radians."""
    roots: NDArray[np.uint8]
    """[n, 128]: the root of each descriptor's bins (4 rows, 4 columns, 8 directions), 0 to 15."""
    light: NDArray[np.uint8]
    """The luminance, its longer side LIGHT_SIDE pixels."""
    inner_hashes: NDArray[np.uint8]
    """[8, 32]: PDQ of what is inside the border, in all turns and mirrors."""
    inner_quality: int

    @property
    def frame(self) -> NDArray[np.float32]:
        """Width and height in units of the longer side."""
        longer = max(self.width, self.height)
        return np.array([self.width / longer, self.height / longer], np.float32)


@cache
def vision() -> ModuleType:
    """OpenCV, loaded when it is first needed, on one thread: workers are parallel already."""
    import cv2

    cv2.setNumThreads(1)
    return cv2


def sketch(pixels: NDArray[np.uint8]) -> bytes:
    """The parts of uint8 [h, w, 3] as they are stored; b"" where there is nothing to compare."""
    own = parts(pixels)
    if not len(own.places) and own.inner_quality < LEAST_QUALITY:
        return b""
    return packed(own)


def parts(pixels: NDArray[np.uint8]) -> Parts:
    """The parts of an upright RGB picture: uint8 [h, w, 3]."""
    height, width = pixels.shape[:2]
    cv2 = vision()
    reduced = _scaled(np.ascontiguousarray(pixels), SIDE, least=LEAST_SIDE)
    plane = _stretched(cv2.cvtColor(reduced, cv2.COLOR_RGB2GRAY))
    places, sizes, angles, roots = _features(plane)
    small = image.downsampled(inside_border(reduced))
    return Parts(
        width=width,
        height=height,
        places=places,
        sizes=sizes,
        angles=angles,
        roots=roots,
        light=_scaled(plane, LIGHT_SIDE, least=1),
        inner_hashes=np.stack([image.hash_of(turned) for turned in image.turns(small)]),
        inner_quality=image.quality(small),
    )


def _scaled(plane: NDArray[np.uint8], side: int, *, least: int) -> NDArray[np.uint8]:
    """A picture with its longer side made `side` pixels, and the other no less than `least`."""
    cv2 = vision()
    factor = side / max(plane.shape[:2])
    size = [max(round(length * factor), least) for length in reversed(plane.shape[:2])]
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(plane, size, interpolation=way), np.uint8)


def _stretched(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A dull plane over more of the range: contrast is what SIFT chooses features by."""
    low, high = np.percentile(plane, (1, 99))
    gain = min(255 / max(high - low, 1), STRETCH_MOST)
    middle = (low + high) / 2
    made = (plane.astype(np.float32) - middle) * gain + (127.5 if gain > 1 else middle)
    stretched: NDArray[np.uint8] = np.clip(np.round(made), 0, 255).astype(np.uint8)
    return stretched


def _features(
    plane: NDArray[np.uint8],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]]:
    """Places, sizes, angles and roots of the features worth keeping."""
    sift = vision().SIFT_create(contrastThreshold=CONTRAST)
    found = sift.detect(plane, None)
    if not found:
        none = np.empty(0, np.float32)
        return np.empty((0, 2), np.float32), none, none, np.empty((0, 128), np.uint8)
    points = np.array([point.pt for point in found], np.float32)
    sizes = np.array([point.size for point in found], np.float32)
    strengths = np.array([point.response for point in found], np.float32)
    kept = _spread(points / max(plane.shape), strengths * np.sqrt(sizes))
    described, bins = sift.compute(plane, [found[at] for at in kept])
    longer = np.float32(max(plane.shape))
    angles = np.deg2rad(np.array([point.angle for point in described], np.float32))
    roots = np.sqrt(bins / np.maximum(bins.sum(axis=1, keepdims=True), 1e-9))
    return (
        np.array([point.pt for point in described], np.float32) / longer,
        np.array([point.size for point in described], np.float32) / longer,
        angles,
        np.clip(np.round(roots * (15 / ROOT_FULL)), 0, 15).astype(np.uint8),
    )


def _spread(points: NDArray[np.float32], worth: NDArray[np.float32]) -> NDArray[np.int64]:
    """Which features to keep: the best of every cell, then the second best, and so on."""
    order = np.argsort(-worth, kind="stable")
    columns = (points[order] * CELLS).astype(np.int64)
    cells = columns[:, 0] * (CELLS + 1) + columns[:, 1]
    by_cell = np.argsort(cells, kind="stable")
    _, starts, counts = np.unique(cells[by_cell], return_index=True, return_counts=True)
    ranks = np.empty(len(order), np.int64)
    ranks[by_cell] = np.arange(len(order)) - np.repeat(starts, counts)
    return order[np.argsort(ranks, kind="stable")][:MOST_FEATURES]


def inside_border(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture without rows and columns at its edges that are all of one colour: a view.

    The picture itself where it has no such border, or nothing but it.
    """
    values = pixels.astype(np.int16)
    inside = np.ones(pixels.shape[:2], bool)
    for colour in (values[0, 0], values[-1, -1]):
        inside &= np.abs(values - colour).max(axis=2) > BORDER_TOLERANCE
    rows, columns = (np.flatnonzero(inside.mean(axis=axis) > BORDER_STRAYS) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return pixels
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    height, width = pixels.shape[:2]
    widest = max(top / height, 1 - bottom / height, left / width, 1 - right / width)
    if widest < BORDER_LEAST or min(bottom - top, right - left) < LEAST_SIDE:
        return pixels
    return pixels[top:bottom, left:right]


def mirrored(own: Parts) -> Parts:
    """The parts that the mirrored picture has: SIFT's rows and directions are turned about.

    A descriptor is laid along its feature's direction, so that a mirror exchanges the rows on
    its two sides and the sense of its directions, and nothing else.
    """
    bins = own.roots.reshape(-1, 4, 4, 8)
    directions = -np.arange(8) % 8
    places = own.places.copy()
    places[:, 0] = own.frame[0] - places[:, 0]
    return own._replace(
        places=places,
        angles=((np.pi - own.angles) % (2 * np.pi)).astype(np.float32),
        roots=bins[:, ::-1, :, directions].reshape(-1, 128),
        light=own.light[:, ::-1],
    )


def packed(own: Parts) -> bytes:
    """Parts as bytes: a header, the hashes, the luminance, then the features."""
    rows = np.zeros(len(own.places), FEATURE)
    places = np.clip(np.round(own.places * 65535), 0, 65535)
    rows["x"], rows["y"] = places[:, 0], places[:, 1]
    sizes = np.round(np.log(np.maximum(own.sizes, SIZE_BASE) / SIZE_BASE) / np.log(SIZE_STEP))
    rows["size"] = np.clip(sizes, 0, 255)
    rows["angle"] = np.round(own.angles * (256 / (2 * np.pi))).astype(np.int64) % 256
    rows["root"] = own.roots[:, ::2] << 4 | own.roots[:, 1::2]
    high, wide = own.light.shape
    header = HEADER.pack(own.width, own.height, len(rows), wide, high, own.inner_quality)
    return header + own.inner_hashes.tobytes() + own.light.tobytes() + rows.tobytes()


def unpacked(part: bytes) -> Parts:
    """The parts that were packed, to the precision that was kept."""
    width, height, count, wide, high, quality = HEADER.unpack_from(part)
    at = HEADER.size
    hashes = np.frombuffer(part, np.uint8, 256, at).reshape(8, 32)
    light = np.frombuffer(part, np.uint8, wide * high, at + 256).reshape(high, wide)
    rows = np.frombuffer(part, FEATURE, count, at + 256 + wide * high)
    roots = np.stack([rows["root"] >> 4, rows["root"] & 15], axis=2).reshape(count, 128)
    return Parts(
        width=width,
        height=height,
        places=(np.stack([rows["x"], rows["y"]], axis=1) / 65535).astype(np.float32),
        sizes=(SIZE_BASE * SIZE_STEP ** rows["size"].astype(np.float32)).astype(np.float32),
        angles=rows["angle"].astype(np.float32) * np.float32(2 * np.pi / 256),
        roots=roots,
        light=light,
        inner_hashes=hashes,
        inner_quality=quality,
    )
