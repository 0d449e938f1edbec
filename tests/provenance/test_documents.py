"""Papers: they say what is proved and what is not, in every script, and are never run as code."""

from __future__ import annotations

import csv
import io

import pytest

from provenance import conflicts, lineage, registry, usage
from provenance.access import Viewer
from provenance.documents import certificates, ingredients, pdf, reasons
from provenance.models import DatasetVersion, Event, Party, StatementOfReasons
from tests import factories
from tests.cast import NOON


@pytest.fixture
def essays(ada: Party) -> DatasetVersion:
    return factories.version(factories.dataset(ada), ["one essay", "another essay"])


def test_a_certificate_says_what_it_proves_and_what_it_does_not(essays: DatasetVersion) -> None:
    facts = certificates.certificate(essays)
    assert facts["sealed_at"] == "2026-03-01T12:00:00.000000Z"
    assert facts["records_root"] == bytes(essays.records_root or b"").hex()
    assert facts["sequence"] == essays.sealed_sequence
    assert "existed" in facts["proves"][0]
    assert "who wrote" in facts["does_not_prove"][0]
    assert facts["anchor"] is None
    assert certificates.certificate_pdf(essays).startswith(b"%PDF")


def test_a_certificate_names_its_batch_when_final_and_how_to_check_it_without_us(
    essays: DatasetVersion,
) -> None:
    facts = certificates.certificate(essays)
    waiting = dict(certificates.rows_of(facts))
    assert waiting["Anchored on the chain"].startswith("not yet")
    assert waiting["Registered at"] == "2026-03-01 12:00:00 UTC"
    facts["anchor"] = {
        "batch": 7, "contract": "eip155:31337:0xabc", "tx_hash": "0xdef", "block_number": 12_345,
        "is_final": True, "final_at": "2026-03-01T12:05:00.000000Z",
    }  # fmt: skip
    anchored = dict(certificates.rows_of(facts))
    assert anchored["Anchored in"] == "batch 7 of contract eip155:31337:0xabc"
    assert (anchored["Block"], anchored["Final since"]) == ("12,345", "2026-03-01 12:05:00 UTC")
    steps = " ".join(certificates.how_to_check(facts))
    for word in ("/proof", "tallymark verify", "/verify", "when this service is gone"):
        assert word in steps


def test_a_certificate_has_the_digest_of_the_file_until_that_is_erased(ada: Party) -> None:
    opened = registry.open_version(dataset=factories.dataset(ada), at=NOON)
    registry.add_records(version=opened, rows=factories.rows(["one essay"]))
    sealed = registry.seal_version(version=opened, at=NOON, file_sha256=b"\x07" * 32)
    facts = certificates.certificate(sealed)
    assert facts["file_sha256"] == "07" * 32
    assert dict(certificates.rows_of(facts))["File as uploaded"].startswith(f"SHA-256 {'07' * 32}")
    assert "07" * 32 not in str(Event.objects.get(kind="version.sealed").body)
    registry.erase_version(version=sealed, at=NOON)
    sealed.refresh_from_db()
    assert sealed.file_sha256 is None


def test_without_a_file_a_certificate_names_none(essays: DatasetVersion) -> None:
    facts = certificates.certificate(essays)
    assert facts["file_sha256"] is None
    assert "File as uploaded" not in dict(certificates.rows_of(facts))


def test_the_same_facts_make_the_same_bytes(essays: DatasetVersion) -> None:
    assert certificates.certificate_pdf(essays) == certificates.certificate_pdf(essays)


def test_nothing_is_certified_before_it_is_sealed_or_after_it_is_erased(
    essays: DatasetVersion,
) -> None:
    registry.erase_version(version=essays, at=NOON)
    essays.refresh_from_db()
    opened = registry.open_version(dataset=essays.dataset, at=NOON)
    for version in (essays, opened):
        with pytest.raises(registry.NotSealed):
            certificates.certificate(version)


@pytest.mark.parametrize("text", ["Ænæs & <b>", "東京の記録", "서울", "हिन्दी", "𝔘nicode 🎉"])
def test_every_script_is_set_or_named_by_number(text: str) -> None:
    paper = pdf.Paper(text)
    paper.text(text)
    assert paper.bytes().startswith(b"%PDF")
    if text == "हिन्दी":
        assert "[U+0939]" in pdf.marked(text)


def test_a_statement_of_reasons_is_a_paper(essays: DatasetVersion, ben: Party) -> None:
    copy = factories.version(factories.dataset(ben), ["one essay"])
    conflicts.open_from_overlap(
        overlap=factories.overlap(copy, essays, [("one essay", "one essay")]), at=NOON
    )
    for statement in StatementOfReasons.objects.all():
        assert reasons.statement_pdf(statement).startswith(b"%PDF")
        parts = [part.split("\n")[0] for part in statement.text.split("\n\n")]
        assert parts == ["What was found", "The rule", "The effect", "What you may do"]


def test_ingredients_are_a_paper_a_table_and_a_dict(
    lab: Party, essays: DatasetVersion, as_lab: Viewer
) -> None:
    run = usage.start_run(lab=lab, purpose="pretrain", name="=2+5", at=NOON)
    for sequence, subject in enumerate([str(essays.pk), "=HYPERLINK(1)"], start=1):
        usage.report_usage(
            run=run,
            subject=subject,
            purpose="pretrain",
            stream="rank-0",
            sequence=sequence,
            count=usage.Count(records=3, tokens=30),
            used_at=NOON,
            received_at=NOON,
        )
    model = usage.register_model(lab=lab, name="cobalt-1", run=run, at=NOON)
    found = lineage.ingredients(model, as_lab)
    plain = ingredients.ingredients_dict(found)
    assert plain["rows"][0]["parts"] == 6 * 1_000_000 // 36
    assert any("not registered" in gap for gap in plain["gaps"])
    rows = list(csv.DictReader(io.StringIO(ingredients.ingredients_csv(found))))
    assert {row["dataset"] for row in rows} == {"aurora-archive/essays@1", "'=HYPERLINK(1)"}
    assert {row["run"] for row in rows} == {"'=2+5"}
    assert ingredients.ingredients_pdf(found).startswith(b"%PDF")
