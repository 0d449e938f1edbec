"""Fetches what a service publishes of its payouts; it is believed only after it was checked."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, urlsplit

TIMEOUT_SECONDS = 60
# A million payees are 68 MB.
LARGEST_FILE_BYTES = 2**30
LARGEST_DOCUMENT_BYTES = 16 * 2**20
FORMAT = "tallymark-payouts/1"


class Withheld(Exception):
    """The service does not give what it must publish; the message says what."""


class Service:
    """The public files below one address."""

    def __init__(self, url: str) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise Withheld(f"{url!r} is not an http(s) address of a Tallymark service")
        self.url = url.rstrip("/") + "/api/v1"

    def index(self) -> dict[str, Any]:
        """Which contracts pay owners, and where the ledger is anchored."""
        return self._document("payout-trees")

    def tree(self, contract: str, epoch: int) -> dict[str, Any]:
        """What is published of one tree; `contract` is CAIP-10."""
        return self._document(f"payout-trees/{quote(contract)}/{epoch}")

    def leaves(self, contract: str, epoch: int) -> bytes:
        """The file of its leaves."""
        return self._get(f"payout-trees/{quote(contract)}/{epoch}/leaves", LARGEST_FILE_BYTES)

    def totals(self, contract: str, epoch: int) -> bytes:
        """The file of the journal's totals."""
        return self._get(f"payout-trees/{quote(contract)}/{epoch}/totals", LARGEST_FILE_BYTES)

    def _document(self, path: str) -> dict[str, Any]:
        data = self._get(path, LARGEST_DOCUMENT_BYTES)
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            raise Withheld(f"{self.url}/{path} is not JSON") from None
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise Withheld(f"{self.url}/{path} is not of the format {FORMAT}")
        return found

    def _get(self, path: str, limit: int) -> bytes:
        address = f"{self.url}/{path}"
        request = urllib.request.Request(address, headers={"User-Agent": "tallymark-watch"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                data: bytes = answer.read(limit + 1)
        except urllib.error.HTTPError as error:
            with error:
                raise Withheld(f"{address} answers {error.code}") from None
        except (OSError, HTTPException, ValueError) as error:
            raise Withheld(f"{address} does not answer: {error}") from None
        if len(data) > limit:
            raise Withheld(f"{address} is larger than {limit >> 20} MiB")
        return data
