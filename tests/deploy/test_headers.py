"""What browsers are told to refuse, and that a hostile record does nothing to page or sheet."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory

from deploy.headers import DATA_POLICY, PAGE_POLICY, HeadersMiddleware
from provenance.documents import sheets
from provenance.models import Party
from tests import factories

ROOT = Path(__file__).resolve().parents[2]
APPS = ("provenance", "ingest", "compensation", "deploy")
HOSTILE = "<img src=x onerror=alert(1)>\u202egpj.exe"


def policy_of(path: str, client: Client | None = None) -> str:
    answer = (client or Client()).get(path)
    assert answer.status_code in (200, 404), path
    return answer.headers["Content-Security-Policy"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/api/docs", "/no/such/page"])
def test_a_page_runs_only_our_scripts_and_is_framed_by_nobody(path: str) -> None:
    policy = policy_of(path)
    assert policy == PAGE_POLICY
    for part in ("script-src 'self';", "style-src 'self';", "frame-ancestors 'none'"):
        assert part in policy
    assert "unsafe" not in policy


@pytest.mark.django_db
def test_data_that_is_opened_in_a_tab_can_do_nothing() -> None:
    for path in ("/healthz", "/metrics", "/api/v1/parties/me", "/api/v1/payout-trees"):
        headers = Client().get(path).headers
        assert headers["Content-Security-Policy"] == f"{DATA_POLICY}; sandbox", path
        assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.django_db
def test_every_answer_names_what_the_browser_may_not_lend() -> None:
    headers = Client().get("/").headers
    assert "camera=()" in headers["Permissions-Policy"]
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.django_db
def test_the_page_that_checks_proofs_runs_only_the_script_inside_it() -> None:
    answer = Client().get("/verify")
    page = b"".join(answer.streaming_content)
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    for tag in (b"script", b"style"):
        (inside,) = re.findall(rb"<%b>(.*?)</%b>" % (tag, tag), page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside).digest()).decode()
        assert f"{tag.decode()}-src 'sha256-{digest}'" in policy


@pytest.mark.django_db
def test_cookies_are_not_read_by_scripts_nor_sent_from_other_sites(ada: Party) -> None:
    factories.user("ada@aurora.example", party=ada)
    client = Client()
    client.get("/accounts/login/")
    client.post("/accounts/login/", {"login": "ada@aurora.example", "password": "correct horse"})
    assert set(client.cookies) >= {"sessionid", "csrftoken"}
    for cookie in ("sessionid", "csrftoken"):
        assert client.cookies[cookie]["httponly"]
        assert client.cookies[cookie]["samesite"] == "Lax"


def templates() -> list[Path]:
    found = [path for app in APPS for path in (ROOT / app).glob("**/templates/**/*.html")]
    assert len(found) > 80
    return found


@pytest.mark.parametrize(
    "inline",
    [
        r"\sstyle\s*=",
        r"<style",
        r"<script(?![^>]*\bsrc=)",
        r"\son[a-z]+\s*=\s*[\"']",
        "javascript:",
    ],
)
def test_no_template_of_ours_needs_an_exception(inline: str) -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in templates()
        if re.search(inline, path.read_text(), re.IGNORECASE)
    ]
    assert wrong == [], "move it into a static file"


@pytest.mark.django_db
def test_a_hostile_title_is_text_and_cannot_turn_around(ada: Party) -> None:
    dataset = factories.dataset(ada, "hostile")
    dataset.title = HOSTILE
    dataset.save(update_fields=["title"])
    client = Client()
    client.force_login(factories.user("ada@aurora.example", party=ada))
    for path in ("/admin/provenance/dataset/", f"/admin/provenance/dataset/{dataset.pk}/"):
        page = client.get(path).content.decode()
        assert "&lt;img src=x onerror=alert(1)&gt;[U+202E]gpj.exe" in page, path
        assert "<img src=x" not in page
        assert "\u202e" not in page


def test_turns_are_written_out_in_pages_and_kept_in_data() -> None:
    text = "a\u202eb\u2067c\u200fd"
    pages = {"text/html": "a[U+202E]b[U+2067]c\u200fd", "application/json": text}
    for kind, shown in pages.items():
        answer = HeadersMiddleware(lambda _, kind=kind: HttpResponse(text, content_type=kind))(
            RequestFactory().get("/")
        )
        assert answer.content.decode() == shown


@pytest.mark.parametrize(
    "cell", ["=HYPERLINK(1)", "+1+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "\n=1"]
)
def test_a_sheet_runs_no_cell_as_a_formula(cell: str) -> None:
    row = sheets.as_csv(["a"], [[cell]]).split("\r\n", 1)[1]
    assert row.strip('"').startswith("'")


def test_a_sheet_keeps_numbers_and_words_as_they_are() -> None:
    rows = [["-12.50", "+7", -3, None, "words = more", "2026-03-01T12:00:00Z"]]
    text = sheets.as_csv(list("abcdef"), rows)
    assert text == "a,b,c,d,e,f\r\n-12.50,+7,-3,,words = more,2026-03-01T12:00:00Z\r\n"


def test_every_export_is_written_at_the_one_place() -> None:
    writers = [
        str(path.relative_to(ROOT))
        for app in APPS
        for path in (ROOT / app).glob("**/*.py")
        if re.search(r"csv\.(Dict)?[wW]riter", path.read_text())
    ]
    assert writers == ["provenance/documents/sheets.py"], "write sheets by provenance.documents"
