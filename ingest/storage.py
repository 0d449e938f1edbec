"""Where an upload's bytes lie until they are read: one folder each below the data folder.

A candidate file that is only screened lies beside them, in a part of its own: nothing of it may
stay, so a sweeper must be able to tell it from an upload even where no row knows of it.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from provenance.refusals import Refused

CHUNK_BYTES = 2**20
LONGEST_NAME = 120

UPLOADS, SCREENINGS = "uploads", "screenings"

Tell = Callable[[int], None]
"""Told how many bytes have arrived so far."""


class TooLarge(Refused):
    """The file is larger than this service accepts."""

    code = "too_large"
    status = 413
    hint = "Split the file and register the parts as deltas, or ask the operator for more."


class EmptyFile(Refused):
    """The file has no bytes."""

    code = "empty_file"
    status = 422
    hint = "Check that the file was written completely, then send it again."


@dataclass(frozen=True)
class Stored:
    """Bytes that have arrived: their path below the data folder, their digest and count."""

    path: str
    sha256: bytes
    byte_count: int


def folder_of(upload_id: UUID, part: str = UPLOADS) -> Path:
    """The folder that belongs to one upload, or in another part to one screening."""
    return Path(settings.DATA_FOLDER) / part / str(upload_id)


def location(path: str) -> Path:
    """The file or folder that an upload's `path` names."""
    return Path(settings.DATA_FOLDER) / path


def safe_name(name: str) -> str:
    """A name that stays in its folder and keeps its endings, which tell the format."""
    plain = re.sub(r"[^\w.\-]+", "_", Path(name.replace("\\", "/")).name).lstrip(".")
    return plain[-LONGEST_NAME:] or "file"


class _Intake:
    """What arrives for one upload: written down, hashed, counted, and bounded on the way."""

    def __init__(self, tell: Tell | None) -> None:
        self.digest = hashlib.sha256()
        self.byte_count = 0
        self._tell = tell

    def copy(self, stream: BinaryIO, target: Path) -> None:
        """Write `stream` to `target`; raises TooLarge once all of it is more than is accepted."""
        with target.open("wb") as file:
            while chunk := stream.read(CHUNK_BYTES):
                self.byte_count += len(chunk)
                _check_size(self.byte_count)
                self.digest.update(chunk)
                file.write(chunk)
                if self._tell is not None:
                    self._tell(self.byte_count)


def store(
    upload_id: UUID,
    name: str,
    stream: BinaryIO,
    tell: Tell | None = None,
    *,
    part: str = UPLOADS,
) -> Stored:
    """Write `stream` to the upload's folder, at most the service's limit, hashing on the way.

    Raises TooLarge and EmptyFile; what was written of a refused file is removed.
    """
    folder = folder_of(upload_id, part)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / safe_name(name)
    intake = _Intake(tell)
    try:
        intake.copy(stream, target)
        if not intake.byte_count:
            raise EmptyFile
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return Stored(_below_data(target), intake.digest.digest(), intake.byte_count)


def store_folder(upload_id: UUID, source: Path, tell: Tell | None = None) -> Stored:
    """Copy the files below `source`, links aside; the digest is over names and contents."""
    target = folder_of(upload_id) / safe_name(source.name)
    shutil.rmtree(target, ignore_errors=True)
    intake = _Intake(tell)
    for file in sorted(source.rglob("*")):
        if file.is_symlink() or not file.is_file():
            continue
        name = file.relative_to(source)
        intake.digest.update(f"{name.as_posix()}\0{file.stat().st_size}\0".encode())
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        with file.open("rb") as stream:
            intake.copy(stream, target / name)
    if not intake.byte_count:
        raise EmptyFile(_("The folder holds no file with any bytes."))
    return Stored(_below_data(target), intake.digest.digest(), intake.byte_count)


def remove(upload_id: UUID, part: str = UPLOADS) -> None:
    """Delete the bytes of an upload; safe to repeat."""
    shutil.rmtree(folder_of(upload_id, part), ignore_errors=True)


def _below_data(path: Path) -> str:
    return path.relative_to(Path(settings.DATA_FOLDER)).as_posix()


def _check_size(count: int) -> None:
    limit = settings.UPLOAD_LIMIT_BYTES
    if count > limit:
        raise TooLarge(
            _("The file is larger than %(limit)s bytes, the most accepted here.")
            % {"limit": f"{limit:,}"}
        )
