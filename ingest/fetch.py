"""Bring a file in by its URL, without letting the URL choose whom this machine talks to.

Every address is checked at the moment its socket is made, after the name was resolved: a name
that resolves anew (DNS rebinding), a redirect and an odd spelling of an address all pass here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit
from uuid import UUID

import aiohttp
import fsspec
from django.conf import settings
from django.utils.translation import gettext as _

from ingest import hub, storage
from ingest.storage import Stored, Tell
from provenance import network
from provenance.network import Allowed
from provenance.refusals import Refused

CONNECT_SECONDS = 20
READ_SECONDS = 60
LISTING_BYTES = 2**22


class UrlNotAllowed(Refused):
    """This service does not fetch from there."""

    code = "url_not_allowed"
    status = 422
    hint = "Send the file itself, or give an http(s) address that anybody can reach."


class CannotFetch(Refused):
    """The address did not give the file."""

    code = "cannot_fetch"
    status = 422
    hint = "Open the address yourself; if it gives the file, try again."


def check_url(url: str) -> None:
    """Raise UrlNotAllowed unless `url` is of a kind that is fetched here; nothing is contacted."""
    scheme = urlsplit(url).scheme.lower()
    if scheme in ("http", "https"):
        if not urlsplit(url).hostname:
            raise UrlNotAllowed(_("The address names no host."))
    elif scheme == hub.SCHEME:
        hub.is_whole(url)
    elif scheme == "s3":
        _check_bucket(url)
    elif scheme in ("", "file"):
        local_path(url)
    else:
        raise UrlNotAllowed(
            _("Addresses that begin with %(scheme)s: are not fetched here.") % {"scheme": scheme}
        )


def _check_bucket(url: str) -> None:
    """The service's own S3 credentials must not open to a tenant what they open to it."""
    place = url.split("://", 1)[1]
    if ".." in place.split("/"):
        raise UrlNotAllowed(_("An S3 address may not hold '..'."))
    if not any(f"{place}/".startswith(root.rstrip("/") + "/") for root in settings.S3_IMPORT_ROOTS):
        raise UrlNotAllowed(
            _("This bucket is not read from here."),
            hint=_("Ask the operator to allow it (TALLYMARK_S3_IMPORT_ROOTS)."),
        )


def local_path(url: str) -> Path:
    """The local file or folder that `url` names, which must stand below an allowed root."""
    path = Path(unquote(urlsplit(url).path) if url.startswith("file:") else url).resolve()
    roots = [Path(root).resolve() for root in settings.LOCAL_IMPORT_ROOTS]
    if not any(path.is_relative_to(root) for root in roots):
        raise UrlNotAllowed(
            _("Local files are not read from there."),
            hint=_("Ask the operator to allow the folder (TALLYMARK_LOCAL_IMPORT_ROOTS)."),
        )
    if not path.exists():
        raise CannotFetch(_("There is no file at %(path)s.") % {"path": path})
    return path


def fetch(
    upload_id: UUID,
    url: str,
    tell: Tell | None = None,
    allowed: Allowed | None = None,
) -> Stored:
    """Bring the file or folder at `url` into the upload's folder.

    Raises UrlNotAllowed, CannotFetch, TooLarge, EmptyFile. `allowed` decides about addresses; by
    default the settings do.
    """
    check_url(url)
    scheme = urlsplit(url).scheme.lower()
    name = unquote(Path(urlsplit(url).path).name) or "file"
    if scheme in ("", "file"):
        path = local_path(url)
        if path.is_dir():
            return storage.store_folder(upload_id, path, tell)
        with path.open("rb") as local:
            return storage.store(upload_id, name, local, tell)
    try:
        if scheme == hub.SCHEME:
            url, scheme = _on_the_hub(url, allowed or network.allowed()), "https"
            name = unquote(Path(urlsplit(url).path).name)
        with _open(url, scheme, allowed or network.allowed()) as remote:
            return storage.store(upload_id, name, remote, tell)
    except (OSError, TimeoutError, aiohttp.ClientError, ValueError) as error:
        raise _explained(error) from error


def _on_the_hub(url: str, allowed: Allowed) -> str:
    """The address of the file that an `hf://` address names, or of a whole dataset's only one."""
    if not hub.is_whole(url):
        return hub.file_address(url, settings.HUB_ADDRESS)
    with _open(hub.listing_address(url, settings.HUB_ADDRESS), "https", allowed) as listing:
        return hub.only_file(json.loads(listing.read(LISTING_BYTES)), settings.HUB_ADDRESS)


def _open(url: str, scheme: str, allowed: Allowed) -> BinaryIO:
    if scheme == "s3":
        system = fsspec.filesystem("s3", **settings.S3_OPTIONS)
        return cast(BinaryIO, system.open(url, "rb", cache_type="readahead"))
    # The file is kept as its owner stored it: no compression is added or taken away underway.
    headers = {"Accept-Encoding": "identity"}
    system = fsspec.filesystem(
        "https", get_client=_client(allowed), headers=headers, skip_instance_cache=True
    )
    # Without blocks the body is one plain response, read as a stream.
    return cast(BinaryIO, system.open(url, "rb", block_size=0))


def _client(allowed: Allowed) -> Callable[..., Any]:
    """What fsspec makes its sessions with: checked sockets, and no limit on the whole transfer."""

    async def get_client(**_: Any) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS
        )
        return network.session(allowed, timeout)

    return get_client


def _explained(error: BaseException) -> Refused:
    """The refusal behind a failed transfer."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, network.AddressRefused):
            return UrlNotAllowed(f"The address leads into a private network: {cause}.")
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, FileNotFoundError):
        return CannotFetch("There is no file at this address.")
    if isinstance(error, aiohttp.ClientResponseError):
        return CannotFetch(f"The server answered {error.status} {error.message}.")
    return CannotFetch(f"The transfer failed: {error or type(error).__name__}.")
