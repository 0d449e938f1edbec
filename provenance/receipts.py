"""Signed reports of use: who signed, what was said, and the service's signature that it came.

What is signed stands in `tallymark.receipts`. A receipt counts for one service, organisation, run,
version, stream and number; taken anywhere else its signature leads to no key of that lab.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tallymark import receipts as wire
from tallymark import secp256k1
from tallymark.typed import Domain

from provenance import reporting_keys, signers
from provenance.models import Party, ReportingKey, Run, Usage, UsageReceipt, UsageReport
from provenance.refusals import Refused

METER = "receipt"
# The account that anchors the ledger signs for the service.
SIGNER = "anchorer"


class SignatureMissing(Refused):
    """Your organisation takes only signed reports, and this one is not."""

    code = "signature_missing"
    status = 403
    hint = "Set TALLYMARK_SIGNING_KEY where the job runs; what waits in its spool is sent then."


class SignatureNotOurs(Refused):
    """No key of your organisation made this signature for exactly this report."""

    code = "signature_not_ours"
    status = 403
    hint = (
        "Name the key with `tallymark reporting-key`; sign for this service, your own "
        "organisation, the run and the numbers that you send."
    )


class SignedOtherwise(Refused):
    """This stream signed other counters under this number, or greater ones before it."""

    code = "signed_otherwise"
    status = 422
    hint = "Counters of a stream only grow, and each number is used once."


@dataclass(frozen=True)
class Signed:
    """A receipt whose signature was checked, and the key that made it."""

    receipt: wire.Receipt
    domain: Domain
    key: ReportingKey
    signature: bytes

    @property
    def mark(self) -> bytes:
        """What the ledger's events commit to: 32 bytes."""
        return wire.mark(self.receipt.digest(self.domain), self.signature)


def checked(*, lab: Party, receipt: wire.Receipt, signature: str) -> Signed:
    """The receipt with the key of `lab` that signed it; raises SignatureNotOurs."""
    domain = reporting_keys.domain()
    try:
        raw = bytes.fromhex(signature.removeprefix("0x"))
        signer = reporting_keys.signer_of(receipt.digest(domain), raw)
    except (ValueError, secp256k1.NotSigned) as error:
        raise SignatureNotOurs(f"This is no signature: {error}.") from error
    key = ReportingKey.objects.filter(party=lab, address=signer, revoked_at=None).first()
    if key is None:
        raise SignatureNotOurs(
            f"The signature leads to {signer}, which is no key of yours in force. Reports to this "
            f"service are signed for {domain.service}, chain {domain.chain_id}."
        )
    return Signed(receipt, domain, key, raw)


def require_first(usage: Usage, signed: Signed) -> None:
    """Raise SignedOtherwise if its stream said otherwise under this number, or more before."""
    said = signed.receipt
    earlier = UsageReceipt.objects.filter(usage=usage, stream=said.stream).order_by("sequence")
    same = earlier.filter(sequence=said.sequence).first()
    if same is not None and bytes(same.signature) != signed.signature:
        raise SignedOtherwise
    last = earlier.filter(sequence__lt=said.sequence).last()
    if last is not None and any(
        after < before
        for after, before in (
            (said.records, last.record_count),
            (said.tokens, last.token_count),
            (said.epochs, last.epoch_count),
            (said.fetches, last.fetch_count),
        )
    ):
        raise SignedOtherwise


def covering(usage: Usage) -> bytes | None:
    """What commits to the receipts that add up to exactly the usage's counters; None if none do."""
    reports = list(usage.reports.filter(meter=METER)) if usage.meter == METER else []
    marks = [bytes(one.mark) for one in reports if one.mark is not None]
    if (
        not marks
        or len(marks) != len(reports)
        or _sum(reports)
        != (
            usage.record_count,
            usage.token_count,
            usage.epoch_count,
            usage.fetch_count,
        )
    ):
        return None
    return wire.marks_digest(marks)


def keep(signed: Signed, *, usage: Usage, run: Run, received_at: datetime) -> UsageReceipt:
    """Keep a receipt, before the revision of its usage that is the first to hold it."""
    said = signed.receipt
    assert isinstance(said.stream, str), "what a job reports names its stream"
    return UsageReceipt.objects.create(
        usage=usage,
        run=run,
        key=signed.key,
        service=signed.domain.service,
        chain_id=signed.domain.chain_id,
        subject=said.version,
        stream=said.stream,
        sequence=said.sequence,
        record_count=said.records,
        token_count=said.tokens,
        epoch_count=said.epochs,
        fetch_count=said.fetches,
        used_at=wire.moment(said.used_at),
        signature=signed.signature,
        revision=usage.revision + 1,
        received_at=received_at,
    )


def countersign(limit: int = 500) -> int:
    """Sign for what was taken; how many. Safe to repeat, and beside itself. Raises KeyMissing."""
    waiting = UsageReceipt.objects.filter(countersignature=None).order_by("pk")
    rows = list(waiting.select_related("usage__run", "run__lab", "key")[:limit])
    if not rows:
        return 0
    signer = signers.signer(SIGNER)
    for row in rows:
        said, domain = _receipt(row), _domain(row)
        digest = _taken(row).digest(
            domain, said.digest(domain), bytes(row.signature), row.key.address
        )
        UsageReceipt.objects.filter(pk=row.pk, countersignature=None).update(
            countersigner=signer.address.lower(), countersignature=signer.sign_digest(digest)
        )
    return len(rows)


def behind(usage: Usage, revision: int) -> list[UsageReceipt]:
    """The receipts that the counters of a revision add up from: the last of each stream by then."""
    rows = UsageReceipt.objects.filter(usage=usage, revision__lte=revision)
    last = rows.order_by("stream", "-sequence").distinct("stream")
    return list(last.select_related("usage__run", "run__lab", "key"))


def document(row: UsageReceipt) -> dict[str, Any]:
    """A receipt as proofs show it: without the run's and the stream's own names (`Hidden`)."""
    said = _receipt(row)
    return {
        "service": row.service,
        "chain": f"eip155:{row.chain_id}",
        "tenant": said.tenant,
        "run": _hex(wire.hidden(str(row.run_id)).hash),
        "version": said.version,
        "purpose": said.purpose,
        "stream": _hex(wire.hidden(row.stream).hash),
        "sequence": said.sequence,
        "records": said.records,
        "tokens": said.tokens,
        "epochs": said.epochs,
        "fetches": said.fetches,
        "used_at": said.used_at,
        "signer": row.key.address,
        "signature": _hex(row.signature),
        "taken": _taken_document(row),
    }


def _taken_document(row: UsageReceipt) -> dict[str, Any] | None:
    if row.countersignature is None:
        return None
    taken = _taken(row)
    return {
        "usage": taken.usage,
        "version": taken.version,
        "run": taken.run,
        "revision": taken.revision,
        "received_at": taken.received_at,
        "signer": row.countersigner,
        "signature": _hex(row.countersignature),
    }


def _receipt(row: UsageReceipt) -> wire.Receipt:
    return wire.Receipt(
        tenant=str(row.run.lab_id),
        run=str(row.run_id),
        version=row.subject,
        purpose=row.usage.purpose,
        stream=row.stream,
        sequence=row.sequence,
        records=row.record_count,
        tokens=row.token_count,
        epochs=row.epoch_count,
        fetches=row.fetch_count,
        used_at=wire.micros(row.used_at),
    )


def _taken(row: UsageReceipt) -> wire.Taken:
    usage = row.usage
    return wire.Taken(
        usage=str(usage.pk),
        version=str(usage.version_id or ""),
        run=usage.run.pseudonym,
        revision=row.revision,
        received_at=wire.micros(row.received_at),
    )


def _domain(row: UsageReceipt) -> Domain:
    return Domain(service=row.service, chain_id=row.chain_id)


def _sum(reports: list[UsageReport]) -> tuple[int, int, int, int]:
    """Each rank of a job counts the same epochs, but its own records, tokens and fetches."""
    return (
        sum(one.record_count for one in reports),
        sum(one.token_count for one in reports),
        max(one.epoch_count for one in reports),
        sum(one.fetch_count for one in reports),
    )


def _hex(value: bytes | memoryview) -> str:
    return "0x" + bytes(value).hex()
