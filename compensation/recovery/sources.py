"""What a recovery reads beside the chain: copies of published trees, the payees, the journal.

Trees and totals are the published files, in a folder, under the names that they are served and that
`tallymark watch --keep` writes. The payees are a file of the operator's, made by
`./run manage export_payees`; the journal is an export of `./run manage verify_journal --export`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from tallymark.audit import prove
from tallymark.commands.verify_journal import rows_of
from tallymark.watching import files

from compensation import payees
from provenance.models import Party
from provenance.refusals import Refused

_Row = TypeVar("_Row")


class BadSource(Refused):
    """A file that the recovery needs is missing, or is not what it should be."""

    code = "bad_recovery_source"
    status = 400


@dataclass(frozen=True)
class KnownPayee:
    """A party as the payees' file has it."""

    party: UUID
    payee_id: bytes
    name: str
    namespace: str
    contact_email: str
    salt: bytes
    is_owner: bool
    is_lab: bool
    is_operator: bool


@dataclass(frozen=True)
class Held:
    """What an account held when the journal was exported."""

    kind: str
    asset: str
    party: UUID | None
    posted: int
    # What payouts had taken out of it.
    sent: int


@dataclass
class Sources:
    """Everything that was kept outside of the database that is lost."""

    trees: Path
    payees: dict[bytes, KnownPayee] = field(default_factory=dict)
    accounts: list[Held] = field(default_factory=list)

    def leaves(self, contract: str, epoch: int, root: bytes) -> list[files.Leaf]:
        """The leaves of one tree, in their order; raises BadSource."""
        path = self.trees / files.name_of("leaves", contract, epoch)
        data = _read(path, "Ask whoever runs `tallymark watch --keep` for a copy.")
        found = _parsed(files.leaves, data, path)
        if files.root(found, root) != root:
            raise BadSource(
                f"{path} does not give the root that the chain followed in epoch {epoch}.",
                hint="It was changed: look for another copy.",
            )
        return found

    def totals(self, contract: str, epoch: int) -> dict[bytes, files.Total]:
        """The journal's totals of one epoch by payee; empty where nobody kept the file."""
        path = self.trees / files.name_of("totals", contract, epoch)
        if not path.exists():
            return {}
        found = _parsed(files.totals, _read(path, ""), path)
        return {one.payee: one for one in found}


def sources(*, trees: Path, payees_file: Path | None, journal: Path | None) -> Sources:
    """Read what there is; raises BadSource."""
    found = Sources(trees)
    if payees_file is not None:
        lines = _read(payees_file, "").decode().splitlines()
        found.payees = {one.payee_id: one for one in map(_payee, lines)}
    if journal is not None:
        found.accounts = list(_accounts(journal))
    return found


def payee_rows() -> Iterator[dict[str, Any]]:
    """Every party, as the payees' file has it: private, it ties pseudonyms to names."""
    for party in Party.objects.order_by("created_at", "pk"):
        yield {
            "party": str(party.pk),
            "payee": payees.payee_id(party).hex(),
            "name": party.name,
            "namespace": party.namespace,
            "contact_email": party.contact_email,
            "salt": bytes(party.salt).hex(),
            "is_owner": party.is_owner,
            "is_lab": party.is_lab,
            "is_operator": party.is_operator,
        }


def _payee(line: str) -> KnownPayee:
    try:
        row = json.loads(line)
        return KnownPayee(
            party=UUID(row["party"]),
            payee_id=bytes.fromhex(row["payee"]),
            name=row["name"],
            namespace=row["namespace"],
            contact_email=row["contact_email"],
            salt=bytes.fromhex(row["salt"]),
            is_owner=row["is_owner"],
            is_lab=row["is_lab"],
            is_operator=row["is_operator"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BadSource(
            f"A line of the payees' file cannot be read: {error!r}.",
            hint="It is made by `./run manage export_payees FILE`.",
        ) from error


def _accounts(path: Path) -> Iterator[Held]:
    """The accounts of an export that proves itself."""
    try:
        proof = prove(rows_of(path))
        if not proof.is_sound:
            raise BadSource(f"The journal's export is broken: {proof.wrong[0]}")
        accounts: dict[int, dict[str, Any]] = {}
        sent: Counter[int] = Counter()
        for row in rows_of(path):
            if row["type"] == "account":
                accounts[row["id"]] = row
            elif row["type"] == "entry" and row["header"].startswith("payout\n"):
                for account, units in row["lines"]:
                    sent[account] -= min(units, 0)
        for number, row in accounts.items():
            party = UUID(row["party"]) if row["party"] else None
            yield Held(row["kind"], row["asset"], party, int(row["posted"]), sent[number])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadSource(f"{path} cannot be read: {error}") from error


def _parsed(reader: Callable[[bytes], list[_Row]], data: bytes, path: Path) -> list[_Row]:
    try:
        return reader(data)
    except files.BadFile as error:
        raise BadSource(f"{path}: {error}.") from error


def _read(path: Path, hint: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadSource(f"{path} cannot be read: {error.strerror}.", hint=hint) from error
