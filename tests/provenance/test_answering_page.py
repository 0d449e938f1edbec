"""The inbox of conflicts in the web: narrowed, answered at once, and never by anybody else."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from provenance.models import BulkAnswer, Conflict, DatasetVersion, Party, User
from tests import factories
from tests.provenance.conftest import SAME, claimed, fresh, held, opened

pytestmark = pytest.mark.django_db

State = Conflict.State
LIST = "admin:provenance_conflict_changelist"
ANSWER = "admin:provenance_conflict_answer"


def signed_in(party: Party, role: str = "admin") -> Client:
    email = f"{role}@{party.namespace}.example"
    person = User.objects.filter(email=email).first()
    client = Client()
    client.force_login(person or factories.user(email, party=party, role=role))
    return client


@pytest.fixture
def inbox(adas: DatasetVersion, ben: Party) -> list[Conflict]:
    """Two newcomers with three records of Ada's each."""
    cato = factories.party("Cato Prints", is_owner=True)
    named = ((ben, "first-copies"), (cato, "second-copies"))
    return [
        opened(factories.version(factories.dataset(one, name), SAME), adas) for one, name in named
    ]


def answered(client: Client, query: dict[str, str], **said: str):
    address = f"{reverse(ANSWER)}?" + "&".join(f"{k}={v}" for k, v in query.items())
    return client.post(address, said, follow=True)


def test_the_list_is_narrowed_by_other_side_state_kind_and_deadline(
    inbox: list[Conflict], ada: Party, ben: Party
) -> None:
    client = signed_in(ada)
    claimed(inbox[0], ada)
    for query, shown in (
        ({"other": str(ben.pk)}, [0]),
        ({"state": "claimed"}, [0]),
        ({"state": "mine"}, [1]),
        ({"kind": "exact"}, [0, 1]),
        ({"kind": "near"}, []),
        ({"due": "over"}, [0, 1]),
        ({"due": "3"}, []),
        ({"dataset": str(inbox[0].earlier_id), "state": "open"}, [1]),
    ):
        page = client.get(reverse(LIST), query).content.decode()
        for at, conflict in enumerate(inbox):
            assert (conflict.later.name in page.split("result_list")[-1]) == (at in shown), query


def test_one_action_answers_the_filtered_set_and_its_page_says_what_came_of_it(
    inbox: list[Conflict], ada: Party, ben: Party
) -> None:
    client = signed_in(ada)
    page = client.get(reverse(ANSWER)).content.decode()
    assert "records: 6; conflicts: 2" in page
    done = answered(client, {"other": str(ben.pk), "kind": "exact"}, choice="keep")
    assert "<dd>Exact</dd>" in done.content.decode()
    assert "Records answered: 3; conflicts: 1." in done.content.decode()
    assert [fresh(one).state for one in inbox] == [State.CLOSED, State.OPEN]
    assert BulkAnswer.objects.get().made_by is not None


def test_records_are_given_up_by_two_steps_and_only_what_can_be_answered_is_counted(
    inbox: list[Conflict], ada: Party
) -> None:
    client = signed_in(ada)
    Conflict.objects.filter(pk=inbox[1].pk).update(state=State.DECIDED, awaits=None)
    page = client.get(reverse(ANSWER)).content.decode()
    assert "1 conflict is chosen that you can answer now." in page
    refused = answered(client, {}, choice="give")
    assert refused.status_code == 422
    assert "Confirm it here: you cannot take it back." in refused.content.decode()
    assert not BulkAnswer.objects.exists()
    answered(client, {}, choice="give", is_sure="on")
    assert fresh(inbox[0]).state == State.CLOSED


def test_an_answer_without_its_words_changes_nothing_and_says_what_is_missing(
    inbox: list[Conflict], ada: Party
) -> None:
    refused = answered(signed_in(ada), {}, choice="claim")
    assert refused.status_code == 422
    assert "Say in your own words" in refused.content.decode()
    assert not BulkAnswer.objects.exists()
    assert signed_in(ada).post(reverse(ANSWER), {"choice": "reply"}).status_code == 422


def test_when_nothing_waits_the_page_says_so_and_where_to_go(adas, ada: Party) -> None:
    page = signed_in(ada).get(reverse(ANSWER)).content.decode()
    assert "Nothing here waits for an answer" in page
    assert "Show all conflicts" in page


def test_nobody_else_answers_narrows_or_reads_the_answers(
    inbox: list[Conflict], ada: Party, ben: Party, lab: Party, operator: Party
) -> None:
    for party in (lab, operator):
        assert signed_in(party).get(reverse(ANSWER)).status_code == 403
    viewer = signed_in(ada, role="viewer")
    assert viewer.post(reverse(ANSWER), {"choice": "keep"}).status_code == 403
    assert "Answer these at once" not in viewer.get(reverse(LIST)).content.decode()
    stranger = signed_in(factories.party("Delta Data", is_owner=True))
    assert "Ada" not in stranger.get(reverse(ANSWER), {"other": str(ada.pk)}).content.decode()
    answered(signed_in(ada), {}, choice="keep")
    given = BulkAnswer.objects.get()
    for name in ("change", "progress"):
        address = reverse(f"admin:provenance_bulkanswer_{name}", args=[given.pk])
        for client in (stranger, signed_in(ben)):
            assert client.get(address).status_code == 404


def test_a_claim_is_withdrawn_on_its_page(inbox: list[Conflict], ada: Party, ben: Party) -> None:
    claimed(inbox[0], ada)
    address = reverse("admin:provenance_conflict_verb", args=[inbox[0].pk, "withdraw"])
    signed_in(ben).post(address)
    assert fresh(inbox[0]).state == State.CLAIMED
    page = signed_in(ada).post(address, follow=True).content.decode()
    assert "Your claim is withdrawn" in page
    assert "took its claim back" in page
    assert held(inbox[0].later.versions.get()) == 0
