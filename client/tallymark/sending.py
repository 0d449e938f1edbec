"""A file as a multipart request body, piece by piece: memory does not grow with the file."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

PIECE_BYTES = 1 << 20


class Multipart:
    """An iterable request body (RFC 7578) whose length is known before it is read."""

    def __init__(self, file: Path, fields: dict[str, str], name: str = "file") -> None:
        self._file = file
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        head = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
            for field, value in fields.items()
        )
        file_name = file.name.replace("\\", "_").replace('"', "'")
        head += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; '
            f'filename="{file_name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        )
        self._head = head.encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.length = len(self._head) + file.stat().st_size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        with self._file.open("rb") as source:
            while piece := source.read(PIECE_BYTES):
                yield piece
        yield self._tail
