"""Two images laid over one another: by which features they agree, where, and how well.

Each pair of like features says how the whole picture must have been turned, scaled and moved (one
feature has a place, a size and a direction). The pair that most others agree with gives the
alignment, which is then fitted to them all. Nothing is drawn at random: the same two sketches
always give the same answer. Under the alignment the luminance of both is compared block by block.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.fingerprint import image_parts
from ingest.fingerprint.image_parts import LIGHT_SIDE, Parts

RATIO = 0.9
"""A like feature is nearer than this part of the distance to the next one (Lowe's ratio)."""
NEIGHBOUR = 0.02
"""Features nearer than this are one place seen twice: no rival of each other."""
FARTHEST = 0.8
"""Root descriptors farther apart (of at most 2 ** 0.5) are not alike."""
TOLERANCE = 0.03
"""How far a feature may stand from where an alignment puts it, of the longer side."""
SIZE_RATIO, TURN = 1.5, np.deg2rad(25)
"""How far two features of one alignment may be apart in scale and in direction."""
LEAST_FITTED = 4
CELLS = 8
"""The longer side in cells, for telling whether features agree all over the region."""
BLOCK = 6
"""The side of a block of luminance that is compared as one, in pixels of the coarser picture."""
BLOCK_DEVIATION = 5.0
"""A block that is flatter than this in both pictures shows nothing."""
BLOCK_CORRELATION = 0.5
CLEAR = 20
"""So many agreeing features as it stands, and the mirrored picture need not be tried."""

Box = tuple[float, float, float, float]


class Alignment(NamedTuple):
    """How one picture lies over another; `later` and `earlier` are the two in order."""

    agreeing: int
    """Places whose features agree."""
    support: float
    """Agreeing places over the features that stand in the region, on the side with fewer."""
    evenness: float
    """Cells in which features agree, over as many as would be if they agreed anywhere alike."""
    alike: float
    """The share of the region's blocks, of those that show anything, whose luminance agrees."""
    blocks: int
    later_share: float
    """The region's part of the later picture's area; of the earlier one's below."""
    earlier_share: float
    frames: float
    """How much the two whole frames cover one another: intersection over union."""
    later_region: Box
    """Left, top, right and bottom, of its width and height, in the picture as it stands."""
    earlier_region: Box
    is_mirrored: bool


class _Fit(NamedTuple):
    later: Parts
    mine: NDArray[np.int64]
    theirs: NDArray[np.int64]
    matrix: NDArray[np.float64]
    """[3, 2]: (x, y, 1) of the later picture times this is (x, y) of the earlier one."""


def align(later: Parts, earlier: Parts) -> Alignment | None:
    """How the later picture, or its mirror image, lies over the earlier; None if nowise."""
    best = _fitted(later, earlier)
    is_mirrored = False
    if best is None or len(best.mine) < CLEAR:
        other = _fitted(image_parts.mirrored(later), earlier)
        if other is not None and (best is None or len(other.mine) > len(best.mine)):
            best, is_mirrored = other, True
    return None if best is None else _measured(best, earlier, is_mirrored=is_mirrored)


def agreeing(later: Parts, earlier: Parts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The features that agree under the best alignment: places in both, [n] and [n]."""
    fit = _fitted(later, earlier)
    none = np.empty(0, np.int64)
    return (none, none) if fit is None else (fit.mine, fit.theirs)


def _fitted(later: Parts, earlier: Parts) -> _Fit | None:
    mine, theirs = like_features(later, earlier)
    if len(mine) < LEAST_FITTED:
        return None
    ours, others = later.places[mine].astype(np.float64), earlier.places[theirs].astype(np.float64)
    factors = earlier.sizes[theirs] / later.sizes[mine]
    turned = earlier.angles[theirs] - later.angles[mine]
    chosen, agrees = _most_agreed(ours, others, factors, turned)
    homogeneous = np.column_stack([ours, np.ones(len(ours))])
    for tolerance in (TOLERANCE, TOLERANCE * 2 / 3, TOLERANCE / 2):
        if chosen.sum() < LEAST_FITTED:
            return None
        solved = np.linalg.lstsq(homogeneous[chosen], others[chosen], rcond=None)[0]
        matrix = np.asarray(solved, np.float64)
        apart = np.linalg.norm(homogeneous @ matrix - others, axis=1)
        chosen = (apart < tolerance) & agrees
    if chosen.sum() < LEAST_FITTED:
        return None
    return _Fit(later, mine[chosen], theirs[chosen], matrix)


def like_features(later: Parts, earlier: Parts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The features that are each other's nearest and have no rival: places in both, [m] and [m]."""
    if min(len(later.places), len(earlier.places)) < LEAST_FITTED:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    cosines = _units(later.roots) @ _units(earlier.roots).T
    apart = np.sqrt(np.maximum(2 - 2 * cosines, 0))
    nearest, back = apart.argmin(axis=1), apart.argmin(axis=0)
    rows = np.arange(len(nearest))
    first = apart[rows, nearest]
    is_rival = _distances(earlier.places[nearest], earlier.places) > NEIGHBOUR
    second = np.where(is_rival, apart, 2.0).min(axis=1)
    is_like = (back[nearest] == rows) & (first < RATIO * second) & (first < FARTHEST)
    return rows[is_like], nearest[is_like]


def _units(roots: NDArray[np.uint8]) -> NDArray[np.float32]:
    values = roots.astype(np.float32)
    lengths = np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
    return np.asarray(values / lengths, np.float32)


def _distances(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    x, y = (one[:, axis, None] - other[None, :, axis] for axis in (0, 1))
    return np.asarray(np.hypot(x, y), np.float32)


def _most_agreed(
    ours: NDArray[np.float64],
    others: NDArray[np.float64],
    factors: NDArray[np.float32],
    turned: NDArray[np.float32],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pairs agree with the pair that most agree with: in all, and in size and direction."""
    mine, theirs = ours[:, 0] + 1j * ours[:, 1], others[:, 0] + 1j * others[:, 1]
    motion = factors * np.exp(1j * turned)
    put = motion[:, None] * (mine - mine[:, None]) + theirs[:, None]
    scale_apart = np.abs(np.log(factors / factors[:, None]))
    turn_apart = np.abs((turned - turned[:, None] + np.pi) % (2 * np.pi) - np.pi)
    agrees = (scale_apart < np.log(SIZE_RATIO)) & (turn_apart < TURN)
    # One feature's own direction is rough: far from it, the error grows, and fitting mends it.
    stands = (np.abs(put - theirs) < 1.5 * TOLERANCE) & agrees
    best = stands.sum(axis=1).argmax()
    return stands[best], agrees[best]


def _measured(fit: _Fit, earlier: Parts, *, is_mirrored: bool) -> Alignment:
    later = fit.later
    ours, others = later.places[fit.mine], earlier.places[fit.theirs]
    mine, theirs = _Hull(ours), _Hull(others)
    agreeing = len(np.unique(np.round(ours * 200).astype(np.int64), axis=0))
    inside = min(mine.holds(later.places).sum(), theirs.holds(earlier.places).sum())
    alike, blocks = _light_alike(fit, earlier, mine)
    return Alignment(
        agreeing=agreeing,
        support=min(agreeing / max(int(inside), 1), 1.0),
        evenness=min(_evenness(later, fit.mine, mine), _evenness(earlier, fit.theirs, theirs)),
        alike=alike,
        blocks=blocks,
        later_share=mine.area / float(later.frame.prod()),
        earlier_share=theirs.area / float(earlier.frame.prod()),
        frames=_frames(fit, earlier),
        later_region=_box(ours, later, is_mirrored=is_mirrored),
        earlier_region=_box(others, earlier, is_mirrored=False),
        is_mirrored=is_mirrored,
    )


def _evenness(own: Parts, agreeing: NDArray[np.int64], hull: _Hull) -> float:
    """Where a form is shared and not what fills it, features agree in some cells and not in others.

    The cells in which any feature agrees, over those expected if each feature agreed as often.
    """
    inside = np.flatnonzero(hull.holds(own.places))
    cells = (own.places * CELLS).astype(np.int64) @ np.array([CELLS + 1, 1])
    standing = np.bincount(cells[inside], minlength=(CELLS + 1) ** 2)
    agreed = np.bincount(cells[agreeing], minlength=len(standing))
    rate = len(agreeing) / max(len(inside), 1)
    expected = (1 - (1 - min(rate, 1.0)) ** standing).sum()
    return float((agreed > 0).sum() / max(expected, 1e-9))


class _Hull:
    """The region that features span."""

    def __init__(self, places: NDArray[np.float32]) -> None:
        cv2 = image_parts.vision()
        self.corners = cv2.convexHull(np.ascontiguousarray(places)).reshape(-1, 2)
        self.area = float(cv2.contourArea(self.corners))
        after = np.roll(self.corners, -1, axis=0)
        x, y = self.corners.astype(np.float64).T
        around = float(x @ np.roll(y, -1) - y @ np.roll(x, -1))
        self.sides = (after - self.corners) * (1 if around >= 0 else -1)

    def holds(self, places: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which of `places` [n, 2] stand in it or on its edge: [n]."""
        x, y = (places[:, axis, None] - self.corners[None, :, axis] for axis in (0, 1))
        beside = self.sides[:, 0] * y - self.sides[:, 1] * x
        return np.asarray((beside >= -1e-6).all(axis=1))


def _light_alike(fit: _Fit, earlier: Parts, hull: _Hull) -> tuple[float, int]:
    """The share of blocks in the region whose luminance correlates, and how many show any."""
    scale = float(np.sqrt(abs(np.linalg.det(fit.matrix[:2]))))
    mine, theirs = _blurred(fit.later.light, 1 / scale), _blurred(earlier.light, scale)
    step = 1 / (LIGHT_SIDE * min(scale, 1.0))
    low, high = hull.corners.min(axis=0), hull.corners.max(axis=0)
    across, down = (max(int(length / step / BLOCK), 1) for length in (high - low).tolist())
    x, y = np.meshgrid(
        low[0] + (np.arange(across * BLOCK) + 0.5) * (high[0] - low[0]) / (across * BLOCK),
        low[1] + (np.arange(down * BLOCK) + 0.5) * (high[1] - low[1]) / (down * BLOCK),
    )
    to = np.stack([x, y, np.ones_like(x)], axis=-1) @ fit.matrix
    middles = np.stack([_blocks(x).mean(axis=1), _blocks(y).mean(axis=1)], axis=1)
    inside = hull.holds(middles.astype(np.float32))
    one = _blocks(_sampled(mine, x, y))[inside]
    other = _blocks(_sampled(theirs, to[..., 0], to[..., 1]))[inside]
    shown = np.maximum(one.std(axis=1), other.std(axis=1)) > BLOCK_DEVIATION
    if not shown.any():
        return 0.0, 0
    one, other = one[shown], other[shown]
    one, other = one - one.mean(axis=1, keepdims=True), other - other.mean(axis=1, keepdims=True)
    both = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    correlation = (one * other).sum(axis=1) / np.maximum(both, 1e-6)
    return float((correlation > BLOCK_CORRELATION).mean()), int(shown.sum())


def _blurred(light: NDArray[np.uint8], factor: float) -> NDArray[np.float32]:
    """A plane as it looks `factor` times smaller; as it is where that is larger."""
    plane = np.ascontiguousarray(light).astype(np.float32)
    if factor < 1.02:
        return plane
    sigma = 0.5 * float(np.sqrt(factor**2 - 1))
    made: NDArray[np.float32] = image_parts.vision().GaussianBlur(plane, (0, 0), sigma)
    return made


def _sampled(
    plane: NDArray[np.float32], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float32]:
    """The plane at places in units of its picture's longer side, between pixels by bilinearity."""
    cv2 = image_parts.vision()
    columns, rows = ((values * LIGHT_SIDE - 0.5).astype(np.float32) for values in (x, y))
    made: NDArray[np.float32] = cv2.remap(
        plane, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return made


def _blocks(values: NDArray[np.float64] | NDArray[np.float32]) -> NDArray[np.float64]:
    """[a * BLOCK, b * BLOCK] as [a * b, BLOCK ** 2]."""
    down, across = (length // BLOCK for length in values.shape)
    cut = values.reshape(down, BLOCK, across, BLOCK).transpose(0, 2, 1, 3)
    return cut.reshape(down * across, BLOCK**2).astype(np.float64)


def _frames(fit: _Fit, earlier: Parts) -> float:
    """Intersection over union of the earlier frame and the later one laid over it."""
    cv2 = image_parts.vision()
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    laid = np.column_stack([unit * fit.later.frame, np.ones(4)]) @ fit.matrix
    mine, theirs = laid.astype(np.float32), unit * earlier.frame
    common = float(cv2.intersectConvexConvex(mine, theirs)[0])
    both = float(cv2.contourArea(mine)) + float(earlier.frame.prod()) - common
    return common / both if both > 0 else 0.0


def _box(places: NDArray[np.float32], own: Parts, *, is_mirrored: bool) -> Box:
    low, high = (
        np.clip(edge / own.frame, 0, 1) for edge in (places.min(axis=0), places.max(axis=0))
    )
    left, right = (1 - high[0], 1 - low[0]) if is_mirrored else (low[0], high[0])
    left, top, right, bottom = (round(float(v), 4) for v in (left, low[1], right, high[1]))
    return left, top, right, bottom
