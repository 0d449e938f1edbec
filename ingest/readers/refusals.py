"""Why a file cannot be read: each with a code, what is wrong, and what to do about it."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _noop


class ReaderError(Exception):
    """A file that cannot be registered as it is. Nothing of it may be kept."""

    code = "unreadable"
    hint = _noop("Open the file on your machine, save it anew and upload it again.")

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint


class NotWhatItClaims(ReaderError):
    """The name says one format, the bytes another."""

    code = "not_what_it_claims"
    hint = _noop("Give the file the ending of its real format, or export it again.")


class Unsupported(ReaderError):
    """A format that is not read here."""

    code = "unsupported_format"
    hint = _noop(
        "Send JSONL, CSV, TSV, Parquet, Arrow or plain text (also .gz or .zst), "
        "images, or a zip or tar of texts or images."
    )


class EmptySource(ReaderError):
    """No bytes, or no records."""

    code = "empty"
    hint = _noop("Check that the export finished and that the right file was chosen.")


class LinesTooLong(ReaderError):
    """Nothing but lines too long to be records: most often the line ends are missing."""

    code = "line_too_long"
    hint = _noop("Put each record on a line of its own, or into a file of its own in a zip.")


class UnpacksTooLarge(ReaderError):
    """A compressed file that unpacks to far more than it should: a zip bomb, or close to one."""

    code = "unpacks_too_large"
    hint = _noop("Unpack it on your machine and upload the parts.")


class CutShort(ReaderError):
    """A file that ends in the middle."""

    code = "cut_short"
    hint = _noop("The download or export stopped early: make the file again and compare its size.")


class Damaged(ReaderError):
    """A file whose bytes do not fit their own checksums or structure."""

    code = "damaged"
    hint = _noop("Make the file again from its source; a copy of it went wrong.")


class MixedEncodings(ReaderError):
    """A text that changes its character encoding on the way."""

    code = "mixed_encodings"
    hint = _noop("Save the whole file as UTF-8 and upload it again.")


class Encrypted(ReaderError):
    """An archive that asks for a password."""

    code = "encrypted"
    hint = _noop("Make the archive without a password and upload it again.")


class UnsafePath(ReaderError):
    """An archive whose names lead out of it."""

    code = "unsafe_path"
    hint = _noop("Make the archive from inside its folder, with relative names and without links.")


class NoSuchColumn(ReaderError):
    """The column asked for is not in the file."""

    code = "no_such_column"
    hint = _noop("Choose one of the columns that the file has.")
