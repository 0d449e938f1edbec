"""Keys for tests: priced as real ones would be, and without a trace in anybody's books."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compensation import billing, budgets, pools, trials
from compensation.models import (
    Balance,
    TrialEdge,
    TrialGrant,
    TrialModel,
    TrialQuote,
    TrialRun,
    TrialUsage,
)
from provenance import ledger, licensing, parties, usage
from provenance.licensing import PlanTerms
from provenance.models import ApiKey, DatasetVersion, Party
from tests import doors, factories
from tests.compensation.conftest import more, priced, texts
from tests.factories import NOON
from tests.provenance.test_api_walk import endpoints, filled

pytestmark = pytest.mark.django_db

OPEN = {
    "catalogue", "estimates", "grants", "models", "parties/me", "quotes", "runs", "signing-terms",
    "usages",
}  # fmt: skip
NOW = timezone.now()


def for_tests(lab: Party, *scopes: str) -> doors.Door:
    """A door opened with a key for tests."""
    _, secret = parties.issue_key(
        party=lab, name="tests", scopes=scopes or doors.ALL_SCOPES, created_by=None, at=NOON,
        is_test=True,
    )  # fmt: skip
    return doors.Door(secret)


@pytest.fixture
def tests(lab: Party) -> doors.Door:
    cache.clear()
    return for_tests(lab)


def report(door: doors.Door, subject: object, *, records: int, sequence: int = 1, **facts) -> Any:
    """A run that used this much, and has ended; the usage as it was answered."""
    run = facts.pop("run", None) or door.post("runs", {"purpose": "pretrain"}, 201)["id"]
    body = {
        "run": run, "subject": str(subject), "sequence": sequence, "records": records,
        "epochs": 1, "used_at": timezone.now().isoformat(), **facts,
    }  # fmt: skip
    return door.post("usages", body, 202)


def asked(door: doors.Door, version: DatasetVersion, status: int = 201) -> Any:
    licence = version.dataset.licences.get()
    return door.post("grants", {"licence": str(licence.pk), "purposes": ["pretrain"]}, status)


def books() -> dict[str, Any]:
    """How many rows each table of facts and money has, and what every account holds."""
    tables = {
        model.__name__: model._default_manager.count()
        for app in ("provenance", "compensation", "ingest")
        for model in apps.get_app_config(app).get_models()
        if not model.__name__.startswith("Trial") and model.__name__ != "IdempotencyKey"
    }
    held = list(Balance.objects.order_by("pk").values_list("account", "posted", "held"))
    return {**tables, "held": held}


def test_a_key_for_tests_is_known_by_its_first_letters(lab: Party) -> None:
    key, secret = parties.issue_key(
        party=lab, name="t", scopes=(), created_by=None, at=NOON, is_test=True
    )
    assert secret.startswith("tm_test_")
    assert parties.viewer_of_key(secret, NOON).is_test
    # Neither kind passes for the other by leaving letters out or putting them in.
    assert parties.viewer_of_key(secret.replace("tm_test_", "tm_"), NOON) is None
    _, real = parties.issue_key(party=lab, name="r", scopes=(), created_by=None, at=NOON)
    assert parties.viewer_of_key(real.replace("tm_", "tm_test_"), NOON) is None
    assert ApiKey.objects.get(pk=key.pk).is_test


def test_only_a_lab_has_keys_for_tests(ada: Party) -> None:
    with pytest.raises(parties.NoLabToTest):
        for_tests(ada)


def test_a_test_usage_says_what_it_would_have_cost(tests: doors.Door, essays) -> None:
    grant = asked(tests, essays)
    assert grant["state"] == "given"
    assert grant["is_test"] is True
    used = report(tests, essays, records=50)
    # Fifty of a thousand records at ten euro.
    assert used["would_have_cost"] == {"asset": "iso4217:EUR", "amount_units": 500_000}
    assert (used["is_test"], used["is_ungranted"], used["grant"]) == (True, False, grant["id"])
    run = tests.get(f"runs/{used['run']['id']}")
    assert run["would_have_cost"] == [{"asset": "iso4217:EUR", "amount_units": 500_000}]


def test_it_costs_what_billing_would_have_charged(tests, essays, rich_lab, euro, ada) -> None:
    letters = factories.version(factories.dataset(ada, "letters"), texts(100, "letter"))
    priced(letters, euro)
    tiers = PlanTerms(tiers=[(0, 2_000_000), (60, 1_000_000)])
    licensing.set_rate(
        licence=letters.dataset.licences.get(), basis="per_1k_records", asset=euro.code,
        valid_from=NOON, at=NOON, plan=tiers,
    )  # fmt: skip
    asked(tests, letters)
    would = [report(tests, letters, records=n)["would_have_cost"] for n in (7, 55, 3, 100)]
    real = []
    licence = letters.dataset.licences.get()
    licensing.request_grant(lab=rich_lab, licence=licence, purposes=["pretrain"], at=NOW)
    for count in (7, 55, 3, 100):
        run = usage.start_run(lab=rich_lab, purpose="pretrain", at=timezone.now())
        made = more(run, letters.pk, records=count, sequence=1, at=timezone.now())
        usage.end_run(run=run, at=timezone.now())
        billing.bill_batch(at=timezone.now())
        real.append(sum(made.charges.values_list("amount_units", flat=True)))
    assert [one["amount_units"] for one in would] == real
    assert len(set(real)) == 4


def test_counters_of_streams_add_up_and_repeats_change_nothing(tests, essays) -> None:
    first = report(tests, essays, records=10, stream="rank0")
    run = first["run"]["id"]
    both = report(tests, essays, records=30, stream="rank1", run=run)
    again = report(tests, essays, records=30, stream="rank1", run=run)
    late = report(tests, essays, records=5, stream="rank0", sequence=2, run=run)
    assert (both["record_count"], both["epoch_count"], both["revision"]) == (40, 1, 2)
    assert (again["record_count"], again["revision"]) == (40, 2)
    assert late["record_count"] == 40


def test_what_real_use_is_flagged_for_test_use_is_flagged_for(tests, essays) -> None:
    ungranted = report(tests, essays, records=50)
    assert ungranted["is_ungranted"]
    # At the list price, as a grant would have been.
    assert ungranted["would_have_cost"]["amount_units"] == 500_000
    unknown = report(tests, "nobody/nothing", records=1)
    assert (unknown["is_unknown"], unknown["would_have_cost"]) == (True, None)


def test_a_test_quote_prices_the_test_run_that_names_it(tests, essays, euro) -> None:
    asked(tests, essays)
    body = {"purpose": "pretrain", "items": [{"subject": str(essays), "records": 50}]}
    quote = tests.post("quotes", body, 201)
    assert quote["totals"] == [{"asset": "iso4217:EUR", "amount_units": 500_000}]
    assert tests.get(f"quotes/{quote['id']}") == quote
    now = timezone.now()
    licensing.set_rate(
        licence=essays.dataset.licences.get(), basis="per_1k_records", price_units=1,
        asset=euro.code, valid_from=now, at=now,
    )  # fmt: skip
    run = tests.post("runs", {"purpose": "pretrain", "quote": quote["id"]}, 201)
    used = report(tests, essays, records=50, run=run["id"])
    assert used["would_have_cost"]["amount_units"] == 500_000
    refused = tests.post("runs", {"purpose": "finetune", "quote": quote["id"]}, 400)
    assert refused["code"] == "quote_misplaced"


def test_an_estimate_shows_the_price_and_not_the_purse(tests, essays, rich_lab) -> None:
    body = {"purpose": "pretrain", "items": [{"subject": str(essays), "records": 50}]}
    real, test = doors.of(rich_lab).post("estimates", body), tests.post("estimates", body)
    assert real["totals"][0]["spendable_units"] == 100_000_000
    assert test["totals"][0]["spendable_units"] is None
    assert test["totals"][0]["amount_units"] == real["totals"][0]["amount_units"] == 500_000
    assert test["refusal"] is None


def test_a_signed_test_report_is_checked_as_a_real_one(tests, lab, essays) -> None:
    Party.objects.filter(pk=lab.pk).update(requires_signed_reports=True)
    run = tests.post("runs", {"purpose": "pretrain"}, 201)["id"]
    body = {
        "run": run, "subject": str(essays), "purpose": "pretrain", "sequence": 1,
        "used_at": NOW.isoformat(),
    }  # fmt: skip
    assert tests.post("usages", body, 403)["code"] == "signature_missing"
    body["signature"] = "0x" + "11" * 65
    assert tests.post("usages", body, 403)["code"] == "signature_not_ours"
    assert tests.post("signing-terms", {"is_required": False}, 405)
    lab.refresh_from_db()
    assert lab.requires_signed_reports


# What leaves no trace.

ACTS = ("start", "report", "unknown", "grant", "quote", "model", "end", "edge")


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    acts=st.lists(
        st.tuples(
            st.sampled_from(
                ["start", "report", "unknown", "grant", "quote", "model", "end", "edge"]
            ),
            st.integers(0, 10**6),
        ),
        max_size=12,
    )
)
def test_whatever_a_test_key_does_the_books_stay_as_they_were(acts, tests, essays, rich_lab):
    later = timezone.now() + timedelta(days=40)
    work(later)
    before = books()
    runs: list[str] = []
    for act, number in acts:
        run = runs[number % len(runs)] if runs else None
        if act == "start" or run is None:
            runs.append(tests.post("runs", {"purpose": "pretrain"}, 201)["id"])
        elif act in ("report", "unknown"):
            subject = essays if act == "report" else f"nobody/{number}"
            report(tests, subject, records=number, sequence=number + 1, run=run)
        elif act == "grant":
            asked(tests, essays)
        elif act == "quote":
            items = [{"subject": str(essays), "records": number}]
            tests.post("quotes", {"purpose": "pretrain", "items": items}, 201)
        elif act == "model":
            tests.post("models", {"name": f"m{number % 3}", "run": run}, 201)
        elif act == "edge":
            edge = {"direction": "consumed", "version": str(essays.pk)}
            tests.post(f"runs/{run}/edges", edge, 201)
        else:
            tests.patch(f"runs/{run}", {"state": "ended"})
    work(later + timedelta(minutes=1))
    changed = {name for name, held in books().items() if held != before[name]}
    assert changed == set()


def work(at) -> None:
    """All that the service does by itself with what was used."""
    usage.lapse_silent_runs(at)
    billing.bill_batch(at=at)
    billing.seal_journal(at=at)
    budgets.add_up(at=at)
    pools.settle_due(at=at)
    ledger.seal()


def test_a_test_key_opens_nothing_that_is_real(lab, essays, tests, rich_lab) -> None:
    cache.clear()
    run = usage.start_run(lab=lab, purpose="pretrain", name="The Real Run", at=NOON)
    used = more(run, essays.pk, records=3, sequence=1)
    model = usage.register_model(lab=lab, name="The Real Model", run=run, at=NOON)
    facts = {"runs": run.pk, "usages": used.pk, "models": model.pk}
    seen = 0
    for method, path in endpoints():
        address = filled(path, facts).removeprefix("/api/v1/")
        answer = tests.raw(method, address, data="{}", content_type="application/json")
        text = answer.content.decode()
        assert "The Real" not in text, path
        assert str(run.pk) not in text, path
        noun = path.removeprefix("/api/v1/")
        if noun.split("/")[0] not in OPEN and noun not in OPEN:
            assert answer.status_code == 403, (method, path, text)
            assert answer.json()["code"] == "not_in_test_mode"
            seen += 1
        elif "{" in path:
            assert answer.status_code in (403, 404, 405), (method, path, text)
    assert seen > 100


def test_the_views_of_facts_refuse_a_test_key_themselves(lab, essays, tests) -> None:
    """Whoever gets past the addresses, as by an unusual header, is refused by the view."""
    from django.test import override_settings

    middleware = [one for one in _middleware() if one != "deploy.trials.KeyForTestsMiddleware"]
    with override_settings(MIDDLEWARE=middleware):
        assert tests.get("runs", 403)["code"] == "not_in_test_mode"
        body = {"purpose": "pretrain"}
        assert tests.post("runs", body, 403)["code"] == "not_in_test_mode"


def _middleware() -> list[str]:
    from django.conf import settings as ours

    return list(ours.MIDDLEWARE)


def test_a_real_key_finds_nothing_of_tests_and_no_other_lab_does(tests, lab, essays, operator):
    grant = asked(tests, essays)
    used = report(tests, essays, records=5)
    model = tests.post("models", {"name": "m", "run": used["run"]["id"]}, 201)
    real, boss = doors.of(lab), doors.of(operator)
    stranger = for_tests(factories.party("Delta Data", is_lab=True))
    for noun, row in (
        ("runs", used["run"]), ("usages", used), ("grants", grant), ("models", model),
    ):  # fmt: skip
        tests.get(f"{noun}/{row['id']}")
        for door in (real, boss, stranger):
            door.get(f"{noun}/{row['id']}", 404)
            assert door.get(noun)["results"] == []
    taken = stranger.post("runs", {"purpose": "pretrain", "run_id": used["run"]["id"]}, 409)
    assert taken["code"] == "run_id_taken"
    body = {"run": used["run"]["id"], "subject": "a/b", "sequence": 2, "used_at": NOW.isoformat()}
    stranger.post("usages", body, 404)
    real.post("usages", body, 404)


def test_an_answer_to_a_test_is_not_repeated_to_a_real_request(tests, lab) -> None:
    body = {"purpose": "pretrain", "run_id": str(uuid.uuid4())}
    header = {"Idempotency-Key": "night job"}
    assert tests.post("runs", body, 201, **header)["is_test"]
    made = doors.of(lab).post("runs", body, 201, **header)
    assert "is_test" not in made
    assert usage.Run.objects.filter(pk=body["run_id"]).exists()


def test_what_a_test_key_may_do_its_scopes_say(lab, essays) -> None:
    looker = for_tests(lab, "finance")
    assert looker.post("runs", {"purpose": "pretrain"}, 403)["code"] == "not_allowed"
    assert asked(looker, essays, 403)["code"] == "not_allowed"


def test_test_data_is_deleted_after_ninety_days(tests, lab, essays) -> None:
    asked(tests, essays)
    body = {"purpose": "pretrain", "items": [{"subject": str(essays), "records": 5}]}
    quote = tests.post("quotes", body, 201)
    run = tests.post("runs", {"purpose": "pretrain", "quote": quote["id"]}, 201)
    child = tests.post("runs", {"purpose": "pretrain", "parent": run["id"]}, 201)
    report(tests, essays, records=5, run=child["id"])
    tests.post("models", {"name": "m", "run": run["id"]}, 201)
    kinds = (TrialRun, TrialUsage, TrialEdge, TrialModel, TrialQuote, TrialGrant)
    assert trials.delete_old(at=timezone.now() + timedelta(days=89)) == 0
    assert all(kind.objects.exists() for kind in kinds)
    assert trials.delete_old(at=timezone.now() + timedelta(days=90, minutes=1)) > 0
    assert not any(kind.objects.exists() for kind in kinds)


# The pages.


def signed_in(party: Party, role: str = "admin") -> Client:
    client = Client()
    client.force_login(
        factories.user(f"{role}@{party.namespace}.example", party=party, role=role),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    return client


def test_a_lab_makes_a_key_for_tests_on_the_page(lab: Party, ada: Party) -> None:
    client = signed_in(lab)
    body = {"new-name": "t", "new-scopes": ["develop"], "new-is_test": "on"}
    page = client.post("/admin/provenance/apikey/do/new/", body)
    assert "tm_test_" in page.content.decode()
    assert ApiKey.objects.get(name="t").is_test
    assert "is_test" not in signed_in(ada).get("/admin/provenance/apikey/do/new/").content.decode()


def test_test_data_stands_behind_a_switch_for_its_lab_alone(tests, lab, ada, essays, olga) -> None:
    grant = asked(tests, essays)
    used = report(tests, essays, records=50)
    body = {"purpose": "pretrain", "items": [{"subject": str(essays), "records": 5}]}
    quote = tests.post("quotes", body, 201)
    model = tests.post("models", {"name": "m", "run": used["run"]["id"]}, 201)
    client, stranger = signed_in(lab), signed_in(ada)
    delta = signed_in(factories.party("Delta Data", is_lab=True))
    for real, noun, row, words in (
        ("provenance/run", "trialrun", used["run"], "0.50 EUR"),
        ("compensation/quote", "trialquote", quote, "0.05 EUR"),
        ("provenance/trainedmodel", "trialmodel", model, "Produced"),
        ("provenance/grant", "trialgrant", grant, "its owner was not asked"),
    ):
        there = f"/admin/compensation/{noun}/"
        real = real.replace("compensation/quote", "provenance/quote")
        assert f'href="{there}"' in client.get(f"/admin/{real}/").content.decode()
        assert row["id"] not in client.get(f"/admin/{real}/").content.decode()
        shown = client.get(there).content.decode()
        assert f"{there}{row['id']}/" in shown
        assert words in client.get(f"{there}{row['id']}/").content.decode()
        for other in (stranger, delta):
            assert other.get(f"{there}{row['id']}/").status_code in (403, 404)
    operator = Client()
    operator.force_login(olga, backend="django.contrib.auth.backends.ModelBackend")
    assert operator.get("/admin/compensation/trialrun/").status_code == 403
    begun = operator.post(
        f"/admin/provenance/party/{lab.pk}/view-as/", {"view-as-reason": "They asked us."}
    )
    assert begun.status_code == 302, begun.content
    assert operator.get("/admin/provenance/run/").status_code == 200
    assert operator.get("/admin/compensation/trialrun/").status_code == 403
    assert "trialrun" not in operator.get("/admin/provenance/run/").content.decode()


def test_a_lab_deletes_its_own_test_data_and_no_others(tests, lab, essays) -> None:
    other = for_tests(factories.party("Delta Data", is_lab=True))
    report(tests, essays, records=5)
    kept = report(other, essays, records=5)
    signed_in(lab).post("/admin/compensation/trialrun/do/clear/")
    assert [str(pk) for pk in TrialRun.objects.values_list("pk", flat=True)] == [kept["run"]["id"]]
