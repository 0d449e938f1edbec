"""Policies: tried on what was, put in force with a reason, and acting on what comes."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.db import IntegrityError, InternalError, transaction
from django.test import Client
from django.urls import reverse

from compensation import billing, policies
from compensation.admin import queue
from compensation.models import Policy, PolicyAct
from provenance import casework, conflicts, parties, policy, signals, usage
from provenance.models import AccessLog, CaseKind, Event, Party, Review, User
from tests import factories
from tests.cast import NOON
from tests.compensation.conftest import grant, priced, use
from tests.provenance.conftest import (  # noqa: F401
    DAY,
    adas,
    bens,
    claimed,
    conflict,
    to_decide,
)

pytestmark = pytest.mark.django_db

PAGE = "/admin/compensation/policy/"
LATER = NOON + timedelta(minutes=10)


def written(by: User, condition='case.kind == "conflict"', at=NOON, **more) -> Policy:
    given = {"name": "Conflicts first", "target": "case", "due_hours": 24, **more}
    return policies.write(condition=condition, by=by, at=at, **given)


def in_force(by: User, condition='case.kind == "conflict"', at=NOON, **more) -> Policy:
    rule = written(by, condition, at, **more)
    return policies.begin(rule=rule, reason="They wait too long.", by=by, at=at)


def of_reports(by: User, condition: str, at=NOON) -> Policy:
    more = {"name": "Look", "target": "use", "due_hours": None, "words": "Why so much?"}
    return in_force(by, condition, at, **more)


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


# Conditions.


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("", "between 1 and 1000 letters"),
        ("case.kind ==", "This is not CEL"),
        ("case.colour == 'red'", "There is no fact case.colour"),
        ("case.stake > 10 && case . color == 1", "There is no fact case.color"),
        ("true", "names no fact"),
        ("'case.kind' == 'case.kind'", "names no fact"),
        ("case.stake", "yes or no"),
        ("case.kind > 5 || case.kind + 1 == 2", "yes or no"),
        ("use.records > 5", "names no fact"),
        ("case.stake > 0 && other", "yes or no"),
        ("case.stake > 0 && case['score'] > 5", "Name each fact as case.name"),
        ("[case].exists(c, c.score > case.share)", "Name each fact as case.name"),
    ],
)
def test_a_condition_that_says_nothing_of_the_facts_is_refused_in_words(
    condition: str, said: str, olga: User
) -> None:
    with pytest.raises(policy.BadCondition) as refusal:
        written(olga, condition)
    assert said in f"{refusal.value.detail} {refusal.value.next_step}"


def test_what_cannot_be_decided_does_not_hold() -> None:
    made = policy.condition("case.stake / case.records > 2", root="case")
    assert made.names == {"stake", "records"}
    assert made.decide({"stake": 9, "records": 3}) is True
    assert made.decide({"stake": 9, "records": 0}) is None
    assert made.decide({"stake": "much", "records": 1}) is None
    assert made.decide({}) is None


@pytest.mark.parametrize("target", ["case", "use"])
def test_each_published_fact_may_be_named_alone(target: str, olga: User) -> None:
    for name, fact in policies.FACTS[target].items():
        made = policy.condition(f"{target}.{name} == {target}.{name}", root=target)
        policy.require_sound(made, {name: fact.example})


def test_a_policy_does_only_what_its_target_allows(olga: User, ada: Party) -> None:
    stranger = factories.user("ada@aurora.example", party=ada)
    for wrong in (
        {"due_hours": None},
        {"words": "Why?"},
        {"target": "use"},
        {"target": "use", "due_hours": None},
        {"target": "money"},
        {"name": " "},
        {"due_hours": 0},
    ):
        with pytest.raises(policies.BadPolicy):
            written(olga, 'case.kind == "x"', **wrong)
    with pytest.raises(casework.NotAColleague):
        written(olga, assign_to=stranger)
    with pytest.raises(policies.NotForYou):
        written(stranger)
    assert not Policy.objects.exists()


# In force, and not.


def test_nothing_is_done_by_a_policy_that_is_not_in_force(conflict, olga) -> None:  # noqa: F811
    to_decide(conflict)
    rule = written(olga, assign_to=olga)
    assert policies.act(at=LATER) == 0
    rule = policies.begin(rule=rule, reason="They wait too long.", by=olga, at=NOON)
    policies.end(rule=rule, reason="Enough.", by=olga, at=LATER)
    assert policies.act(at=LATER) == 0
    assert casework.assignees(CaseKind.CONFLICT) == {}
    assert not PolicyAct.objects.exists()


def test_putting_in_force_and_ending_take_a_reason_and_stand_in_the_ledger(olga, ada) -> None:
    rule = written(olga)
    stranger = factories.user("ada@aurora.example", party=ada)
    with pytest.raises(policies.BadPolicy):
        policies.begin(rule=rule, reason=" ", by=olga, at=NOON)
    with pytest.raises(policies.NotForYou):
        policies.begin(rule=rule, reason="Mine.", by=stranger, at=NOON)
    tried = {"tried_on": 7, "would_act_on": 2}
    policies.begin(rule=rule, reason="They wait too long.", by=olga, at=NOON, tried=tried)
    with pytest.raises(policies.BadPolicy):
        policies.end(rule=rule, reason="", by=olga, at=LATER)
    policies.end(rule=rule, reason="Enough.", by=olga, at=LATER)
    policies.end(rule=rule, reason="Once more.", by=olga, at=LATER)
    begun, ended = Event.objects.filter(subject_kind="policy").order_by("pk")
    assert (begun.kind, ended.kind) == ("policy.begun", "policy.ended")
    assert begun.subject_id == rule.pk
    assert (begun.body["tried_on"], begun.body["would_act_on"]) == (7, 2)
    assert len(begun.body["rule_sha256"]) == 64
    assert "conflict" not in str(begun.body)


def test_the_next_version_takes_the_place_of_the_one_before(olga: User) -> None:
    first = in_force(olga)
    second = in_force(olga, 'case.kind == "claim"', LATER)
    first.refresh_from_db()
    assert (first.version, second.version) == (1, 2)
    assert first.ended_at == LATER
    assert list(Policy.objects.in_force()) == [second]


def test_the_database_keeps_what_a_policy_says_and_did(conflict, olga) -> None:  # noqa: F811
    to_decide(conflict)
    rule = in_force(olga)
    assert policies.act(at=LATER) == 1
    for change in (
        lambda: Policy.objects.update(condition="case.stake > 0"),
        lambda: Policy.objects.update(due_hours=1),
        lambda: PolicyAct.objects.update(facts={}),
        lambda: PolicyAct.objects.all().delete(),
        lambda: Policy.objects.filter(pk=rule.pk).delete(),
    ):
        with pytest.raises((IntegrityError, InternalError)), transaction.atomic():
            change()


# On cases.


def test_a_case_is_brought_forward_and_given_to_who_should_have_it(
    conflict,  # noqa: F811
    olga,
    otto,
) -> None:
    to_decide(conflict)
    in_force(olga, assign_to=otto)
    (before,) = queue.cases(at=NOON, limit=50)
    assert policies.act(at=LATER) == 1
    (case,) = queue.cases(at=LATER, limit=50)
    assert case.due_at == LATER + timedelta(hours=24) < before.due_at
    assert case.assignee == otto
    assert "brought forward by the policy “Conflicts first”" in case.words
    assert policies.act(at=LATER) == 0
    act = PolicyAct.objects.get()
    assert act.facts["parties"] == sorted(
        [conflict.later.owner.namespace, conflict.earlier.owner.namespace]
    )


def test_what_is_brought_forward_is_found_though_much_is_due_before(rich_lab, essays, olga) -> None:
    first = _review(rich_lab, essays)
    second = _review(rich_lab, essays, records=9, at=NOON + DAY)
    in_force(olga, "case.records == 9", NOON + DAY, due_hours=1)
    assert [case.key for case in queue.cases(at=NOON + DAY, limit=1)] == [str(first.pk)]
    policies.act(at=NOON + DAY)
    assert [case.key for case in queue.cases(at=NOON + DAY, limit=1)] == [str(second.pk)]
    both = queue.cases(at=NOON + DAY, limit=50)
    assert [case.key for case in both] == [str(second.pk), str(first.pk)]
    nobodys = queue.cases(at=NOON + DAY, limit=1, whose="nobody")
    assert [case.key for case in nobodys] == [str(second.pk)]
    assert queue.cases(at=NOON + DAY, limit=1, whose="mine", person=olga) == []


def test_no_case_is_taken_away_from_who_has_it(conflict, olga, otto) -> None:  # noqa: F811
    to_decide(conflict)
    key = str(conflict.pk)
    casework.assign(kind=CaseKind.CONFLICT, subject=key, to=olga, by=olga, at=NOON)
    in_force(olga, assign_to=otto)
    policies.act(at=LATER)
    assert casework.assignees(CaseKind.CONFLICT) == {key: olga}
    assert PolicyAct.objects.get().assigned_to is None


def test_a_case_is_never_due_later_because_of_a_policy(conflict, olga) -> None:  # noqa: F811
    to_decide(conflict)
    in_force(olga, due_hours=24 * 300)
    (before,) = queue.cases(at=NOON, limit=50)
    policies.act(at=LATER)
    assert queue.cases(at=NOON, limit=50) == [before]


def test_an_appeal_is_not_given_to_who_decided_nor_a_case_to_a_side(
    conflict,  # noqa: F811
    olga,
    otto,
) -> None:
    to_decide(conflict)
    conflicts.decide(conflict=conflict, outcome="to_earlier", reasons="So.", by=olga, at=NOON)
    conflicts.appeal(conflict=conflict, party=conflict.later.owner, text="No.", at=NOON)
    in_force(olga, 'case.kind == "appeal"', assign_to=olga)
    policies.act(at=LATER)
    assert casework.assignees(CaseKind.APPEAL) == {}
    parties.add_member(party=conflict.later.owner, user=otto, role="admin", at=NOON)
    in_force(olga, 'case.kind == "appeal"', LATER, assign_to=otto)
    policies.act(at=LATER)
    assert casework.assignees(CaseKind.APPEAL) == {}


def test_money_at_stake_and_days_of_waiting_are_facts(
    conflict,  # noqa: F811
    rich_lab,
    euro,
    olga,
) -> None:
    version = conflict.later.versions.get()
    priced(version, euro, price_units=1_000_000_000)
    grant(rich_lab, version)
    use(rich_lab, version, records=5)
    billing.bill_batch(at=NOON + timedelta(hours=1))
    to_decide(conflict)
    rule = in_force(olga, 'case.stake >= 3 && "iso4217:EUR" in case.assets && case.age_days >= 2')
    assert policies.act(at=NOON + 2 * DAY - timedelta(hours=1)) == 0
    (would,) = policies.dry_run(rule, at=NOON + 5 * DAY).would
    assert would.at == NOON + 2 * DAY
    assert policies.act(at=NOON + 2 * DAY) == 1
    assert PolicyAct.objects.get().facts["stake"] == 3


def test_a_case_that_comes_back_is_a_new_one(rich_lab, essays, olga) -> None:
    review = _review(rich_lab, essays)
    in_force(olga, 'case.kind == "review"', assign_to=olga)
    assert policies.act(at=LATER) == 1
    review = signals.close(review=review, outcome="explained", reason="x", by=olga, at=LATER)
    assert policies.act(at=LATER) == 0
    assert PolicyAct.objects.get().gone_at == LATER
    Review.objects.filter(pk=review.pk).update(
        state="open", closed_at=None, assignee=None, outcome="", reason="", closed_by=None
    )
    assert policies.act(at=LATER + DAY) == 1
    assert casework.assignees(CaseKind.REVIEW) == {str(review.pk): olga}


def _review(lab: Party, version, *, records: int = 5, at=NOON) -> Review:
    used = use(lab, version, records=records)
    return signals.ask_for_a_look(usage=used, policy="x", version=1, words="?", at=at)


# On reports.


def test_a_review_is_raised_on_new_reports_once_and_moves_no_money(rich_lab, essays, olga) -> None:
    grant(rich_lab, essays)
    before = use(rich_lab, essays, records=9, at=NOON - DAY)
    of_reports(olga, "use.records >= 5")
    assert policies.act(at=LATER) == 0
    after = use(rich_lab, essays, records=9, at=LATER)
    use(rich_lab, essays, records=1, at=LATER)
    assert policies.act(at=LATER + DAY) == 1
    assert policies.act(at=LATER + DAY) == 0
    review = Review.objects.get()
    assert (review.usage, review.rule, review.assignee) == (after, "policy", None)
    assert review.usage != before
    assert "Why so much?" in signals.say_evidence(review)
    signals.raise_reviews(since=NOON - DAY, at=LATER + DAY)
    review.refresh_from_db()
    assert review.gone_at is None


def test_reports_that_are_too_many_for_one_pass_are_looked_at_in_the_next(
    rich_lab, essays, olga, monkeypatch
) -> None:
    monkeypatch.setattr("compensation.policies.acting.MOST_REVIEWS", 2)
    of_reports(olga, "use.records > 0")
    for minute in range(1, 6):
        use(rich_lab, essays, records=1, at=NOON + timedelta(minutes=minute))
    acted = [policies.act(at=LATER) for _ in range(4)]
    assert acted == [2, 2, 1, 0]
    assert Review.objects.count() == 5


def test_a_use_of_what_nobody_registered_is_a_report_too(lab, olga) -> None:
    of_reports(olga, 'use.owner == "" && use.dataset.contains("stolen") && !use.is_granted')
    run = usage.start_run(lab=lab, purpose="pretrain", at=LATER)
    usage.report_usage(
        run=run, subject="somebody/stolen", purpose="pretrain", stream="s", sequence=1,
        count=usage.Count(7, 0, 1), used_at=LATER, received_at=LATER,
    )  # fmt: skip
    assert policies.act(at=LATER) == 1


# The dry run and the pages.


def test_a_dry_run_says_what_would_have_been_done_and_does_nothing(
    conflict,  # noqa: F811
    olga,
    rich_lab,
) -> None:
    to_decide(conflict)
    conflicts.decide(conflict=conflict, outcome="to_earlier", reasons="So.", by=olga, at=NOON + DAY)
    review = _review(rich_lab, conflict.later.versions.get())
    rule = written(olga, 'case.kind in ["conflict", "review"] && case.share >= 0')
    events = Event.objects.count()
    found = policies.dry_run(rule, at=NOON + 80 * DAY)
    assert found.looked_at == 2
    assert {one.matter.key for one in found.would} == {str(conflict.pk), str(review.pk)}
    assert {one.at for one in found.would} == {NOON}
    late = policies.dry_run(rule, at=NOON + 92 * DAY)
    assert [one.matter.key for one in late.would] == [str(review.pk)]
    assert Event.objects.count() == events
    assert not PolicyAct.objects.exists()


def test_an_operator_writes_tries_puts_in_force_and_ends_on_pages(
    conflict,  # noqa: F811
    olga,
) -> None:
    to_decide(conflict)
    client = signed_in(olga)
    asked = {"write-name": "Big ones", "write-target": "case", "write-due_hours": 12}
    wrong = client.post(f"{PAGE}do/write/", {**asked, "write-condition": "case.size > 1"})
    assert wrong.status_code == 422
    assert "There is no fact case.size" in wrong.content.decode()
    right = {**asked, "write-condition": 'case.kind == "conflict"'}
    answer = client.post(f"{PAGE}do/write/", right)
    rule = Policy.objects.get()
    assert answer["Location"] == reverse("admin:compensation_policy_change", args=[rule.pk])
    shown = client.get(answer["Location"]).content.decode()
    assert "It would have acted on 1 of 1." in shown
    assert f"/admin/provenance/conflict/{conflict.pk}/" in shown
    assert AccessLog.objects.filter(what="policies", party=conflict.later.owner).exists()
    sheet = client.get(f"{PAGE}{rule.pk}/sheet/")
    (row,) = csv.DictReader(io.StringIO(sheet.content.decode()))
    assert (row["Key"], row["What it does"]) == (str(conflict.pk), "due within 12 hours")
    assert client.post(f"{PAGE}{rule.pk}/begin/", {"begin-reason": ""}).status_code == 422
    client.post(f"{PAGE}{rule.pk}/begin/", {"begin-reason": "Too slow."})
    assert Event.objects.get(kind="policy.begun").body["would_act_on"] == 1
    assert policies.act(at=NOON) == 1
    shown = client.get(f"{PAGE}{rule.pk}/").content.decode()
    assert "It acted 1 time." in shown
    assert "Too slow." in shown
    assert str(conflict.pk) in client.get(f"{PAGE}{rule.pk}/sheet/").content.decode()
    revised = {**right, "revise-target": "case", "revise-condition": "case.stake > 9",
               "revise-due_hours": 6}  # fmt: skip
    client.post(f"{PAGE}{rule.pk}/revise/", revised)
    assert Policy.objects.get(version=2).name == "Big ones"
    client.post(f"{PAGE}{rule.pk}/end/", {"end-reason": "Enough."})
    rule.refresh_from_db()
    assert rule.ended_reason == "Enough."
    assert client.get(PAGE).status_code == 200


def test_policies_are_nobodys_business_but_the_operators(ada, lab, olga) -> None:
    rule = in_force(olga)
    for party, email in ((ada, "ada@aurora.example"), (lab, "lea@cobalt.example")):
        client = signed_in(factories.user(email, party=party))
        assert client.get(PAGE).status_code in (403, 404)
        for page in ("", "sheet/", "end/", "revise/"):
            assert client.get(f"{PAGE}{rule.pk}/{page}").status_code in (403, 404)
        refused = client.post(f"{PAGE}{rule.pk}/end/", {"end-reason": "Mine."})
        assert refused.status_code in (403, 404)
        client.post(f"{PAGE}do/write/", {"write-name": "x"})
        assert "compensation/policy" not in client.get("/admin/").content.decode()
    assert Policy.objects.in_force().get() == rule
