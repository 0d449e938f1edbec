"""The certificate of a registered version: what it proves, what it does not, how to check it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from provenance.documents.pdf import Paper
from provenance.ledger import moment
from provenance.models import Anchor, DatasetVersion, Event
from provenance.registry import NotSealed

PROVES = (
    _noop(
        "Content with exactly these records existed, and was held by whoever registered it, at the "
        "time stated here."
    ),
    _noop("It has not been changed since: any other record gives another root."),
)
DOES_NOT_PROVE = (
    _noop(
        "It does not prove who wrote the content, or who holds rights in it. Whoever has a copy "
        "can register it; an earlier registration is a date and not a right."
    ),
    _noop(
        "It does not say that the content was lawfully obtained, and it licenses nothing: unless "
        "its owner offers a licence, all rights are reserved."
    ),
)
WAITS = _noop("waiting for its number")
KINDS = {
    "text": _noop("texts"),
    "table": _noop("rows of tables"),
    "image": _noop("images"),
    "code": _noop("source code"),
}


def certificate(version: DatasetVersion) -> dict[str, Any]:
    """The facts of the certificate; raises NotSealed where there is nothing to certify."""
    if version.sealed_at is None or version.state == DatasetVersion.State.ERASED:
        raise NotSealed(_("Only a sealed version has a certificate."))
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
        "file_sha256": bytes(version.file_sha256).hex() if version.file_sha256 else None,
        "sequence": event.sequence if event else None,
        "event_hash": bytes(event.hash).hex() if event and event.hash else None,
        "anchor": _anchor(event),
        "withdrawn_at": moment(version.withdrawn_at) if version.withdrawn_at else None,
        "proves": [_(one) for one in PROVES],
        "does_not_prove": [_(one) for one in DOES_NOT_PROVE],
    }


def certificate_pdf(version: DatasetVersion) -> bytes:
    """The certificate as a PDF, in the active language."""
    facts = certificate(version)
    paper = Paper(
        _("Certificate of registration"), subtitle=f"{facts['dataset']}@{facts['version']}"
    )
    paper.facts(rows_of(facts))
    paper.heading(_("What this proves"))
    paper.points(facts["proves"])
    if facts["is_fingerprint_only"]:
        paper.text(
            _(
                "Registered by fingerprints only: the content never left its owner, who can show a "
                "record by its text, whose digest is the registered one."
            )
        )
    paper.heading(_("What this does not prove"))
    paper.points(facts["does_not_prove"])
    paper.heading(_("How to check it"))
    paper.points(how_to_check(facts))
    paper.translation_note()
    return paper.bytes()


def rows_of(facts: dict[str, Any]) -> list[tuple[str, object]]:
    """The facts as a reader takes them in."""
    counted = {"records": f"{facts['records']:,}", "tokens": f"{facts['tokens']:,}"}
    rows = [
        (_("Title"), facts["title"]),
        (_("Registered by"), facts["owner"]),
        (_("Registered at"), _readable(facts["sealed_at"])),
        (_("Kind"), _(KINDS[facts["kind"]])),
        (_("Content"), _("%(records)s records, %(tokens)s tokens") % counted),
        (_("Size"), _("%(count)s bytes") % {"count": f"{facts['bytes']:,}"}),
        (_("Version id"), facts["version_id"]),
        (_("Root of the records"), f"SHA-256 {facts['records_root']}"),
        (_("Ledger event"), facts["sequence"] or _(WAITS)),
        (_("Event hash"), f"SHA-256 {facts['event_hash']}" if facts["event_hash"] else _(WAITS)),
        *_where_anchored(facts["anchor"]),
    ]
    if facts["file_sha256"]:
        rows.append((_("File as uploaded"), _of_file(facts["file_sha256"])))
    if facts["withdrawn_at"]:
        rows.append((_("Withdrawn at"), _readable(facts["withdrawn_at"])))
    return rows


def _of_file(digest: str) -> str:
    return _("SHA-256 %(digest)s, as this service read it; it is not in the ledger") % {
        "digest": digest
    }


def _where_anchored(anchor: dict[str, Any] | None) -> list[tuple[str, object]]:
    """Batch, contract and transaction, and since when the chain cannot change it."""
    if anchor is None:
        return [(_("Anchored on the chain"), _("not yet: it goes out with the next batch"))]
    place = {"batch": f"{anchor['batch']:,}", "contract": anchor["contract"]}
    rows: list[tuple[str, object]] = [
        (_("Anchored in"), _("batch %(batch)s of contract %(contract)s") % place),
        (_("Transaction"), anchor["tx_hash"] or _("on its way")),
    ]
    if anchor["block_number"] is not None:
        rows.append((_("Block"), f"{anchor['block_number']:,}"))
    later = _("not yet: ask for this paper again later")
    words = _readable(anchor["final_at"]) if anchor["final_at"] is not None else later
    return [*rows, (_("Final since"), words)]


def how_to_check(facts: dict[str, Any]) -> list[str]:
    """What anybody does, with our help once and without us from then on."""
    if facts["sequence"] is None:
        return [_("The event is numbered within seconds. Ask for this certificate again then.")]
    holes = {
        "number": f"{facts['sequence']:,}",
        "address": f"{settings.PUBLIC_URL}/api/v1/events/{facts['sequence']}/proof",
        "page": f"{settings.PUBLIC_URL}/verify",
    }
    steps = (
        _(
            "Save the proof of event %(number)s now, from its page or %(address)s, and keep it "
            "with this paper. It holds the event, the path to its batch's root, and the batch."
        ),
        _(
            "Check it at any time with `tallymark verify proof.json --rpc URL`, where URL is any "
            "node of the chain that you trust; the program needs Python and nothing else."
        ),
        _(
            "Or open %(page)s, which also works as a saved file without a network, and compare "
            "the root that it names with the contract above on any node."
        ),
        _(
            "The proof is right if the event's hash is the one on this paper, the event names the "
            "root of the records above, and the contract holds the batch's root. None of it takes "
            "this service's word, and it stays so when this service is gone."
        ),
    )
    return [step % holes for step in steps]


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
