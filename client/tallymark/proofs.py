"""Reads proof files (`tallymark-proof/1`) strictly: every field is named, typed and expected.

A proof is JSON. Hashes are 0x and 64 hexadecimal digits, addresses 0x and 40, chains CAIP-2,
contracts CAIP-10, amounts whole units as decimal text. Two kinds:

`event`: one ledger event and its way to the chain::

    {"format": "tallymark-proof/1", "kind": "event",
     "event": {"sequence": 7, "kind": "..", "body": {..}, ...},
     "previous_hash": "0x..",     of the event before; zero for the first
     "hash": "0x..",              SHA-256(previous hash || canonical JSON of the event, RFC 8785)
     "anchor": {"batch": 3, "first_sequence": 5, "event_count": 4, "root": "0x..",
                "previous_head_hash": "0x..", "head_hash": "0x..", "chain": "eip155:31337",
                "contract": "eip155:31337:0x..", "tx_hash": "0x.." or null,
                "merkle_proof": ["0x..", ...]}}                leaf [uint256 sequence, bytes32 hash]

`payment`: from usage to money. `entry`, `charge` and `division` may be null, `receipts` empty; what
is missing is said::

    {"format": "tallymark-proof/1", "kind": "payment",
     "events": [event proofs: `dataset.used`, the usage's counters; `reporting_key.registered`;
                `rate.set`; `usage.charged`, which has the digest of the entry's charges;
                `weights.committed`; `journal.sealed`, whose body has the journal's `number` and
                `hash` and the root of its `entries`; `payee.named`, which joins a `payee` to an
                `account`],
     "receipts": [{"service": "https://..", "chain": "eip155:..", "tenant": "uuid", "run": "0x..",
                   "version": "..", "purpose": "..", "stream": "0x..", "sequence": 1, "records": 5,
                   "tokens": 0, "epochs": 1, "fetches": 0, "used_at": 1767225600000000,
                   "signer": "0x..", "signature": "0x..",    run, stream: Keccak-256 of the texts
                   "taken": {"usage": "uuid", "version": "uuid", "run": "run-..", "revision": 1,
                             "received_at": .., "signer": "0x..", "signature": "0x.."} or null}],
                                     see `receipts`; the last of each stream
     "entry": {"number": 12, "hash": "0x..",
               "lines_root": "0x..",                the root of its lines
               "entries": 3, "path": [["0x.."]],    how many the event seals, the nodes above it
               "line": {"account": 8, "units": 7, "salt": "0x..",
                        "lines": 9, "path": [["0x.."]]}},     the payee's line; see `lines`
     "charge": {"usage": "uuid", "revision": 0, "account": 3, "rate": 1, "records": 5, "tokens": 0,
                "epochs": 1, "fetches": 0, "amount": 7, "total": 7, "running": 7, "tallied": 0,
                "weight_version": 4,
                "group": "0x..",     all charges of that weight version, 100 bytes each
                "groups": 9,         how many groups the entry has
                "path": [["0x.."]]}, the digests of the nodes above the group, up to 16 in each
     "division": {"account": 8, "weight": "..", "weight_sum": "..", "salt": "0x..",
                  "merkle_proof": [..]},                     see `divided`
     "payout": {"chain": "eip155:..", "contract": "eip155:..:0x..", "token": "0x..", "epoch": 4,
                "root": "0x..", "total": "..", "payee": "0x..", "account": "0x..",
                "cumulative": "..", "merkle_proof": [..],
                                     leaf [bytes32 payee, address account, uint256 cumulative]
                "activated_tx_hash": "0x.." or null,
                "paid": {"tx_hash": "0x..", "amount": "..", "cumulative": ".."} or null}}

Where `journal.sealed` has no root of `entries`, `entry` is older and shows all of the entry::

    {"number": 12, "previous_hash": "0x..", "header": "usage\\n..",
     "lines": [[account, units], ...], "charges_digest": "0x..", "hash": "0x..",
     "later": [{"header": "0x..", "lines": "0x..", "charges": "0x.."}, ...]}
                                     the entries up to the one that `journal.sealed` names

How an entry and a charge are hashed stands in compensation/sql/journal.sql and billing.sql.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import Any

from tallymark.canonical import canonical
from tallymark.keccak import keccak

FORMAT = "tallymark-proof/1"
HASH = re.compile(r"0x[0-9a-f]{64}")
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
CHAIN = re.compile(r"eip155:([1-9][0-9]{0,31})")
CONTRACT = re.compile(r"eip155:([1-9][0-9]{0,31}):(0x[0-9a-fA-F]{40})")
DATA = re.compile(r"0x(?:[0-9a-f]{2})*")
AMOUNT = re.compile(r"0|[1-9][0-9]{0,77}")
STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')
DEEPEST_NESTING = 100
LARGEST_SIZE_BYTES = 64 * 2**20


class NotAProof(ValueError):
    """The file is not a proof of a known format; the message says what is wrong and where."""


class Section:
    """One JSON object of a proof, read field by field; `done` refuses what nobody read."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise NotAProof(f"{where} must be an object, not {_named(value)}")
        self.value: dict[str, Any] = value
        self.where = where
        self._read: set[str] = set()

    def get(self, name: str) -> Any:
        """The field as it stands; raises NotAProof if it is missing."""
        if name not in self.value:
            raise NotAProof(f"{self.path(name)} is missing")
        self._read.add(name)
        return self.value[name]

    def path(self, name: str) -> str:
        """The field's place in the file, for messages."""
        return f"{self.where}.{name}" if self.where else name

    def section(self, name: str) -> Section:
        """A field that is an object."""
        return Section(self.get(name), self.path(name))

    def optional_section(self, name: str) -> Section | None:
        """A field that is an object or null."""
        return None if self.get(name) is None else self.section(name)

    def hash(self, name: str) -> bytes:
        """A field that is a hash: 32 bytes."""
        return bytes.fromhex(self._matched(name, HASH, "0x and 64 hexadecimal digits")[2:])

    def optional_hash(self, name: str) -> bytes | None:
        """A field that is a hash or null."""
        return None if self.get(name) is None else self.hash(name)

    def address(self, name: str) -> str:
        """A field that is an address, in small letters."""
        return self._matched(name, ADDRESS, "0x and 40 hexadecimal digits").lower()

    def chain(self, name: str) -> int:
        """A field that names a chain by CAIP-2: its EIP-155 id."""
        return int(self._matched(name, CHAIN, "a CAIP-2 chain such as eip155:1")[len("eip155:") :])

    def contract(self, name: str) -> tuple[int, str]:
        """A field that names a contract by CAIP-10: chain id, and address in small letters."""
        text = self._matched(name, CONTRACT, "a CAIP-10 contract such as eip155:1:0x..")
        _, chain, address = text.split(":")
        return int(chain), address.lower()

    def amount(self, name: str) -> int:
        """A field that is whole units, as decimal text."""
        value = int(self._matched(name, AMOUNT, "whole units as decimal text"))
        if value >= 2**256:
            raise NotAProof(f"{self.path(name)} is more than a contract can hold")
        return value

    def number(self, name: str, *, least: int = 0) -> int:
        """A field that is a whole number below 2**63."""
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**63:
            raise NotAProof(f"{self.path(name)} must be a whole number, at least {least}")
        return value

    def text(self, name: str) -> str:
        """A field that is text."""
        value = self.get(name)
        if not isinstance(value, str):
            raise NotAProof(f"{self.path(name)} must be text, not {_named(value)}")
        return value

    def plain(self, name: str) -> str:
        """A field that is text which every program writes with the same bytes."""
        value = self.text(name)
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise NotAProof(f"{self.path(name)} holds half of a surrogate pair")
        return value

    def integer(self, name: str) -> int:
        """A field that is a whole number of 64 bits, negative ones included."""
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
            raise NotAProof(f"{self.path(name)} must be a whole number of 64 bits")
        return value

    def data(self, name: str) -> bytes:
        """A field that is bytes, as 0x and hexadecimal digits."""
        return bytes.fromhex(self._matched(name, DATA, "0x and hexadecimal digits")[2:])

    def items(self, name: str) -> Section:
        """A field that is a list, read as an object whose fields are 0, 1, 2, ..."""
        value = self.get(name)
        if not isinstance(value, list):
            raise NotAProof(f"{self.path(name)} must be a list, not {_named(value)}")
        return Section({str(at): one for at, one in enumerate(value)}, self.path(name))

    def hashes(self, name: str) -> list[bytes]:
        """A field that is a list of hashes."""
        parts = self.items(name)
        return [parts.hash(at) for at in parts.value]

    def done(self) -> None:
        """Refuse fields that the format does not have: nobody would have checked them."""
        unknown = sorted(set(self.value) - self._read)
        if unknown:
            raise NotAProof(f"{self.path(unknown[0])} is not a field of {FORMAT}")

    def _matched(self, name: str, pattern: re.Pattern[str], words: str) -> str:
        value = self.get(name)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise NotAProof(f"{self.path(name)} must be {words}")
        return value


def parse(data: bytes) -> dict[str, Any]:
    """The JSON object in a proof file; raises NotAProof in words."""
    if len(data) > LARGEST_SIZE_BYTES:
        raise NotAProof(f"the file is larger than {LARGEST_SIZE_BYTES >> 20} MiB: no proof is")
    try:
        text = data.decode("utf-8")
        _require_shallow(text)
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise NotAProof("the file is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise NotAProof(f"the file is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise NotAProof(f"the file holds {_named(value)}, not a proof")
    return value


def leaf(*words: bytes) -> bytes:
    """A leaf of 32-byte words, hashed twice as OpenZeppelin's StandardMerkleTree does."""
    return keccak(keccak(b"".join(words)))


def word(value: int | str) -> bytes:
    """A number or an address as a 32-byte ABI word."""
    if isinstance(value, str):
        return bytes.fromhex(value[2:]).rjust(32, b"\0")
    return value.to_bytes(32, "big")


def root_from(start: bytes, siblings: list[bytes]) -> bytes:
    """The Merkle root to which `siblings` lead from the leaf `start`."""
    for sibling in siblings:
        start = keccak(start + sibling if start < sibling else sibling + start)
    return start


def document_hash(document: Any, where: str, previous: bytes = b"") -> bytes:
    """The SHA-256 of `previous` and a document's canonical JSON; raises NotAProof without one."""
    try:
        return sha256(previous + canonical(document)).digest()
    except ValueError as error:
        raise NotAProof(f"{where} has no canonical form: {error}") from None
    except RecursionError:
        raise NotAProof(f"{where} is nested too deeply") from None


def _require_shallow(text: str) -> None:
    """Refuse deep nesting before it is parsed: where the recursion limit was raised, it crashes."""
    depth = 0
    for token in STRING_OR_BRACKET.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token.group(), 0)
        if depth > DEEPEST_NESTING:
            raise NotAProof("the file is nested too deeply")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys stand once: readers differ in which of two they believe."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotAProof(f"the field {twice!r} stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise NotAProof(f"{name} is not JSON")


def _named(value: Any) -> str:
    """What kind of JSON value this is, in words."""
    names = {list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
