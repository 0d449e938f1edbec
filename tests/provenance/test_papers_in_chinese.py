"""Papers are read in the reader's language, and say where the English counts."""

from __future__ import annotations

import base64
import re
import zlib

import pytest
from django.test import Client
from django.urls import reverse

from provenance import conflicts, licensing, lineage, usage
from provenance.access import Viewer
from provenance.documents import certificates, grants, ingredients, reasons
from provenance.models import DatasetVersion, Party, StatementOfReasons
from tests import factories
from tests.cast import NOON
from tests.papers import english, read

__all__ = ["read"]

COUNTS = "本文件为译文：如有出入，以英文为准。"


@pytest.fixture
def essays(ada: Party) -> DatasetVersion:
    return factories.version(factories.dataset(ada), ["one essay", "another essay"])


def test_a_certificate_is_chinese_to_its_last_word(essays: DatasetVersion, read) -> None:
    texts = read(lambda: certificates.certificate_pdf(essays))
    assert english(texts) == []
    assert {"登记证书", "Essays", "2 条记录，4 个词元"} <= set(texts)
    assert texts[-1] == COUNTS


def test_who_reads_english_is_told_of_no_translation(essays: DatasetVersion, read) -> None:
    texts = read(lambda: certificates.certificate_pdf(essays), language="en-gb")
    assert texts[0] == "Certificate of registration"
    assert not any("translation" in text for text in texts)


def test_the_page_gives_the_certificate_in_the_readers_language_and_programs_english(
    essays: DatasetVersion, ada: Party
) -> None:
    person = factories.user("ada@aurora.example", party=ada)
    person.language = "zh-hans"
    person.save(update_fields=["language"])
    client = Client()
    client.force_login(person)
    address = reverse("admin:provenance_datasetversion_certificate", args=[essays.pk])
    assert holds(client.get(address).content, "登记证书")
    told = client.get(f"/api/v1/versions/{essays.pk}/certificate.pdf")
    assert told.content == certificates.certificate_pdf(essays)
    assert not holds(told.content, "登记证书")


def holds(paper: bytes, words: str) -> bool:
    """Whether the PDF's own pages set these words, which the font for Chinese writes as UTF-16."""
    streams = re.findall(rb"/ASCII85Decode[^>]*>>\s*stream\r?\n(.*?)~>", paper, re.DOTALL)
    pages = b"".join(zlib.decompress(base64.a85decode(one)) for one in streams)
    octal = re.compile(rb"\\([0-7]{3})")
    plain = octal.sub(lambda found: bytes([int(found[1], 8)]), pages).replace(b"\\", b"")
    return words.encode("utf-16-be").replace(b"\\", b"") in plain


def test_what_a_grant_means_is_chinese_and_its_frozen_text_stays_as_it_was(
    essays: DatasetVersion, lab: Party, read
) -> None:
    licence = licensing.offer_licence(
        dataset=essays.dataset,
        name="Std",
        purposes=["pretrain"],
        text="No copies of the copies, please.",
        at=NOON,
    )
    asked = licensing.request_grant(lab=lab, licence=licence, purposes=["pretrain"], at=NOON)
    given = licensing.give_grant(grant=asked, at=NOON)
    texts = read(lambda: grants.terms_pdf(given))
    assert english(texts) == ["No copies of the copies, please."]
    assert {"使用授权书", "授予时冻结的条款", COUNTS} <= set(texts)


def test_ingredients_and_what_is_missing_of_them_are_said_in_chinese(
    essays: DatasetVersion, lab: Party, as_lab: Viewer, read
) -> None:
    run = usage.start_run(lab=lab, purpose="pretrain", name="nightly", at=NOON)
    usage.report_usage(
        run=run,
        subject=str(essays.pk),
        purpose="pretrain",
        stream="rank-0",
        sequence=3,
        count=usage.Count(records=2, tokens=4),
        used_at=NOON,
        received_at=NOON,
    )
    model = usage.register_model(lab=lab, name="cobalt-1", run=run, at=NOON)
    texts = read(lambda: ingredients.ingredients_pdf(lineage.ingredients(model, as_lab)))
    assert english(texts) == []
    assert f"{essays} 未经授权用于预训练。" in texts
    assert f"关于 {essays} 的报告缺号。" in texts


def test_a_statement_of_reasons_stands_in_chinese_before_the_english_that_counts(
    essays: DatasetVersion, ben: Party, read
) -> None:
    copy = factories.version(factories.dataset(ben), ["one essay"])
    conflicts.open_from_overlap(
        overlap=factories.overlap(copy, essays, [("one essay", "one essay")]), at=NOON
    )
    statement = StatementOfReasons.objects.first()
    assert statement is not None
    texts = read(lambda: reasons.statement_pdf(statement))
    counts = texts.index("Statement of reasons")
    assert "以原文为准" in texts[2]
    assert english(texts[:counts]) == []
    assert [text for text in texts[counts:] if text in reasons.HEADINGS] == [
        "What was found",
        "The rule",
        "The effect",
        "What you may do",
    ]
    again = read(lambda: reasons.statement_pdf(statement), language="en-gb")
    assert again == texts[counts:]
