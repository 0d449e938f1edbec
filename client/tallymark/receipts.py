"""Usage receipts: what a lab signs of a report, and what the service signs of having taken it.

Both are typed data (EIP-712). The domain binds them to one service and chain; the receipt itself to
one organisation (`tenant`), run, dataset version, stream and number, so that it counts nowhere
else and never twice. Counters are cumulative: the last receipt of each stream says it all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from tallymark import secp256k1
from tallymark.typed import Domain, Hidden, Struct, text_hash

RECEIPT = Struct(
    "UsageReceipt",
    (
        ("tenant", "string"),
        ("run", "string"),
        ("datasetVersion", "string"),
        ("purpose", "string"),
        ("stream", "string"),
        ("sequence", "uint64"),
        ("records", "uint64"),
        ("tokens", "uint64"),
        ("epochs", "uint64"),
        ("fetches", "uint64"),
        ("usedAt", "uint64"),
    ),
)
COUNTERSIGNATURE = Struct(
    "Countersignature",
    (
        ("receipt", "bytes32"),
        ("signature", "bytes32"),
        ("signer", "address"),
        ("usage", "string"),
        ("version", "string"),
        ("run", "string"),
        ("revision", "uint64"),
        ("receivedAt", "uint64"),
    ),
)
REPORTING_KEY = Struct("ReportingKey", (("tenant", "string"), ("key", "address")))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Receipt:
    """What a lab says of one stream; `used_at` in microseconds since 1970.

    `tenant` and `run` are ids; `version` is what the report calls it: an id or a name.
    """

    tenant: str
    run: str | Hidden
    version: str
    purpose: str
    stream: str | Hidden
    sequence: int
    records: int
    tokens: int
    epochs: int
    fetches: int
    used_at: int

    def digest(self, domain: Domain) -> bytes:
        """What is signed: 32 bytes. Raises ValueError for a number that does not fit."""
        return domain.digest(
            RECEIPT,
            {
                "tenant": self.tenant,
                "run": self.run,
                "datasetVersion": self.version,
                "purpose": self.purpose,
                "stream": self.stream,
                "sequence": self.sequence,
                "records": self.records,
                "tokens": self.tokens,
                "epochs": self.epochs,
                "fetches": self.fetches,
                "usedAt": self.used_at,
            },
        )


@dataclass(frozen=True)
class Taken:
    """What the service says of a receipt: which usage and revision it became, and when it came.

    `version` is the id of the version that was meant ("" for an unknown one), `run` the pseudonym
    under which owners know the run, `received_at` in microseconds since 1970.
    """

    usage: str
    version: str
    run: str
    revision: int
    received_at: int

    def digest(self, domain: Domain, receipt: bytes, signature: bytes, signer: str) -> bytes:
        """What the service signs: 32 bytes, over the receipt's digest and its signature."""
        return domain.digest(
            COUNTERSIGNATURE,
            {
                "receipt": receipt,
                "signature": sha256(signature).digest(),
                "signer": signer,
                "usage": self.usage,
                "version": self.version,
                "run": self.run,
                "revision": self.revision,
                "receivedAt": self.received_at,
            },
        )


def key_digest(domain: Domain, tenant: str, address: str) -> bytes:
    """What a reporting key signs to show that whoever names it holds it."""
    return domain.digest(REPORTING_KEY, {"tenant": tenant, "key": address})


def mark(receipt: bytes, signature: bytes) -> bytes:
    """A signed receipt as the ledger's events commit to it: 32 bytes."""
    return sha256(receipt + signature).digest()


def marks_digest(marks: list[bytes]) -> bytes:
    """What the ledger's event of a use holds of the receipts that it adds up: 32 bytes."""
    return sha256(b"".join(sorted(marks))).digest()


def hidden(text: str) -> Hidden:
    """A text as a proof shows it to whoever may not know it."""
    return Hidden(text_hash(text))


def micros(moment: datetime) -> int:
    """A moment in microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment(micros: int) -> datetime:
    """A moment from microseconds since 1970."""
    return EPOCH + timedelta(microseconds=micros)


class SigningKey:
    """A private key that signs reports. Needs the extra `tallymark[sign]` (coincurve).

    Signing is deterministic (RFC 6979): a report that is sent again has the same signature.
    """

    def __init__(self, key: str) -> None:
        try:
            from coincurve import PrivateKey
        except ImportError as error:
            raise RuntimeError("signing needs an extra: pip install 'tallymark[sign]'") from error
        try:
            self._key = PrivateKey(bytes.fromhex(key.strip().removeprefix("0x").rjust(64, "0")))
        except ValueError:
            # The key itself must not appear in a message.
            raise ValueError("the signing key is not 64 hexadecimal digits") from None

    def __repr__(self) -> str:
        return f"SigningKey({self.address})"

    @property
    def address(self) -> str:
        """The key's address: 0x and 40 lower-case digits."""
        return secp256k1.address_of(self._key.public_key.format(compressed=False)[1:])

    def sign(self, digest: bytes) -> bytes:
        """Sign 32 bytes: r, s, v of 32, 32 and 1 bytes."""
        found: bytes = self._key.sign_recoverable(digest, hasher=None)
        return found[:64] + bytes([27 + found[64]])
