"""The certificate of a registered version: what it proves, what it does not, how to check it."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from provenance.documents.pdf import Paper
from provenance.ledger import moment
from provenance.models import Anchor, DatasetVersion, Event
from provenance.registry import NotSealed

PROVES = (
    "Content with exactly these records existed, and was held by whoever registered it, at the "
    "time stated here.",
    "It has not been changed since: any other record gives another root.",
)
DOES_NOT_PROVE = (
    "It does not prove who wrote the content, or who holds rights in it. Whoever has a copy can "
    "register it; an earlier registration is a date and not a right.",
    "It does not say that the content was lawfully obtained, and it licenses nothing: unless its "
    "owner offers a licence, all rights are reserved.",
)
WAITS = "waiting for its number"
KINDS = {
    "text": "texts",
    "table": "rows of tables",
    "image": "images",
    "code": "source code",
}


def certificate(version: DatasetVersion) -> dict[str, Any]:
    """The facts of the certificate; raises NotSealed where there is nothing to certify."""
    if version.sealed_at is None or version.state == DatasetVersion.State.ERASED:
        raise NotSealed("Only a sealed version has a certificate.")
    event = Event.objects.filter(kind="version.sealed", subject_id=version.id).first()
    return {
        "dataset": str(version.dataset),
        "title": version.dataset.title,
        "owner": version.dataset.owner.name,
        "version": version.number,
        "version_id": str(version.id),
        "kind": version.dataset.kind,
        "is_fingerprint_only": version.dataset.is_fingerprint_only,
        "records": version.record_count,
        "tokens": version.token_count,
        "bytes": version.byte_count,
        "sealed_at": moment(version.sealed_at),
        "records_root": bytes(version.records_root or b"").hex(),
        "sequence": event.sequence if event else None,
        "event_hash": bytes(event.hash).hex() if event and event.hash else None,
        "anchor": _anchor(event),
        "withdrawn_at": moment(version.withdrawn_at) if version.withdrawn_at else None,
        "proves": list(PROVES),
        "does_not_prove": list(DOES_NOT_PROVE),
    }


def certificate_pdf(version: DatasetVersion) -> bytes:
    """The certificate as a PDF."""
    facts = certificate(version)
    paper = Paper("Certificate of registration", subtitle=f"{facts['dataset']}@{facts['version']}")
    paper.facts(rows_of(facts))
    paper.heading("What this proves")
    paper.points(facts["proves"])
    if facts["is_fingerprint_only"]:
        paper.text(
            "Registered by fingerprints only: the content never left its owner, who can show a "
            "record by its text, whose digest is the registered one."
        )
    paper.heading("What this does not prove")
    paper.points(facts["does_not_prove"])
    paper.heading("How to check it")
    paper.points(how_to_check(facts))
    return paper.bytes()


def rows_of(facts: dict[str, Any]) -> list[tuple[str, object]]:
    """The facts as a reader takes them in."""
    rows = [
        ("Title", facts["title"]),
        ("Registered by", facts["owner"]),
        ("Registered at", _readable(facts["sealed_at"])),
        ("Kind", KINDS[facts["kind"]]),
        ("Content", f"{facts['records']:,} records, {facts['tokens']:,} tokens"),
        ("Size", f"{facts['bytes']:,} bytes"),
        ("Version id", facts["version_id"]),
        ("Root of the records", f"SHA-256 {facts['records_root']}"),
        ("Ledger event", facts["sequence"] or "waiting for its number"),
        ("Event hash", f"SHA-256 {facts['event_hash']}" if facts["event_hash"] else WAITS),
        *_where_anchored(facts["anchor"]),
    ]
    if facts["withdrawn_at"]:
        rows.append(("Withdrawn at", _readable(facts["withdrawn_at"])))
    return rows


def _where_anchored(anchor: dict[str, Any] | None) -> list[tuple[str, object]]:
    """Batch, contract and transaction, and since when the chain cannot change it."""
    if anchor is None:
        return [("Anchored on the chain", "not yet: it goes out with the next batch")]
    rows: list[tuple[str, object]] = [
        ("Anchored in", f"batch {anchor['batch']:,} of contract {anchor['contract']}"),
        ("Transaction", anchor["tx_hash"] or "on its way"),
    ]
    if anchor["block_number"] is not None:
        rows.append(("Block", f"{anchor['block_number']:,}"))
    is_final = anchor["final_at"] is not None
    words = _readable(anchor["final_at"]) if is_final else "not yet: ask for this paper again later"
    return [*rows, ("Final since", words)]


def how_to_check(facts: dict[str, Any]) -> list[str]:
    """What anybody does, with our help once and without us from then on."""
    if facts["sequence"] is None:
        return ["The event is numbered within seconds. Ask for this certificate again then."]
    address = f"{settings.PUBLIC_URL}/api/v1/events/{facts['sequence']}/proof"
    return [
        f"Save the proof of event {facts['sequence']:,} now, from its page or {address}, and keep "
        "it with this paper. It holds the event, the path to its batch's root, and the batch.",
        "Check it at any time with `tallymark verify proof.json --rpc URL`, where URL is any node "
        "of the chain that you trust; the program needs Python and nothing else.",
        f"Or open {settings.PUBLIC_URL}/verify, which also works as a saved file without a "
        "network, and compare the root that it names with the contract above on any node.",
        "The proof is right if the event's hash is the one on this paper, the event names the root "
        "of the records above, and the contract holds the batch's root. None of it takes this "
        "service's word, and it stays so when this service is gone.",
    ]


def _anchor(event: Event | None) -> dict[str, Any] | None:
    """Where the event's batch stands on the chain, if it is in one."""
    if event is None or event.sequence is None:
        return None
    batches = Anchor.objects.select_related("contract").filter(first_sequence__lte=event.sequence)
    batch = batches.order_by("-first_sequence").first()
    if batch is None or batch.last_sequence < event.sequence:
        return None
    return {
        "batch": batch.batch,
        "contract": batch.contract.caip10,
        "tx_hash": batch.tx_hash,
        "block_number": batch.block_number,
        "is_final": batch.final_at is not None,
        "final_at": moment(batch.final_at) if batch.final_at else None,
    }


def _readable(at: str) -> str:
    return f"{at[:19].replace('T', ' ')} UTC"
