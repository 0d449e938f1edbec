"""Which characters the bytes of a text mean."""

from __future__ import annotations

import codecs
import io
from typing import Any, BinaryIO, cast

import charset_normalizer
from django.utils.translation import gettext_noop as _noop

from .refusals import MixedEncodings
from .streams import CHUNK_BYTES

SAMPLE_BYTES = 2**20
GUESS_BYTES = 2**17
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WIDE = ("utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
"""Encodings whose line ends are not single bytes: read through `as_utf8`."""


def encoding_of(sample: bytes) -> str:
    """The encoding of a text that begins with `sample`: UTF-8 unless most of it cannot be.

    Where some lines are UTF-8 and fewer are not, the file is UTF-8 with bad lines: to read it by
    another encoding would garble the good ones.
    """
    marked = marked_encoding(sample)
    if marked is not None:
        return marked
    if is_utf8(sample):
        return "utf-8"
    lines = [line for line in sample.splitlines() if not line.isascii()]
    others = [line for line in lines if not is_utf8(line)]
    if len(others) * 2 < len(lines):
        return "utf-8"
    best = charset_normalizer.from_bytes(b"\n".join(others)[:GUESS_BYTES]).best()
    return best.encoding if best is not None else "utf-8"


def marked_encoding(sample: bytes) -> str | None:
    """The encoding that a byte order mark at the beginning names."""
    return next((name for mark, name in MARKS if sample.startswith(mark)), None)


def is_utf8(sample: bytes) -> bool:
    """Whether `sample` is UTF-8, a character cut off at its end aside."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


class _Transcoded(io.RawIOBase):
    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        super().__init__()
        self._stream, self._ready = stream, b""
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._name, self._ended = encoding, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and not self._ended:
            data = self._stream.read(CHUNK_BYTES)
            self._ended = not data
            try:
                text = self._decoder.decode(data, final=self._ended)
                self._ready = text.encode()
            except UnicodeError as error:
                raise MixedEncodings(
                    _noop("The text stops being %(_name)s: %(error)s.")
                    % {"_name": self._name, "error": error}
                ) from error
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size


def as_utf8(stream: io.BufferedReader, encoding: str) -> io.BufferedReader:
    """A stream of UTF-8 for one of a WIDE encoding. Raises MixedEncodings on the way."""
    return io.BufferedReader(_Transcoded(cast(BinaryIO, stream), encoding), CHUNK_BYTES)
