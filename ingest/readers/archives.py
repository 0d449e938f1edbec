"""Zip, tar and folders: each text or image in them is one record, named by its path.

Nothing is ever unpacked to disk, and every byte that comes out is counted against the limits.
"""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple, Self, cast

from django.utils.translation import gettext_noop as _noop
from tallymark.fingerprint.columns import LONGEST_KEY

from .images import IMAGE_BYTES, claims_image, is_image
from .refusals import (
    CutShort,
    Damaged,
    Encrypted,
    ReaderError,
    UnpacksTooLarge,
    UnsafePath,
    Unsupported,
)
from .rows import BadRow, Limits, RawRecord
from .streams import Opened, check_unpacked, open_file
from .text import file_too_long, whole

TABLES = frozenset({".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".arrow", ".feather"})
HIDDEN = ("__MACOSX", "Thumbs.db", "desktop.ini")


class Member(NamedTuple):
    """One file of an archive: its bytes, or why they cannot be had."""

    name: str
    data: bytes
    reason: str
    bytes_read: int


def is_hidden(name: str) -> bool:
    """Whether a file is the machine's own, not the owner's."""
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") or part in HIDDEN for part in parts)


def check_name(name: str) -> None:
    """Raise UnsafePath for a name that leads out of its archive."""
    plain = name.replace("\\", "/")
    drive = len(plain) > 1 and plain[1] == ":"
    if plain.startswith("/") or drive or ".." in PurePosixPath(plain).parts or "\0" in name:
        raise UnsafePath(
            _noop("The archive has a file named %(value)s, which leads out of it.")
            % {"value": repr(name[:100])}
        )


def members_to_records(
    members: Iterator[Member], limits: Limits, skip: int
) -> Iterator[RawRecord | BadRow]:
    """Each member as one text or image; what is neither is a bad row."""
    for ordinal, member in enumerate(members):
        if ordinal >= limits.member_count:
            raise UnpacksTooLarge(
                _noop("The archive has more than %(member_count)s files.")
                % {"member_count": f"{limits.member_count:,}"}
            )
        if ordinal == 0 and PurePosixPath(member.name).suffix.lower() in TABLES:
            raise Unsupported(
                _noop("The archive holds tables (%(name)s).") % {"name": member.name},
                _noop("Upload a table by itself, or compressed as .gz or .zst."),
            )
        if ordinal >= skip:
            yield _record(ordinal, member)


def _record(ordinal: int, member: Member) -> RawRecord | BadRow:
    name, data, reason, bytes_read = member
    if len(name) > LONGEST_KEY:
        reason = f"its path is longer than {LONGEST_KEY} characters"
    if not reason and is_image(data[:16], name):
        return RawRecord(ordinal, name, None, data, bytes_read)
    text = ""
    if not reason and claims_image(name):
        reason = "its name says image, its bytes do not"
    elif not reason and b"\0" in data[:8192] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        reason = "neither a text nor an image"
    elif not reason:
        try:
            text = whole(data)
        except ReaderError as error:
            reason = error.message
        if not reason and not text.strip():
            reason = "the file is empty"
    if reason:
        return BadRow(ordinal, ordinal + 1, f"{name}: {reason}", bytes_read)
    return RawRecord(ordinal, name, text, None, bytes_read)


def _limit(name: str, limits: Limits) -> int:
    return IMAGE_BYTES if claims_image(name) else limits.line_bytes


def zip_members(path: Path, limits: Limits) -> Iterator[Member]:
    """The files of a zip. Raises Encrypted, UnsafePath, UnpacksTooLarge, CutShort, Damaged."""
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise CutShort(_noop("The zip file has no directory at its end.")) from error
    with archive:
        infos = [info for info in archive.infolist() if _is_wanted(info)]
        _check_overlap(infos)
        packed = unpacked = 0
        for info in infos:
            packed += info.compress_size
            check_unpacked(info.file_size, info.compress_size, limits)
            if info.file_size > _limit(info.filename, limits):
                yield Member(info.filename, b"", file_too_long(limits), packed)
                continue
            data = _zip_data(archive, info)
            unpacked += len(data)
            check_unpacked(unpacked, packed, limits)
            yield Member(info.filename, data, "", packed)


def _is_wanted(info: zipfile.ZipInfo) -> bool:
    check_name(info.filename)
    if info.flag_bits & 1:
        raise Encrypted(_noop("The zip file asks for a password."))
    is_link = stat.S_ISLNK(info.external_attr >> 16)
    return not (info.is_dir() or is_link or is_hidden(info.filename))


def _check_overlap(infos: list[zipfile.ZipInfo]) -> None:
    """Files that share their bytes are how a small zip unpacks to petabytes.

    Source: David Fifield, "A better zip bomb", 2019.
    """
    end = 0
    for info in sorted(infos, key=lambda one: one.header_offset):
        if info.header_offset < end:
            raise UnpacksTooLarge(_noop("Files in the zip share their bytes: a zip bomb."))
        end = info.header_offset + info.compress_size


def _zip_data(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The bytes of one file, at most as many as its entry declares."""
    try:
        with archive.open(info) as file:
            data = file.read(info.file_size)
    except EOFError as error:
        raise CutShort(
            _noop("The zip file ends within %(filename)s.") % {"filename": info.filename}
        ) from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, OSError, RuntimeError) as error:
        raise Damaged(
            _noop("%(filename)s in the zip file cannot be read: %(error)s.")
            % {"filename": info.filename, "error": error}
        ) from error
    if len(data) < info.file_size:
        raise CutShort(
            _noop("The zip file ends within %(filename)s.") % {"filename": info.filename}
        )
    return data


END_MARK: type[Exception] = cast(Any, tarfile).EOFHeaderError


class _Header(tarfile.TarInfo):
    """A header whose absence is an error: tarfile takes a tar that was cut short for whole."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile_)
        except END_MARK:
            raise
        except tarfile.HeaderError as error:
            raise CutShort(
                _noop("The tar file ends before its end mark: %(error)s.") % {"error": error}
            ) from error


def tar_members(source: Opened, limits: Limits) -> Iterator[Member]:
    """The files of a tar, plain or compressed, in one pass. Raises as `zip_members`."""
    stream = cast(BinaryIO, source.stream)
    unpacked = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header) as archive:
            for info in archive:
                check_name(info.name)
                cast(Any, archive).members = []  # tarfile would keep every header it has met
                if info.isfile() and not is_hidden(info.name):
                    member = _tar_member(archive, info, source, limits)
                    unpacked += len(member.data)
                    check_unpacked(unpacked, source.bytes_read, limits)
                    yield member
    except tarfile.ReadError as error:
        raise CutShort(
            _noop("The tar file ends in the middle: %(error)s.") % {"error": error}
        ) from error
    except tarfile.TarError as error:
        raise Damaged(
            _noop("The tar file cannot be read: %(error)s.") % {"error": error}
        ) from error


def _tar_member(
    archive: tarfile.TarFile, info: tarfile.TarInfo, source: Opened, limits: Limits
) -> Member:
    if info.size > _limit(info.name, limits):
        return Member(info.name, b"", file_too_long(limits), source.bytes_read)
    if info.issparse():
        return Member(info.name, b"", "a file with holes in it", source.bytes_read)
    file = archive.extractfile(info)
    data = file.read() if file is not None else b""
    if len(data) < info.size:
        raise CutShort(_noop("The tar file ends within %(name)s.") % {"name": info.name})
    return Member(info.name, data, "", source.bytes_read)


def file_member(file: Path, name: str, limits: Limits) -> Member:
    """A file of a folder as a member named `name`, unpacked if it is compressed."""
    source = open_file(file, limits)
    with source.stream:
        limit = _limit(name, limits)
        data = source.stream.read(limit + 1)
        reason = file_too_long(limits) if len(data) > limit else ""
        return Member(name, data[:0] if reason else data, reason, file.stat().st_size)


def folder_files(folder: Path) -> list[Path]:
    """The files below `folder` in the order of their names; links and hidden files aside."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.is_file()
        and not file.is_symlink()
        and folder.resolve() in file.resolve().parents
        and not is_hidden(file.relative_to(folder).as_posix())
    )
