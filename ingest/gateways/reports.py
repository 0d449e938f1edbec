"""The report on a candidate file: what was found, on what terms, what was not checked; signed.

The signature is EIP-191's over a sentence that names the SHA-256 of the report's canonical JSON
(RFC 8785), by the key that anchors the ledger; the ledger has the digest too. Whoever holds the
report can check both without trusting this service (`tallymark verify`).
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import gettext_noop as _noop
from django.utils.translation import pgettext
from tallymark.canonical import canonical
from tallymark.signed import FORMAT, sentence

from ingest import leases, verdict
from ingest.gateways import answers, findings, terms
from ingest.gateways.terms import Terms, terms_of
from ingest.models import ScreenedDataset, Screening
from provenance import kept, ledger, signers
from provenance.access import Viewer
from provenance.amounts import Writer
from provenance.documents.pdf import Paper
from provenance.ledger import moment
from provenance.models import Dataset, Event

log = structlog.get_logger(__name__)

SIGNER = "anchorer"
MOST_LINES = 100
SHORT = _noop(
    "Rows that are exact copies of registered texts of fewer than %(tokens)s tokens, too few of a "
    "dataset to be more than chance: %(count)s. They count as nothing found."
)
BAD = _noop("Rows that could not be read, and so were not compared: %(count)s.")
KINDS = ("exact", "near", "contained", "possible")
ANSWERED = {
    "nothing_found": _lazy("rows like nothing registered"),
    "possible": _lazy("rows that may be like something registered: have a person look"),
    "usable": _lazy("rows like data that you may use"),
    "on_offer": _lazy("rows like data that is on offer"),
    "reserved": _lazy("rows like data that you may not use"),
}


def finish(screening: Screening, *, at: datetime) -> None:
    """All is compared: write the report, sign it, and tell the ledger its digest."""
    with transaction.atomic():
        findings.count_short_copies(screening)
        counts = findings.by_dataset(screening)
        known = terms_of(
            party=screening.party, purpose=screening.purpose, datasets=list(counts), at=at
        )
        report = made(screening, counts, known, at=at)
        digest, signature, signer = signed(report)
        ScreenedDataset.objects.bulk_create(
            ScreenedDataset(screening=screening, dataset_id=pk, terms=licence, checked_at=at)
            for pk, licence in known.items()
        )
        ledger.record(
            "screening.reported",
            at=at,
            subject_kind="screening",
            subject_id=screening.pk,
            party=screening.party,
            body={
                "report_sha256": digest,
                "detector": screening.detector,
                "corpus_sequence": screening.corpus_sequence,
            },
        )
        leases.hold(
            screening, at=at, state=Screening.State.DONE, stage="done", path="",
            bytes_done=screening.bytes_total, finished_at=at, attempt_count=0,
            report=report, signature=signature, signer=signer,
            watched_to=screening.corpus_sequence, watched_until=_watched_until(screening, at),
        )  # fmt: skip
        leases.release(screening, at=at)
    log.info("screening reported", screening=str(screening.pk), records=screening.record_count)


def signed(report: dict[str, Any]) -> tuple[bytes, bytes | None, str]:
    """The digest of a report, its signature and the signer's address; none where no key is here."""
    digest = hashlib.sha256(canonical(report)).digest()
    try:
        key = signers.signer(SIGNER)
    except signers.KeyMissing as missing:
        log.warning("report is not signed", reason=str(missing))
        return digest, None, ""
    return digest, key.sign_words(sentence(digest)), key.address


def made(
    screening: Screening,
    counts: dict[Any, dict[str, int]],
    known: dict[Any, Terms],
    *,
    at: datetime,
) -> dict[str, Any]:
    """The report as plain JSON values."""
    viewer = Viewer(party=screening.party, role="admin")
    shown = answers.shown_to(viewer, counts)
    datasets = Dataset.objects.select_related("owner").in_bulk(shown)
    began = screening.stage_at or screening.created_at
    write = terms.writer_of(known.values())
    return {
        "format": FORMAT,
        "id": str(screening.pk),
        "lab": {"id": str(screening.party_id), "name": screening.party.name},
        "purpose": screening.purpose,
        "file": _file(screening),
        "corpus": _corpus(screening),
        "detector": screening.detector,
        "false_accusation_rate": verdict.FALSE_ACCUSATION_RATE,
        "rows": {
            "compared": screening.record_count,
            "unreadable": screening.bad_count,
            "short_copies": screening.matches.filter(is_short=True).count(),
            **findings.by_answer(screening, known),
        },
        "datasets": sorted(
            (_dataset(datasets.get(pk), counts[pk], known[pk], write) for pk in counts),
            key=lambda row: (-sum(row["rows"].values()), str(row["dataset"])),
        ),
        "not_checked": _not_checked(screening),
        "created_at": moment(screening.created_at),
        "began_at": moment(began),
        "finished_at": moment(at),
        "seconds": round((at - began).total_seconds(), 3),
    }


def _file(screening: Screening) -> dict[str, Any]:
    return {
        "name": screening.file_name,
        "sha256": bytes(screening.sha256).hex(),
        "bytes": screening.bytes_total,
        "format": screening.file_format,
        "kind": screening.kind,
        "text_column": screening.text_column,
    }


def _corpus(screening: Screening) -> dict[str, Any]:
    """With what it was compared: everything registered up to this event, which has this hash."""
    event = Event.objects.filter(sequence=screening.corpus_sequence).first()
    digest = bytes(event.hash).hex() if event and event.hash else None
    return {"sequence": screening.corpus_sequence, "event_hash": digest}


def _dataset(
    dataset: Dataset | None, rows: dict[str, int], licence: Terms, write: Writer
) -> dict[str, Any]:
    """One dataset's part of the report; nameless where the lab may not know it."""
    return {
        "dataset": answers.dataset_words(dataset) if dataset else None,
        "owner": answers.owner_words(dataset) if dataset else None,
        "rows": rows,
        "terms": licence,
        "words": terms.words(licence),
        "price": terms.price_words(licence, write),
    }


def _not_checked(screening: Screening) -> list[str]:
    short = screening.matches.filter(is_short=True).count()
    found = [answers.MEANING, answers.LICENCE]
    if screening.bad_count:
        found.append(BAD % {"count": f"{screening.bad_count:,}"})
    if short:
        found.append(SHORT % {"count": f"{short:,}", "tokens": verdict.SHORT_TOKENS})
    return found


def document(screening: Screening) -> dict[str, Any]:
    """The report with its signature, as it is handed out and checked."""
    signature = screening.signature
    return {
        "report": screening.report,
        "signature": {
            "scheme": "eip191-sha256-rfc8785",
            "signer": screening.signer,
            "value": "0x" + bytes(signature).hex(),
        }
        if signature is not None
        else None,
    }


def pdf(screening: Screening) -> bytes:
    """The report on paper, in the active language; what is signed is the JSON, in English."""
    assert screening.report is not None, "only a finished screening has a report"
    told, paper = screening.report, Paper(_("Screening report"), subtitle=_subtitle(screening))
    paper.facts(_facts(screening))
    paper.heading(_("What was found"))
    paper.points(f"{told['rows'][said]:,} {words}" for said, words in ANSWERED.items())
    if told["datasets"]:
        paper.heading(_("Whose data it is like, and on what terms"))
        paper.table(headings(), lines_of(told["datasets"]))
    paper.heading(_("What was not checked"))
    paper.points(kept.said(one) for one in told["not_checked"])
    lines = screening.bad_rows.order_by("line").values_list("line", flat=True)[:MOST_LINES]
    if lines:
        unread = _("Rows that could not be read: %(lines)s.")
        paper.text(unread % {"lines": pgettext("list", ", ").join(map(str, lines))})
    paper.heading(_("How to check it"))
    paper.text(
        _(
            "Take the report as JSON and run `tallymark verify report.json`: it finds any change. "
            "The ledger has the report's SHA-256 in the event screening.reported."
        )
    )
    return paper.bytes()


def headings() -> list[str]:
    """The names of the columns of `cells`."""
    kinds = pgettext("list", ", ").join(_(kind) for kind in KINDS)
    rows = _("Rows: %(kinds)s") % {"kinds": kinds}
    return [_("Dataset"), _("Owner"), rows, _("Terms"), _("Price")]


def lines_of(rows: list[dict[str, Any]]) -> list[list[str]]:
    """The datasets' lines in a table, in the active language."""
    write = terms.writer_of(row["terms"] for row in rows)
    return [_cells(row, write) for row in rows]


def _cells(row: dict[str, Any], write: Writer) -> list[str]:
    """A dataset's line: its names, counts, terms and price."""
    # By name: the database keeps the keys of what it stores in an order of its own.
    counts = ", ".join(f"{row['rows'][kind]:,}" for kind in KINDS)
    return [
        row["dataset"]["title"] if row["dataset"] else _("a registered dataset"),
        row["owner"]["name"] if row["owner"] else _("not shown"),
        counts,
        kept.said(row["words"]),
        terms.price_words(row["terms"], write),
    ]


def _subtitle(screening: Screening) -> str:
    told: dict[str, Any] = screening.report or {}
    return _("%(file)s, for %(lab)s, %(day)s") % {
        "file": told["file"]["name"],
        "lab": told["lab"]["name"],
        "day": told["finished_at"][:10],
    }


def _facts(screening: Screening) -> list[tuple[str, object]]:
    told: dict[str, Any] = screening.report or {}
    signature = screening.signature
    said = {
        "name": told["file"]["name"],
        "count": f"{told['file']['bytes']:,}",
        "number": f"{told['corpus']['sequence']:,}",
        "rate": f"{told['false_accusation_rate']:.4%}",
        "seconds": f"{told['seconds']:,}",
    }
    return [
        (_("File"), _("%(name)s, %(count)s bytes") % said),
        (_("SHA-256 of the file"), told["file"]["sha256"]),
        (_("Asked for"), screening.get_purpose_display()),
        (_("Rows compared"), f"{told['rows']['compared']:,}"),
        (_("Rows that could not be read"), f"{told['rows']['unreadable']:,}"),
        (_("Compared with"), _("everything registered up to event %(number)s") % said),
        (_("Hash of that event"), told["corpus"]["event_hash"] or "–"),
        (_("Detector"), told["detector"]),
        (_("Wrong matches"), _("at most %(rate)s of unrelated records") % said),
        (_("Finished"), f"{told['finished_at'][:19].replace('T', ' ')} UTC"),
        (_("Time"), _("%(seconds)s seconds") % said),
        (_("Signed by"), screening.signer or _("nobody: this service has no key here")),
        (_("Signature"), bytes(signature).hex() if signature is not None else "–"),
    ]


def _watched_until(screening: Screening, at: datetime) -> datetime | None:
    return at + timedelta(days=screening.watch_days) if screening.watch_days else None
