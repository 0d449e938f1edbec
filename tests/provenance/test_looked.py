"""The access log says in the reader's language what it keeps in English."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from provenance import looked, parties
from provenance.access import Viewer
from provenance.models import AccessLog, Grant, Party
from tests import factories
from tests.provenance.conftest import NOON

SAID = [
    ("list of licences", "许可列表"),
    ("list of api keys", "API 密钥列表"),
    ("sheet of grants", "授权的表格"),
    ("conflict birch-books/reader and aurora/notes", "争议：birch-books/reader 与 aurora/notes"),
    ("grant aurora/notes to Smith and Sons", "授权：aurora/notes 授予 Smith and Sons"),
    ("statement of reasons hold to Aurora", "理由说明书：hold to Aurora"),
    ("as you: /admin/", "以您的视角：/admin/"),
    ("queue", "待办队列"),
    ("GET /api/v1/datasets", "GET /api/v1/datasets"),
]


@pytest.mark.parametrize(("kept", "chinese"), SAID)
def test_what_was_looked_at_is_said_in_the_readers_language(kept: str, chinese: str) -> None:
    with translation.override("zh-hans"):
        assert looked.in_words(kept) == chinese


@pytest.mark.parametrize(("kept", "_chinese"), SAID)
def test_english_readers_read_what_was_kept(kept: str, _chinese: str) -> None:
    assert looked.in_words(kept) == kept


def test_a_case_is_its_own_reason_and_a_persons_words_stay(ada: Party) -> None:
    with translation.override("zh-hans"):
        assert looked.reason_in_words("case 3388dab8-a419-421d-b1ef-648dd6f8464d") == "处理该案件"
        assert looked.reason_in_words("review the March books") == "review the March books"
        assert looked.reason_in_words("looking after parties") == "管理各机构"


@pytest.mark.django_db
def test_the_log_of_a_party_is_read_in_chinese_and_stays_english(
    ada: Party, operator: Party
) -> None:
    by = factories.user("otto@tallymark.example", party=operator)
    viewer = Viewer(party=operator, role="admin", user=by)
    parties.log_view(
        viewer=viewer, party=ada, what="list of events", reason="overview list", at=NOON
    )
    client = Client(headers={"accept-language": "zh-hans"})
    client.force_login(factories.user("ada@aurora.example", party=ada))
    page = client.get(reverse("admin:provenance_accesslog_changelist")).content.decode()
    assert "事件列表" in page
    assert "概览列表" in page
    assert "list of events" not in page
    assert AccessLog.objects.get().what == "list of events"


def test_things_of_two_names_are_called_in_the_readers_language(ada: Party, lab: Party) -> None:
    given = Grant(dataset=factories.dataset(ada), lab=lab)
    assert str(given) == "aurora-archive/essays to Cobalt Labs"
    with translation.override("zh-hans"):
        assert str(given) == "aurora-archive/essays 授予 Cobalt Labs"
