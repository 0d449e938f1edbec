"""Pages on which owners divide datasets and declare what they were made from."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from provenance import contributors, derivation, licensing
from provenance.models import (
    Contributor,
    Dataset,
    DatasetVersion,
    Derivation,
    Invitation,
    Party,
    Split,
)
from tests import factories
from tests.cast import NOON

pytestmark = pytest.mark.django_db


def page(noun: str, subject: object, verb: str = "") -> str:
    address = reverse(f"admin:provenance_{noun}_change", args=[getattr(subject, "pk", subject)])
    return f"{address}{verb}/" if verb else address


@pytest.fixture
def essays(ada: Party) -> DatasetVersion:
    return factories.version(factories.dataset(ada), ["one long enough text here", "short"])


@pytest.fixture
def mixes(ben: Party) -> DatasetVersion:
    return factories.version(factories.dataset(ben, "mixes"), ["a mix of many texts"])


@pytest.fixture
def sign_in():
    def signed_in(party: Party, role: str = "admin") -> Client:
        client = Client()
        email = f"{role}@{party.namespace}.example"
        client.force_login(factories.user(email, party=party, role=role))
        return client

    return signed_in


def test_several_contributors_are_invited_at_once_and_each_has_its_own_account(
    ada, ben, sign_in, mailoutbox
):
    client = sign_in(ada)
    address = reverse("admin:provenance_contributor_list_verb", args=["invite-many"])
    field = "invite-many-people"
    for wrong in ("Ann", "Ann = nobody", "Ann = a@x.example\nAnn = b@x.example"):
        assert client.post(address, {field: wrong}).status_code == 422
    assert not Invitation.objects.exists()
    done = client.post(address, {field: "Ann = ann@x.example\n\nBob = bob@x.example"}, follow=True)
    assert "2 invitations were mailed" in done.content.decode()
    asked = {one.email: one.party for one in Invitation.objects.all()}
    assert asked["ann@x.example"] != asked["bob@x.example"]
    assert {str(name) for name in Contributor.objects.values_list("label", flat=True)} == {
        "Ann", "Bob",
    }  # fmt: skip
    factories.user("ann@x.example", party=asked["ann@x.example"])
    again = client.post(address, {field: "Ann = other@x.example"}, follow=True)
    assert "Somebody acts already for: Ann" in again.content.decode()
    assert not Invitation.objects.filter(email="other@x.example").exists()
    assert Contributor.objects.filter(owner=ben).count() == 0


def test_the_page_of_a_dataset_tells_every_split_there_was(ada, essays, sign_in):
    ann = contributors.name(owner=ada, label="Ann", at=NOON)
    for weight, start in ((1, False), (3, True)):
        contributors.divide(
            dataset=essays.dataset, owner_weight=2, weights={ann: weight},
            from_the_start=start, at=NOON,
        )  # fmt: skip
    shown = " ".join(sign_in(ada).get(page("dataset", essays.dataset)).content.decode().split())
    assert "Every split so far" in shown
    assert "Ann: 3, Aurora Archive: 2" in shown
    assert "Aurora Archive: 2, Ann: 1" in shown
    assert "replaced altogether by split 2" in shown
    assert shown.count("in force") == 1


def test_an_owner_divides_a_dataset_on_its_page(ada, ben, essays, sign_in):
    client = sign_in(ada)
    form = {"divide-owner_weight": 1, "divide-weights": "ann = 2\nbob=1", "divide-when": "start"}
    wrong = client.post(
        page("dataset", essays.dataset, "divide"), {**form, "divide-weights": "ann 2"}
    )
    assert "Line 1 is not: name = weight." in wrong.content.decode()
    done = client.post(page("dataset", essays.dataset, "divide"), form, follow=True)
    shown = done.content.decode()
    assert "Split 1 holds" in shown
    assert "ann" in shown
    split = Split.objects.get()
    assert split.from_the_start
    assert sorted(share.weight for share in split.shares.all()) == [1, 1, 2]
    stranger = sign_in(ben)
    assert stranger.post(page("dataset", essays.dataset, "divide"), form).status_code == 404
    viewer = sign_in(ada, "viewer")
    viewer.post(page("dataset", essays.dataset, "divide"), form)
    assert Split.objects.count() == 1


def test_records_divide_it_where_somebody_is_credited(ada, essays, sign_in):
    client = sign_in(ada)
    form = {"divide-percent": "50", "divide-when": "now"}
    client.post(page("datasetversion", essays, "divide"), form)
    assert not Split.objects.exists()
    contributors.credit(version=essays, labels={"r0": "ann"}, at=NOON)
    client.post(page("datasetversion", essays, "divide"), form)
    weights = {share.party.name: share.weight for share in Split.objects.get().shares.all()}
    assert weights == {ada.name: 2, f"Contributor 1 of {ada.name}": 1}
    assert "counts 4 points" in client.get(page("dataset", essays.dataset)).content.decode()


def test_an_account_is_handed_over_and_its_share_seen_by_its_new_owner(ada, ben, essays, sign_in):
    ann, bob = (contributors.name(owner=ada, label=each, at=NOON) for each in ("ann", "bob"))
    contributors.divide(dataset=essays.dataset, owner_weight=5, weights={ann: 2, bob: 3}, at=NOON)
    client = sign_in(ada)
    sent = client.post(page("contributor", ann, "invite"), {"invite-email": "ann@home.example"})
    assert "Invitation sent" in sent.content.decode()
    assert Invitation.objects.get().party == ann.party
    theirs = sign_in(ann.party)
    shares = theirs.get(reverse("admin:provenance_splitshare_changelist")).content.decode()
    assert "2 of 10" in shares
    assert "3 of 10" not in shares
    mine = ann.party.split_shares.get()
    assert "2 of 10 parts" in theirs.get(page("splitshare", mine)).content.decode()
    assert theirs.get(page("splitshare", bob.party.split_shares.get())).status_code == 404
    assert theirs.get(page("contributor", ann)).status_code == 404
    # Who has taken it over invites by itself; the first owner cannot do so again.
    client.post(page("contributor", ann, "invite"), {"invite-email": "eve@home.example"})
    assert Invitation.objects.count() == 1
    assert "A person acts for it" in client.get(page("contributor", ann)).content.decode()
    assert "ann" in client.get(reverse("admin:provenance_contributor_changelist")).content.decode()


def test_a_derivation_is_declared_and_accepted_on_pages(ada, ben, essays, mixes, sign_in):
    child, parent = sign_in(ben), sign_in(ada)
    form = {"made-from-parent": str(essays), "made-from-percent": "12.5",
            "made-from-policy": "relative", "made-from-from_the_start": "on"}  # fmt: skip
    wrong = child.post(
        page("dataset", mixes.dataset, "made-from"), {**form, "made-from-parent": "a/b@1"}
    )
    assert "no sealed version of that name" in wrong.content.decode()
    child.post(page("dataset", mixes.dataset, "made-from"), form)
    made = Derivation.objects.get()
    assert (made.basis_points, made.state) == (1_250, "declared")
    assert "has not decided yet" in child.get(page("derivation", made)).content.decode()
    child.post(page("derivation", made, "accept"))
    made.refresh_from_db()
    assert made.state == "declared"
    assert "waits for your word" in parent.get(page("derivation", made)).content.decode()
    parent.post(page("derivation", made, "accept"))
    made.refresh_from_db()
    assert made.state == "accepted"
    assert "It owes 12.5 %" in child.get(page("dataset", mixes.dataset)).content.decode()
    assert str(mixes.dataset) in parent.get(page("dataset", essays.dataset)).content.decode()
    parent.post(page("derivation", made, "end"), {"end-reason": "Enough."})
    made.refresh_from_db()
    assert (made.state, made.reason) == ("ended", "Enough.")


def test_parents_are_named_when_a_dataset_is_registered_on_the_page(ada, ben, essays, sign_in):
    address = reverse("admin:provenance_dataset_changelist") + "do/register/"
    owner = sign_in(ben)
    form = {
        f"register-{name}": value
        for name, value in {
            "title": "Mixes", "kind": "text", "is_fingerprint_only": "on",
            "made_from": f"{essays} 12.5% absolute\n",
        }.items()
    }  # fmt: skip
    for line, said in (
        (f"{essays} a lot", "does not read like"),
        (f"{essays} 101%", "does not read like"),
        ("nobody/nothing@1 5", "There is no sealed version of that name: nobody/nothing@1."),
    ):
        wrong = owner.post(address, {**form, "register-made_from": line})
        assert said in wrong.content.decode()
    twice = {**form, "register-made_from": f"{essays} 60%\n{essays} 60% absolute"}
    owner.post(address, twice)
    assert not Dataset.objects.filter(owner=ben).exists()
    owner.post(address, form)
    made = Derivation.objects.get()
    assert (made.child.title, made.source, made.policy, made.basis_points) == (
        "Mixes", essays, "absolute", 1_250,
    )  # fmt: skip
    assert made.state == "declared"
    sign_in(ben, "viewer").post(address, form)
    assert Derivation.objects.count() == 1


def test_a_stack_over_the_whole_is_said_on_the_page(ada, ben, essays, mixes, sign_in):
    third = factories.version(factories.dataset(ada, "third"), ["a third text"])
    derivation.declare(
        child=mixes.dataset, source=third, policy="relative", basis_points=9_000, at=NOON
    )
    form = {"made-from-parent": str(essays), "made-from-percent": "20",
            "made-from-policy": "absolute"}  # fmt: skip
    answer = sign_in(ben).post(page("dataset", mixes.dataset, "made-from"), form)
    assert answer.status_code == 422
    assert "would be owed 110 % of its revenue" in answer.content.decode()


def test_a_stranger_sees_no_derivation_and_no_contributor(ada, ben, lab, essays, mixes, sign_in):
    made = derivation.declare(
        child=mixes.dataset, source=essays, policy="relative", basis_points=1, at=NOON
    )
    ann = contributors.name(owner=ada, label="ann", at=NOON)
    stranger = sign_in(factories.party("Delta", is_owner=True))
    for address in (page("derivation", made), page("contributor", ann)):
        assert stranger.get(address).status_code == 404
    assert stranger.post(page("derivation", made, "accept")).status_code == 404
    assert sign_in(ben).get(page("contributor", ann)).status_code == 404
    assert Contributor.objects.count() == 1


def test_terms_for_derivatives_are_set_on_a_licence(ada, ben, essays, mixes, sign_in):
    licence = licensing.offer_licence(
        dataset=essays.dataset, name="Derive", text="You may.", purposes=["pretrain"], at=NOON
    )
    client = sign_in(ada)
    form = {"derivatives-percent": "5", "derivatives-policy": "relative"}
    sign_in(ben).post(page("licence", licence, "derivatives"), form)
    assert not licence.derivative_terms.exists()
    client.post(page("licence", licence, "derivatives"), form)
    shown = client.get(page("licence", licence)).content.decode()
    assert "5.0 % of what this dataset earns is accepted at once" in shown
    client.post(page("licence", licence, "end-derivatives"))
    assert "accepts or refuses each one" in client.get(page("licence", licence)).content.decode()
