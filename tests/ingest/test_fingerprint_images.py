"""Perceptual hashes: what survives a copy, what is refused."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageFilter

from ingest import verdict
from ingest.fingerprint import image


def picture(seed: int, size: tuple[int, int] = (240, 180)) -> Image.Image:
    """A smooth random picture with features of its own."""
    noise = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def encoded(made: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    made.save(buffer, form, **options)
    return buffer.getvalue()


def apart(one: bytes, other: bytes) -> int:
    """The least distance between the first as it stands and the other in any turn."""
    mine, theirs = image.fingerprint(one), image.fingerprint(other)
    return int(image.distance(mine.hashes[0], theirs.hashes).min())


@pytest.mark.parametrize("seed", range(4))
def test_a_copy_stays_near_through_what_copies_suffer(seed: int) -> None:
    original = picture(seed)
    copies = {
        "jpeg": encoded(original, "JPEG", quality=40),
        "smaller": encoded(original.resize((120, 90))),
        "grey": encoded(original.convert("L")),
        "blurred": encoded(original.filter(ImageFilter.GaussianBlur(2))),
        "palette": encoded(original.quantize(64)),
        "mirrored": encoded(original.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        "turned": encoded(original.transpose(Image.Transpose.ROTATE_90)),
        "transposed": encoded(original.transpose(Image.Transpose.TRANSPOSE)),
    }
    distances = {name: apart(encoded(original), copy) for name, copy in copies.items()}
    assert all(distance <= verdict.images.DISTANCE for distance in distances.values()), distances


def test_different_pictures_are_far_apart() -> None:
    prints = [image.fingerprint(encoded(picture(seed))) for seed in range(12)]
    for place, one in enumerate(prints):
        for other in prints[place + 1 :]:
            assert image.distance(one.hashes[0], other.hashes).min() > verdict.images.DISTANCE


def test_the_orientation_in_the_metadata_is_applied() -> None:
    original = picture(7)
    metadata = Image.Exif()
    metadata[0x0112] = 6  # shown turned by a quarter
    turned = original.transpose(Image.Transpose.ROTATE_90)
    stored = image.fingerprint(encoded(turned, "PNG", exif=metadata))
    plain = image.fingerprint(encoded(original))
    assert stored.digest == plain.digest
    assert (stored.width, stored.height) == original.size


def test_the_digest_is_of_pixels_not_of_files() -> None:
    original = picture(3)
    png, bmp = image.fingerprint(encoded(original)), image.fingerprint(encoded(original, "BMP"))
    assert png.digest == bmp.digest
    assert png.digest != image.fingerprint(encoded(picture(4))).digest


def test_transparency_is_seen_over_white() -> None:
    clear = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    white = Image.new("RGB", (64, 64), "white")
    assert image.fingerprint(encoded(clear)).digest == image.fingerprint(encoded(white)).digest


def test_a_plain_area_has_too_little_to_be_accused_by() -> None:
    assert image.fingerprint(encoded(Image.new("RGB", (200, 200), "navy"))).quality == 0
    assert image.fingerprint(encoded(picture(1))).quality >= verdict.images.LEAST_QUALITY


def test_sixteen_bit_pictures_are_read_over_their_range() -> None:
    grey = np.asarray(picture(5).convert("L"), np.uint16)
    deep = Image.fromarray(grey * 257)
    assert apart(encoded(deep), encoded(picture(5))) <= verdict.images.DISTANCE


def deep_tiff() -> bytes:
    return encoded(Image.fromarray(np.asarray(picture(5).convert("L"), np.uint16) * 257), "TIFF")


def pages(form: str, **options: object) -> bytes:
    """The picture first, then others: pages of a TIFF, frames of an animation."""
    others = [picture(seed) for seed in (90, 91)]
    return encoded(picture(5), form, save_all=True, append_images=others, **options)


@pytest.mark.parametrize(
    "made",
    [
        lambda: encoded(picture(5).convert("CMYK"), "JPEG"),
        lambda: encoded(picture(5).convert("CMYK"), "TIFF"),
        lambda: encoded(picture(5).convert("P"), "PNG"),
        lambda: encoded(picture(5).convert("LA"), "PNG"),
        lambda: encoded(picture(5).convert("F"), "TIFF"),
        lambda: encoded(picture(5).convert("1"), "PNG"),
        lambda: encoded(picture(5), "AVIF"),
        lambda: encoded(picture(5), "PPM"),
        lambda: encoded(picture(5).resize((256, 256)), "ICO"),
        deep_tiff,
        lambda: pages("TIFF"),
        lambda: pages("GIF"),
        lambda: pages("WEBP"),
    ],
    ids=[
        *("CMYK JPEG", "CMYK TIFF", "palette", "grey with alpha", "float", "one bit", "AVIF"),
        *("PPM", "ICO", "16-bit TIFF", "pages", "animated GIF", "animated WebP"),
    ],
)
def test_a_picture_is_itself_in_every_form(made: Callable[[], bytes]) -> None:
    assert apart(made(), encoded(picture(5))) <= verdict.images.DISTANCE


def bomb(width: int, height: int) -> bytes:
    """A small PNG that says it is very large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (bomb(40_000, 40_000), "image_too_large"),
        (bomb(12_000, 12_000), "image_too_large"),
        (b"these are words", "not_an_image"),
        (b"", "not_an_image"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64), "format_not_read"),
        (encoded(picture(1))[:400], "broken_image"),
    ],
    ids=["huge", "large", "text", "nothing", "HEIC", "cut short"],
)
def test_what_cannot_be_decoded_is_refused_with_a_reason(data: bytes, code: str) -> None:
    with pytest.raises(image.ImageRefused) as refused:
        image.fingerprint(data)
    assert refused.value.code == code
    assert len(str(refused.value)) > 20


def test_near_hashes_share_a_band_key() -> None:
    hashes = image.fingerprint(encoded(picture(2))).hashes[:1]
    near = hashes.copy()
    near[0, :15] ^= 1  # 15 bits in eight of sixteen bands
    keys, other = image.band_keys(hashes), image.band_keys(near)
    assert keys.shape == (1, 16)
    assert len(set(keys[0].tolist()) & set(other[0].tolist())) == 8
