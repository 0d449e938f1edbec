"""A lab's pages: ask about a text, send a file, read the report, and see what changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from tallymark import signed

from ingest.admin.screenings import pieces
from ingest.gateways import files, notices, reports, warmth
from ingest.models import Screening
from provenance import licensing
from provenance.models import Dataset, Party, User
from tests import factories
from tests.ingest.conftest import holding, jsonl, sealed, sentence
from tests.papers import english, read

__all__ = ["read"]

pytestmark = pytest.mark.django_db
LIST = "admin:ingest_screening_changelist"


@pytest.fixture
def essays(ada: Party) -> Dataset:
    made = factories.dataset(ada)
    sealed(made, [{"id": f"r{n}", "text": sentence(n)} for n in range(5)])
    return made


def signed_in(party: Party, email: str = "lee@cobalt.example") -> Client:
    person = User.objects.filter(email=email).first() or factories.user(email, party=party)
    client = Client()
    client.force_login(person)
    return client


def send(client: Client, **more: Any) -> Any:
    rows = [{"text": sentence(1)}, {"text": sentence(90)}, {"text": f"{sentence(2)} and more"}]
    file = SimpleUploadedFile("rows.jsonl", jsonl(rows))
    fields = {"file-file": file, "file-purpose": "pretrain", "file-watch_days": "0"} | more
    return client.post(reverse("admin:ingest_screening_list_verb", args=["file"]), fields)


def test_a_lab_sends_a_file_and_reads_its_report(lab: Party, essays: Dataset) -> None:
    client = signed_in(lab)
    assert "Nothing was screened yet" in client.get(reverse(LIST)).content.decode()
    page = send(client)["Location"]
    assert "Waiting for a worker" in client.get(page).content.decode()
    screening = Screening.objects.get()
    files.advance(screening.pk, clock=timezone.now)
    shown = client.get(page).content.decode()
    assert "Aurora Archive" in shown
    assert "All rights are reserved for this purpose" in shown
    assert "What was not checked" in shown
    assert "2 rows" in client.get(reverse(LIST)).content.decode()
    contained = client.get(f"{page}?kind=contained").context["rows_page"]
    assert [row.row for row in contained] == [
        row.row for row in screening.matches.filter(kind="contained")
    ]
    assert not list(client.get(f"{page}?kind=possible").context["rows_page"])
    screening.matches.filter(kind="contained").update(holds=False)
    possible = client.get(f"{page}?kind=possible").context["rows_page"]
    assert [row.row for row in possible] == [row.row for row in contained]
    assert client.get(f"{page}report.pdf").content.startswith(b"%PDF")
    assert signed.signer_of(json.loads(client.get(f"{page}report.json").content))
    assert 'data-tm-state="done"' in client.get(f"{page}progress/").content.decode()


def test_a_report_on_paper_is_chinese_to_its_last_word(lab: Party, essays: Dataset, read) -> None:
    send(signed_in(lab))
    screening = Screening.objects.get()
    files.advance(screening.pk, clock=timezone.now)
    screening.refresh_from_db()
    texts = read(lambda: reports.pdf(screening))
    assert english(texts) == []
    assert {"筛查报告", "如何核验"} <= set(texts)
    assert any("完全一致" in text and text.startswith("行数：") for text in texts)


def test_a_text_is_answered_on_the_page_and_not_kept(lab: Party, essays: Dataset) -> None:
    warmth.begin()
    assert warmth._Kernel.ready.wait(120)
    url = reverse("admin:ingest_screening_list_verb", args=["text"])
    text = f"An own zanzibar beginning. {sentence(1)}"
    answer = signed_in(lab).post(url, {"text-text": text, "text-purpose": "pretrain"})
    shown = answer.content.decode()
    assert f"<mark>{sentence(1)}</mark>" in shown
    assert "at most" in shown
    assert "you may not use" in shown
    assert not holding("zanzibar")


def test_what_changed_waits_on_the_first_page_until_it_is_read(lab: Party, essays: Dataset) -> None:
    client = signed_in(lab)
    page = send(client)["Location"]
    files.advance(Screening.objects.get().pk, clock=timezone.now)
    home = reverse("admin:index")
    assert "which you screened" not in client.get(home).content.decode()
    licensing.offer_licence(
        dataset=essays, name="Open terms", text="x", purposes=["pretrain"], at=timezone.now()
    )
    notices.check_terms(at=timezone.now() + notices.CHECKED_EVERY)
    assert "which you screened" in client.get(home).content.decode()
    shown = client.get(page).content.decode()
    for words in ("Open terms", "Terms changed", "When it was screened, "):
        assert words in shown
    client.post(f"{page}seen/")
    assert "which you screened" not in client.get(home).content.decode()


def test_nobody_else_sees_a_labs_pages(lab: Party, ada: Party, essays: Dataset) -> None:
    page = send(signed_in(lab))["Location"]
    files.advance(Screening.objects.get().pk, clock=timezone.now)
    other = factories.party("Delta Labs", is_lab=True)
    for stranger in (signed_in(other, "dee@delta.example"), signed_in(ada, "ada@aurora.example")):
        for below in ("", "progress/", "report.pdf", "report.json", "seen/"):
            assert stranger.get(f"{page}{below}").status_code in (403, 404), below
    assert signed_in(ada, "ada@aurora.example").get(reverse(LIST)).status_code == 403


def test_the_askers_own_text_is_cut_at_what_is_shared() -> None:
    found = pieces("abcdefgh", [{"passages": [[1, 3], [2, 4]]}, {"passages": [[6, 8]]}])
    assert [(one["text"], one["is_shared"]) for one in found] == [
        ("a", False), ("bc", True), ("d", True), ("ef", False), ("gh", True),
    ]  # fmt: skip
