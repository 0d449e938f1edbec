"""Image files: one record each, handed on as they are and decoded later."""

from pathlib import PurePath

ENDINGS = frozenset(
    {".png", ".jpg", ".jpeg", ".gif", ".webp", ".tif", ".tiff", ".bmp", ".avif", ".ico", ".ppm"}
)
IMAGE_BYTES = 256 * 2**20
"""A larger image file is a bad row."""

MAGIC = (
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\x00", b"MM\x00*",
    b"\x00\x00\x01\x00",
)  # fmt: skip


def is_image(head: bytes, name: str) -> bool:
    """Whether a file is an image, by its first bytes or, where those say little, its ending."""
    if head.startswith(MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return True
    if head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis", b"heic", b"mif1"):
        return True
    ending = PurePath(name).suffix.lower()
    return (head[:2] == b"BM" and ending == ".bmp") or (head[:1] == b"P" and ending == ".ppm")


def claims_image(name: str) -> bool:
    """Whether the ending of a name says that it is an image."""
    return PurePath(name).suffix.lower() in ENDINGS
