"""Perceptual hashes of images: PDQ's 256 bits, of all eight turns and mirrors.

Source: Facebook, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm",
2019. Luminance is blurred and cut down to 64 x 64, and the signs of its 16 x 16 lowest cosine
coefficients against their median are the hash. Two hashes at a distance of 31 bits or less are
alike.
"""

import hashlib
import io
import warnings
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

SIDE = 64
COEFFICIENTS = 16
PIXEL_LIMIT = 100_000_000
"""Decoded pixels; more is refused before anything is decoded."""
HEIC = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1")
"""Brands of the files that telephones make: their codec is patented, and Pillow has none."""
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


class ImageRefused(Exception):
    """An image that cannot be fingerprinted; the message says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ImagePrint(NamedTuple):
    """The fingerprint of one image."""

    digest: bytes
    """SHA-256 of the upright RGB pixels and their size."""
    hashes: NDArray[np.uint8]
    """[8, 32]: the hash as it stands first, then its turns and mirrors."""
    quality: int
    """0 to 100: how much there is to recognise."""
    width: int
    height: int


def canonical(data: bytes) -> Image.Image:
    """The image upright (EXIF), its first frame, in RGB, transparency over white.

    Raises ImageRefused for what is no image, is cut short or is too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL warns of odd metadata; its errors stay errors
            picture = Image.open(io.BytesIO(data))
            _check_size(*picture.size)
            upright = ImageOps.exif_transpose(picture)
            return _over_white(upright)
    except Image.DecompressionBombError as error:
        raise _too_large(str(error)) from error
    except UnidentifiedImageError as error:
        raise _unread(data) from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError) as error:
        raise ImageRefused("broken_image", f"The image cannot be decoded: {error}.") from error


def _unread(data: bytes) -> ImageRefused:
    if data[4:8] == b"ftyp" and data[8:12] in HEIC:
        words = "HEIC pictures are not read here. Send it as JPEG, PNG, WebP or AVIF."
        return ImageRefused("format_not_read", words)
    return ImageRefused("not_an_image", "This is not an image in a format we read.")


def _check_size(width: int, height: int) -> None:
    if width * height > PIXEL_LIMIT:
        raise _too_large(f"{width} x {height} pixels")
    if not width * height:
        raise ImageRefused("broken_image", "The image has no pixels.")


def _too_large(found: str) -> ImageRefused:
    return ImageRefused(
        "image_too_large",
        f"The image unpacks to more than {PIXEL_LIMIT:,} pixels ({found}). Send it smaller.",
    )


def _over_white(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):
        return _stretched(picture)
    if "A" in picture.getbands() or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(white, layered).convert("RGB")
    return picture.convert("RGB")


def _stretched(picture: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float pixels to 8 bits: over their type's range, or their own."""
    values = np.asarray(picture, np.float64)
    top = 65535.0 if picture.mode.startswith("I;16") else float(values.max())
    low = min(float(values.min()), 0.0)
    scaled = (values - low) * (255.0 / ((top - low) or 1.0))
    return Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8)).convert("RGB")


def fingerprint(data: bytes) -> ImagePrint:
    """Decode and fingerprint one image file. Raises ImageRefused."""
    return of_pixels(np.asarray(canonical(data), np.uint8))


def of_pixels(pixels: NDArray[np.uint8]) -> ImagePrint:
    """The fingerprint of an upright RGB picture: uint8 [h, w, 3]."""
    height, width = pixels.shape[:2]
    header = f"rgb {width} {height} ".encode()
    small = downsampled(pixels)
    return ImagePrint(
        digest=hashlib.sha256(header + pixels.tobytes()).digest(),
        hashes=np.stack([hash_of(turned) for turned in turns(small)]),
        quality=quality(small),
        width=width,
        height=height,
    )


def downsampled(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Luminance of uint8 [h, w, 3] as float32 [64, 64], blurred by PDQ's two box passes."""
    plane = pixels.astype(np.float32) @ LUMINANCE
    for axis in (0, 1):
        window = max((plane.shape[axis] + 2 * SIDE - 1) // (2 * SIDE), 1)
        for _ in range(2):
            plane = box_blurred(plane, window, axis)
    rows = ((np.arange(SIDE) + 0.5) * plane.shape[0] / SIDE).astype(np.int64)
    columns = ((np.arange(SIDE) + 0.5) * plane.shape[1] / SIDE).astype(np.int64)
    return plane[np.ix_(rows, columns)]


def box_blurred(plane: NDArray[np.float32], window: int, axis: int) -> NDArray[np.float32]:
    """The mean over `window` neighbours along `axis`, over fewer at the edges."""
    size = plane.shape[axis]
    sums = np.cumsum(plane, axis=axis, dtype=np.float64)
    sums = np.insert(sums, 0, 0.0, axis=axis)
    centre = np.arange(size)
    first = np.maximum(centre - (window - 1) // 2, 0)
    last = np.minimum(centre + window // 2 + 1, size)
    total = np.take(sums, last, axis) - np.take(sums, first, axis)
    shape = (-1, 1) if axis == 0 else (1, -1)
    return np.asarray(total / (last - first).reshape(shape), np.float32)


def turns(small: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The eight turns and mirrors of a square, itself first."""
    quarter = [np.rot90(small, count) for count in range(4)]
    return quarter + [np.fliplr(turned) for turned in quarter]


@cache
def _cosines() -> NDArray[np.float64]:
    frequency = np.arange(1, COEFFICIENTS + 1)[:, None]
    place = 2 * np.arange(SIDE)[None, :] + 1
    return np.asarray(np.sqrt(2 / SIDE) * np.cos(np.pi / (2 * SIDE) * frequency * place))


def hash_of(small: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The 256-bit hash of a 64 x 64 luminance: uint8 [32]."""
    cosines = _cosines()
    coefficients = cosines @ small @ cosines.T
    return np.packbits(coefficients > np.median(coefficients))


def quality(small: NDArray[np.float32]) -> int:
    """PDQ's quality: the summed steps between neighbours of the 64 x 64 luminance, 0 to 100."""
    steps = sum(
        int(np.abs(np.diff(small, axis=axis) * 100 / 255).astype(np.int64).sum()) for axis in (0, 1)
    )
    return min(steps // 90, 100)


def distance(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How many bits differ: uint8 [..., 32] each, broadcast; integers [...]."""
    return np.asarray(np.bitwise_count(one ^ other).sum(axis=-1, dtype=np.int64))


def band_keys(hashes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """16 lookup keys of 16 bits and their place: uint8 [n, 32] in, uint64 [n, 16] out.

    Two hashes at 15 bits or less share a key surely, at 31 mostly; probe with all eight turns.
    """
    words = hashes.reshape(len(hashes), 16, 2).astype(np.uint64)
    place = np.arange(16, dtype=np.uint64) << np.uint64(16)
    return place | words[:, :, 0] << np.uint64(8) | words[:, :, 1]
