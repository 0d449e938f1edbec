"""Signs a job's reports, if it has a signing key; for the service that it means and no other."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from tallymark.receipts import Receipt, SigningKey, key_digest, micros
from tallymark.typed import Domain

Json = dict[str, Any]


class CannotSign(Exception):
    """A report could not be signed, and is not sent without; the message says what to do."""


class Signing:
    """A signing key with what its signatures are made for; without a key it lets all pass.

    `ask` speaks to the service at `url`. What it says of itself is believed only as far as that is
    what the caller named (TALLYMARK_SERVICE, else `url`): else a service could have reports signed
    that count at another one.
    """

    def __init__(self, ask: Callable[..., Any], url: str, key: str | None = None) -> None:
        self._ask = ask
        self._meant = (os.environ.get("TALLYMARK_SERVICE") or url).rstrip("/")
        self._given = key or os.environ.get("TALLYMARK_SIGNING_KEY", "")
        self._file = "" if self._given else os.environ.get("TALLYMARK_SIGNING_KEY_FILE", "")
        self._lock = threading.Lock()
        self._ready: tuple[SigningKey, Domain, str] | None = None

    @property
    def is_on(self) -> bool:
        """Whether there is a key."""
        return bool(self._given or self._file)

    def signed(self, report: Json) -> Json:
        """A report as the API takes it, with its signature; raises CannotSign."""
        if not self.is_on:
            return report
        if not report.get("purpose"):
            raise CannotSign("A signed report names its purpose: give `purpose`.")
        key, domain, tenant = self._prepared()
        receipt = Receipt(
            tenant=tenant,
            run=str(report["run"]),
            version=report["subject"],
            purpose=report["purpose"],
            stream=report["stream"],
            sequence=report["sequence"],
            records=report["records"],
            tokens=report["tokens"],
            epochs=report["epochs"],
            fetches=report["fetches"],
            used_at=micros(datetime.fromisoformat(report["used_at"])),
        )
        return report | {"signature": "0x" + key.sign(receipt.digest(domain)).hex()}

    def introduction(self) -> Json:
        """The key's address, and its signature that it signs for this organisation."""
        key, domain, tenant = self._prepared()
        signature = key.sign(key_digest(domain, tenant, key.address))
        return {"address": key.address, "signature": "0x" + signature.hex()}

    def _prepared(self) -> tuple[SigningKey, Domain, str]:
        """The key, the domain and the organisation, asked for once."""
        with self._lock:
            if self._ready is None:
                key = self._read()
                terms = self._ask("GET", "signing-terms")
                if terms["service"].rstrip("/") != self._meant:
                    raise CannotSign(
                        f"The service calls itself {terms['service']}, and you mean {self._meant}. "
                        "If it is the one, set TALLYMARK_SERVICE to the name it calls itself."
                    )
                domain = Domain(service=terms["service"], chain_id=int(terms["chain_id"]))
                self._ready = (key, domain, str(terms["tenant"]))
            return self._ready

    def _read(self) -> SigningKey:
        try:
            return SigningKey(self._given or Path(self._file).read_text())
        except (OSError, RuntimeError, ValueError) as error:
            raise CannotSign(f"Reports are not signed: {error}.") from error
