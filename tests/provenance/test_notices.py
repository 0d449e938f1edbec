"""Who is told what: each kind reaches exactly the parties whom it concerns, once, in its words."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import translation

from provenance import (
    conflicts,
    ledger,
    licensing,
    notices,
    parties,
    reminders,
    signals,
    usage,
)
from provenance.models import (
    Conflict,
    Dataset,
    DatasetVersion,
    Letter,
    Licence,
    Notice,
    Party,
    Review,
    User,
)
from tests import factories
from tests.cast import NOON
from tests.provenance.conftest import DAY, claimed, decided, fresh, opened, to_decide

pytestmark = pytest.mark.django_db


def told(party: Party) -> set[str]:
    """The kinds that this party was told."""
    return set(Notice.objects.filter(party=party).values_list("kind", flat=True))


def only(party: Party, kind: str) -> notices.Said:
    """The one notice of a kind to a party, in words."""
    return notices.say(Notice.objects.get(party=party, kind=kind))


@pytest.fixture
def stranger(db: None) -> Party:
    """A party whom none of it concerns: owner and lab."""
    return factories.party("Delta Data", is_owner=True, is_lab=True)


@pytest.fixture
def offered(adas: DatasetVersion) -> Licence:
    return licensing.offer_licence(
        dataset=adas.dataset, name="Training", text="You may train.", purposes=["pretrain"], at=NOON
    )


def test_both_sides_of_a_conflict_are_told_and_nobody_else(
    conflict: Conflict, ada: Party, ben: Party, operator: Party, stranger: Party
):
    assert told(ada) == {"conflict.opened"}
    assert told(ben) == {"records.held"}
    assert told(operator) == told(stranger) == set()
    asked = Notice.objects.get(party=ada)
    assert asked.deadline_at == fresh(conflict).deadline_at == NOON + 14 * DAY
    assert Notice.objects.get(party=ben).deadline_at is None
    said = notices.say(asked)
    assert "Birch Books" in said.words
    assert said.path == reverse("admin:provenance_conflict_change", args=[conflict.pk])
    assert said.url == settings.PUBLIC_URL + said.path
    assert "3" in only(ben, "records.held").words


def test_a_claim_its_answer_and_the_decision_reach_the_side_that_is_to_act(
    conflict: Conflict, ada: Party, ben: Party, operator: Party, olga: User, stranger: Party
):
    claimed(conflict, ada, NOON + DAY)
    made = Notice.objects.get(party=ben, kind="claim.made")
    assert (made.deadline_at, "Aurora Archive" in notices.say(made).title) == (
        NOON + 15 * DAY,
        True,
    )
    assert "claim.made" not in told(ada)
    conflicts.answer(conflict=conflict, party=ben, text="Ours.", agrees=False, at=NOON + 2 * DAY)
    answered = Notice.objects.get(party=ada, kind="conflict.answered")
    assert answered.deadline_at == NOON + 16 * DAY
    conflicts.reply(conflict=conflict, party=ada, text="No.", at=NOON + 3 * DAY)
    assert Notice.objects.get(party=operator).deadline_at == NOON + 17 * DAY
    assert told(operator) == {"operator.decide"}
    decided(conflict, olga, at=NOON + 4 * DAY)
    for party in (ada, ben):
        decision = Notice.objects.get(party=party, kind="decision.made")
        assert decision.deadline_at == NOON + 34 * DAY
        assert "earlier registrant" in notices.say(decision).words
    conflicts.appeal(conflict=conflict, party=ben, text="Look again.", at=NOON + 5 * DAY)
    assert "appeal.made" in told(ada)
    assert "appeal.made" not in told(ben)
    assert Notice.objects.filter(party=operator, kind="operator.decide").count() == 2
    assert told(stranger) == set()


def test_of_what_a_side_gives_up_both_hear_without_the_deadline_of_what_goes_on(
    conflict: Conflict, ada: Party, ben: Party
) -> None:
    first = conflict.contested.filter(record__dataset=conflict.later).earliest("pk")
    for chosen in ({"record_ids": [first.record_id]}, {}):
        conflicts.concede(conflict=conflict, party=ada, outcome="common", filter=chosen, at=NOON)
    made = Notice.objects.filter(kind="decision.made")
    assert {(one.party, one.deadline_at) for one in made} == {(ada, None), (ben, None)}


def test_of_a_decision_that_a_side_completes_both_hear_until_when_they_may_appeal(
    conflict: Conflict, ada: Party, olga: User
) -> None:
    to_decide(conflict)
    first = conflict.contested.filter(record__dataset=conflict.later).earliest("pk")
    decided(conflict, olga, filter={"record_ids": [first.record_id]})
    conflicts.concede(conflict=conflict, party=ada, outcome="common", at=NOON + DAY)
    last = Notice.objects.filter(kind="decision.made", made_at=NOON + DAY)
    assert [one.deadline_at for one in last] == [NOON + 31 * DAY] * 2


def test_a_notice_keeps_english_whoever_caused_it_and_is_said_as_its_reader_speaks(
    conflict: Conflict, ada: Party, ben: Party, olga: User
):
    with translation.override("zh-hans"):
        to_decide(conflict)
        decided(conflict, olga, at=NOON + 40 * DAY)
    made = Notice.objects.get(party=ada, kind="decision.made")
    assert made.facts["outcome"] == "the records are the earlier registrant's"
    assert "the records are the earlier registrant's" in notices.say(made).words
    with translation.override("zh-hans"):
        assert "记录归较早登记方所有" in notices.say(made).words


def test_a_claim_that_waits_is_told_to_the_other_side_and_to_operators(
    conflict: Conflict, ada: Party, ben: Party, operator: Party, olga: User
):
    claimed(conflict, ben, evidence="Published in 1999.")
    assert "claim.waits" in told(ada)
    assert told(operator) == {"operator.claim_waits"}
    conflicts.admit_claim(claim=conflict.claims.get(), by=olga, at=NOON + DAY)
    assert "claim.admitted" in told(ben)
    assert "claim.made" in told(ada)


def test_a_claim_that_is_not_admitted_is_told_to_its_side_alone(
    conflict: Conflict, ada: Party, ben: Party, olga: User
):
    claimed(conflict, ben, evidence="I say so.")
    conflicts.reject_claim(claim=conflict.claims.get(), reason="Thin.", by=olga, at=NOON + DAY)
    assert "claim.rejected" in told(ben)
    assert "claim.rejected" not in told(ada)


def test_silence_releases_and_says_so(conflict: Conflict, ada: Party, ben: Party):
    conflicts.pass_deadlines(NOON + 15 * DAY)
    assert "records.released" in told(ben)
    assert "records.released" not in told(ada)


def test_a_respondents_silence_is_told_to_both_sides_and_the_operators(
    conflict: Conflict, ada: Party, ben: Party, operator: Party
):
    claimed(conflict, ada)
    conflicts.pass_deadlines(NOON + 15 * DAY)
    assert "conflict.referred" in told(ada) & told(ben)
    assert told(operator) == {"operator.decide"}


def test_an_overlap_is_told_to_who_registered_and_to_each_other_owner_of_its_own(
    adas: DatasetVersion, ben: Party, ada: Party, stranger: Party
):
    cleo = factories.party("Cleo Prints", is_owner=True)
    dan = factories.party("Dan Data", is_owner=True)
    dans = factories.version(factories.dataset(dan), ["the elder stands tall"])
    theirs = factories.version(factories.dataset(cleo, "prints"), ["the elder stands tall"])
    bens = factories.version(factories.dataset(ben, "notes"), ["the elder stands tall"])
    found = [
        factories.overlap(bens, earlier, [("the elder stands tall", "the elder stands tall")])
        for earlier in (adas, theirs, dans)
    ]
    conflicts.open_from_overlap(overlap=found[2], at=NOON)
    rows = [{"overlap": str(one.pk), "matching": 1, "possible": 0} for one in found]
    ledger.record(
        "version.screened", at=NOON, subject_kind="version", subject_id=bens.pk, party=ben,
        body={"overlaps": rows},
    )  # fmt: skip
    mine = only(ben, "overlap.found")
    assert "birch-books/notes@1" in mine.title
    assert "like: 3." in mine.words
    # Whom the conflict tells is not told twice.
    assert told(dan) == {"conflict.opened"}
    for owner in (ada, cleo):
        theirs_words = only(owner, "overlap.by_another").words
        assert "Birch Books" in theirs_words
        assert "match yours: 1;" in theirs_words
    assert told(stranger) == set()


def test_grants_are_told_to_the_owner_when_asked_and_to_the_lab_when_decided(
    offered: Licence, ada: Party, ben: Party, lab: Party
):
    asked = licensing.request_grant(lab=lab, licence=offered, purposes=["pretrain"], at=NOON)
    assert told(ada) == {"grant.asked"}
    assert "Cobalt Labs asks" in only(ada, "grant.asked").title
    assert told(lab) == set()
    licensing.give_grant(grant=asked, at=NOON)
    licensing.give_grant(grant=asked, at=NOON)
    assert told(lab) == {"grant.given"}
    licensing.revoke_grant(grant=asked, reason="We stop.", at=NOON + DAY)
    assert "We stop." in only(lab, "grant.ended").words
    assert told(ada) == {"grant.asked"}
    again = licensing.request_grant(
        lab=lab, licence=offered, purposes=["pretrain"], at=NOON + 2 * DAY
    )
    licensing.refuse_grant(grant=again, reason="Not now.", at=NOON + 2 * DAY)
    assert "Not now." in only(lab, "grant.refused").words
    assert told(ben) == set()


def test_a_licence_that_is_taken_without_asking_is_told_once_a_day(
    adas: DatasetVersion, lab: Party
):
    ada = adas.dataset.owner
    person = factories.user("ada@aurora.example", party=ada)
    licence = licensing.offer_licence(
        dataset=adas.dataset, name="Open", text="Go on.", purposes=["pretrain"],
        is_automatic=True, at=NOON,
    )  # fmt: skip
    licensing.request_grant(lab=lab, licence=licence, purposes=["pretrain"], at=NOON)
    assert told(ada) == {"grant.taken"}
    assert told(lab) == {"grant.given"}
    assert Letter.objects.get(user=person).send_at == NOON.replace(hour=8) + DAY


def used(lab: Party, subject: object, *, at=NOON, run=None, sequence=1) -> Any:
    run = run or usage.start_run(lab=lab, purpose="pretrain", name="winter", at=at)
    return usage.report_usage(
        run=run, subject=str(subject), purpose="pretrain", stream="s", sequence=sequence,
        count=usage.Count(2 * sequence, 10 * sequence, 1), used_at=at, received_at=at,
    )  # fmt: skip


def test_use_without_a_grant_is_told_to_the_lab_first_and_to_the_owner_after_14_days(
    adas: DatasetVersion, lab: Party, ada: Party, stranger: Party
):
    found = used(lab, adas)
    used(lab, adas, run=found.run, sequence=2)
    notice = Notice.objects.get(party=lab)
    assert (notice.kind, notice.deadline_at) == ("usage.ungranted", NOON + 14 * DAY)
    assert "winter" in notices.say(notice).words
    reminders.pass_deadlines(at=NOON + 13 * DAY)
    assert told(ada) == set()
    assert reminders.pass_deadlines(at=NOON + 14 * DAY) == 1
    assert reminders.pass_deadlines(at=NOON + 15 * DAY) == 0
    said = only(ada, "usage.without_grant")
    assert "Cobalt Labs" in said.words
    assert found.run.pseudonym in said.words
    assert "winter" not in said.words
    assert told(stranger) == set()


def test_who_obtains_a_grant_in_time_is_not_told_on(
    adas: DatasetVersion, offered: Licence, lab: Party, ada: Party
):
    found = used(lab, adas)
    asked = licensing.request_grant(lab=lab, licence=offered, purposes=["pretrain"], at=NOON + DAY)
    licensing.give_grant(grant=asked, at=NOON + DAY)
    assert found.is_ungranted
    reminders.pass_deadlines(at=NOON + 15 * DAY)
    assert "usage.without_grant" not in told(ada)


def test_use_of_what_nobody_registered_is_told_to_the_lab_alone(lab: Party, operator: Party):
    used(lab, "nobody/nothing")
    assert "nobody/nothing" in only(lab, "usage.unknown").title
    assert told(operator) == set()


def test_keys_and_invitations_are_told_to_their_party(ada: Party, ben: Party):
    person = factories.user("ada@aurora.example", party=ada)
    key, secret = parties.issue_key(
        party=ada, name="cluster", scopes=["develop"], created_by=person, at=NOON
    )
    parties.invite(party=ada, email="new@aurora.example", role="viewer", invited_by=person, at=NOON)
    parties.revoke_key(key=key, at=NOON)
    assert told(ada) == {"key.created", "member.invited", "key.revoked"}
    words = only(ada, "key.created").words
    assert person.email in words
    assert "It may: read; runs, usage and models." in words
    with translation.override("zh-hans"):
        assert "读取；训练运行、使用和模型" in only(ada, "key.created").words
    assert secret.split("_", 2)[2] not in words
    assert told(ben) == set()


def test_a_review_is_told_to_the_lab_and_to_operators_and_not_to_the_owner(
    adas: DatasetVersion, lab: Party, ada: Party, operator: Party, olga: User
):
    found = used(lab, adas)
    review = Review.objects.create(
        rule="gap", run=found.run, subject=found.subject, purpose="pretrain", usage=found,
        version=adas, measure=1, evidence={}, raised_at=NOON, found_at=NOON,
    )  # fmt: skip
    ledger.record(
        "review.opened", at=NOON, subject_kind="review", subject_id=review.pk, party=lab,
        other_party=ada, body={},
    )  # fmt: skip
    assert "reports are missing" in only(lab, "review.raised").title
    assert "winter" not in only(operator, "operator.review").title
    assert told(ada) == set()
    signals.close(
        review=review, outcome="explained", reason="It was the network.", by=olga, at=NOON
    )
    assert "It was the network." in only(lab, "review.closed").words


def test_a_deadline_is_recalled_once_three_days_before_to_whoever_is_awaited(
    conflict: Conflict, ada: Party, ben: Party
):
    assert reminders.remind(at=NOON + 10 * DAY) == 0
    assert reminders.remind(at=NOON + 11 * DAY) == 1
    assert reminders.remind(at=NOON + 12 * DAY) == 0
    said = only(ada, "deadline.near")
    assert said.title.startswith("Until 15 March 2026 at 12:00 UTC: Records of Birch Books")
    opens = Notice.objects.get(party=ada, kind="conflict.opened")
    assert said.path == reverse("admin:provenance_notice_open", args=[opens.pk])
    assert "deadline.near" not in told(ben)


def test_a_deadline_is_mailed_to_those_who_may_act(adas, bens, ada: Party):
    for role in ("rights", "viewer", "finance"):
        factories.user(f"{role}@aurora.example", party=ada, role=role)
    opened(bens, adas)
    reminders.remind(at=NOON + 11 * DAY)
    mailed = Letter.objects.filter(notice__kind="deadline.near").exclude(send_at=None)
    assert [letter.user.email for letter in mailed if letter.user] == ["rights@aurora.example"]


def test_nobody_is_reminded_of_what_is_settled(conflict: Conflict, ada: Party, ben: Party):
    claimed(conflict, ada, NOON + DAY)
    conflicts.answer(conflict=conflict, party=ben, text="", agrees=True, at=NOON + 2 * DAY)
    assert reminders.remind(at=NOON + 12 * DAY + timedelta(hours=1)) == 0


def test_what_is_told_is_rolled_back_with_the_fact(adas: DatasetVersion, bens: DatasetVersion):
    from django.db import transaction

    class Trouble(Exception):
        pass

    with contextlib.suppress(Trouble), transaction.atomic():
        opened(bens, adas)
        assert Notice.objects.exists()
        raise Trouble
    assert not Notice.objects.exists()


def test_the_same_fact_is_told_once(ada: Party):
    factories.user("ada@aurora.example", party=ada)
    for _ in range(2):
        notices.tell("payout.sent", party=ada, key="one", at=NOON, amount="1 EUR")
    assert Notice.objects.count() == Letter.objects.count() == 1


def test_every_kind_can_be_said_with_any_facts_and_leads_to_a_page(ada: Party, essays_of: Dataset):
    class Everything(dict[str, str]):
        def __missing__(self, key: str) -> str:
            return "…"

    for kind in notices.kinds():
        assert "%" not in str(kind.name)
        assert str(kind.title) % Everything()
        assert str(kind.words) % Everything()
        assert kind.right in {"read", "rights", "finance", "develop", "members"}
        reverse(kind.page, args=[] if kind.is_list else [str(essays_of.pk)])


@pytest.fixture
def essays_of(ada: Party) -> Dataset:
    return factories.dataset(ada)


def test_a_conflict_that_goes_on_is_told_again_with_its_new_time(conflict: Conflict, ada: Party):
    to_decide(conflict)
    assert not Notice.objects.filter(party=ada, kind="claim.made").exists()
    assert Notice.objects.filter(party=ada, kind="conflict.opened").count() == 1


def test_the_documentation_names_every_kind():
    page = (settings.BASE_FOLDER / "docs" / "notifications.md").read_text()
    assert [kind.code for kind in notices.kinds() if f"`{kind.code}`" not in page] == []
