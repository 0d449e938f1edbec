"""The service's own addresses: health, readiness, metrics, documentation, and the public pages."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client

from deploy import checks
from provenance import ledger
from provenance.models import Event, Party

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _fresh_buckets() -> None:
    cache.clear()


def test_healthz_asks_nobody() -> None:
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_readyz_names_what_does_not_answer(settings: Any, monkeypatch: Any) -> None:
    settings.CHAIN_RPC_URL = "http://127.0.0.1:9"
    without = tuple(one for one in checks.CHECKS if one.name != "broker")
    monkeypatch.setattr(checks, "CHECKS", without)
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    found = answer.json()["checks"]
    assert {name for name, check in found.items() if not check["ok"]} == {"chain"}
    assert found["database"]["detail"].startswith("PostgreSQL")


@pytest.mark.django_db
def test_a_sealer_that_sleeps_makes_the_service_unready(ada: Party) -> None:
    event = Event.objects.latest("id")
    later = event.recorded_at + timedelta(seconds=61)
    assert checks.sealer_age_seconds(later) > checks.SEALER_PATIENCE_SECONDS
    ledger.seal()
    assert checks.sealer_age_seconds(later) == 0


@pytest.mark.django_db
def test_metrics_count_what_is_done_and_what_waits(ada: Party) -> None:
    text = Client().get("/metrics").content.decode()
    found = dict(re.findall(r"^(tallymark_\w+) ([0-9.e+]+)$", text, re.MULTILINE))
    assert float(found["tallymark_events"]) == 0
    assert float(found["tallymark_events_unsealed"]) == 1
    assert float(found["tallymark_usages_uncharged"]) == 0


@pytest.mark.django_db
def test_the_api_is_documented_without_the_internet() -> None:
    page = Client().get("/api/docs")
    assert page.status_code == 200
    assert not re.findall(rb"(?:src|href)=\"https?://", page.content)
    assert Client().get("/api/schema").status_code == 200


def test_the_committed_schema_is_the_one_the_code_makes(tmp_path: Path) -> None:
    fresh = tmp_path / "openapi.yaml"
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(fresh))
    made, kept = (yaml.safe_load(path.read_text()) for path in (fresh, ROOT / "docs/openapi.yaml"))
    assert made == kept, "run: manage.py spectacular --validate --file docs/openapi.yaml"


@pytest.mark.django_db
def test_the_page_that_checks_proofs_needs_no_account() -> None:
    page = Client().get("/verify")
    assert page.status_code == 200
    assert b"<script" in b"".join(page.streaming_content)


@pytest.mark.django_db
def test_a_stranger_is_sent_to_sign_in() -> None:
    answer = Client().get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0].startswith("/accounts/login/")
    assert Client().get("/").status_code == 200
