"""Every page of the admin, tried by strangers: nothing leaks, and facts have no form."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from compensation.models import Asset
from provenance import conflicts, ledger, licensing, parties, registry, usage
from provenance.access import Viewer
from provenance.admin.base import ReadOnlyFacts
from provenance.admin.site import site
from provenance.models import AccessLog, Conflict, Dataset, Grant, Licence, Party, User
from tests import factories
from tests.factories import NOON

pytestmark = pytest.mark.django_db

SECRET = "Unmistakable Almanac"
SHARED = "the marsh at dawn was quiet"
EVIDENCE = {
    "passages": [
        {
            "later": [0, 5],
            "earlier": [0, 5],
            "later_text": {"before": "then", "match": SHARED, "after": "<script>alert(1)</script>"},
            "earlier_text": {"before": "", "match": SHARED, "after": ""},
        }
    ]
}


@pytest.fixture
def almanac(ada: Party) -> Dataset:
    """Ada's dataset, whose title would show a leak."""
    made = factories.dataset(ada, "unmistakable-almanac")
    made.title = SECRET
    made.save(update_fields=["title"])
    return made


@pytest.fixture
def facts(ada: Party, ben: Party, lab: Party, operator: Party, almanac: Dataset) -> Conflict:
    """One of everything between Ada, Ben and the lab; nothing of it is Delta's."""
    mine = factories.version(almanac, [SHARED, "a second text"], keys=["secret-key-1", "k2"])
    theirs = factories.version(factories.dataset(ben, "copy"), [SHARED, "a third text"])
    overlap = factories.overlap(theirs, mine, [(SHARED, SHARED)])
    opened = conflicts.open_from_overlap(overlap=overlap, at=timezone.now())
    assert opened is not None
    asset = Asset.objects.create(code="iso4217:EUR", symbol="EUR", name="Euro", scale=6)
    licence = licensing.offer_licence(
        dataset=almanac, name=SECRET, text=SECRET, purposes=["pretrain"], at=NOON
    )
    licensing.set_rate(
        licence=licence, basis="per_1k_records", price_units=12_500_000, asset=asset.code,
        valid_from=NOON, at=NOON,
    )  # fmt: skip
    grant = licensing.request_grant(lab=lab, licence=licence, purposes=["pretrain"], at=NOON)
    licensing.give_grant(grant=grant, at=NOON)
    run = usage.start_run(lab=lab, purpose="pretrain", name=SECRET, at=NOON)
    usage.report_usage(
        run=run, subject=str(mine), purpose="pretrain", stream="s", sequence=1,
        count=usage.Count(2, 10, 1), used_at=NOON, received_at=NOON,
    )  # fmt: skip
    usage.register_model(lab=lab, name=SECRET, run=run, at=NOON)
    by = factories.user("ada@aurora.example", party=ada)
    parties.issue_key(party=ada, name=SECRET, scopes=[], created_by=by, at=NOON)
    parties.invite(party=ada, email="x@unmistakable.example", role="viewer", invited_by=by, at=NOON)
    olga = factories.user("olga@operations.example", party=operator)
    parties.log_view(
        viewer=Viewer(party=operator, role="admin", user=olga),
        party=ada, what=SECRET, reason="x", at=NOON,
    )  # fmt: skip
    ledger.seal()
    return opened


def signed_in(party: Party, email: str, role: str = "admin") -> Client:
    person = User.objects.filter(email=email).first()
    person = person or factories.user(email, party=party, role=role)
    client = Client()
    client.force_login(person)
    return client


def admins() -> list[ReadOnlyFacts]:
    found = [one for one in site._registry.values() if isinstance(one, ReadOnlyFacts)]
    assert len(found) > 20
    return found


def label(admin: ReadOnlyFacts) -> str:
    return f"{admin.opts.app_label}_{admin.opts.model_name}"


def everything(admin: ReadOnlyFacts) -> list[Model]:
    return list(admin.model._base_manager.all()[:40])


def may_see(admin: ReadOnlyFacts, viewer: Viewer, subject: Model) -> bool:
    return admin.scope(viewer).filter(pk=subject.pk).exists()


def test_whoever_is_not_signed_in_is_sent_to_sign_in(facts: Conflict) -> None:
    for admin in admins():
        answer = Client().get(admin.url("changelist"))
        assert answer.status_code == 302
        assert "/login/" in answer["Location"]


def test_a_person_without_a_party_is_told_how_to_get_one(facts: Conflict) -> None:
    client = Client()
    client.force_login(factories.user("nobody@example.org"))
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0] == reverse("choose-party")
    assert b"belong to no organisation" in answer.content


def test_a_stranger_finds_nothing_of_others_on_any_page(facts: Conflict) -> None:
    delta = factories.party("Delta Data", is_owner=True, is_lab=True)
    viewer = Viewer(party=delta, role="admin")
    client = signed_in(delta, "dora@delta.example")
    tried = 0
    for admin in admins():
        shown = client.get(admin.url("changelist"))
        assert shown.status_code in (200, 403), label(admin)
        if admin.model is not Licence:  # what is on offer is for every lab to see
            assert SECRET not in shown.content.decode(), label(admin)
        for subject in everything(admin):
            if may_see(admin, viewer, subject):
                continue
            tried += 1
            for address in addresses(admin, subject):
                answer = client.get(address)
                assert answer.status_code == 404, address
                assert SECRET not in answer.content.decode(), address
                assert client.post(address).status_code == 404, address
    assert tried > 25


def addresses(admin: ReadOnlyFacts, subject: Any) -> list[str]:
    """The object's page, its files and its verbs."""
    page = admin.url("change", subject.pk)
    verbs = [verb.slug for verb in admin.verbs_of(subject)]
    files = {
        "datasetversion": ["certificate.pdf"],
        "trainedmodel": ["ingredients.pdf", "ingredients.csv"],
        "statementofreasons": ["statement.pdf"],
        "event": ["proof.json"],
        "upload": ["progress/"],
        "entry": ["shares/"],
    }.get(str(admin.opts.model_name), [])
    return [page, *(f"{page}{verb}/" for verb in verbs), *(page + name for name in files)]


@pytest.mark.parametrize(
    ("name", "email"),
    [("ada", "ada@aurora.example"), ("ben", "ben@birch.example"), ("lab", "lea@cobalt.example")],
)
def test_a_party_sees_every_page_of_its_own_and_no_other(
    facts: Conflict, name: str, email: str, request: pytest.FixtureRequest
) -> None:
    party: Party = request.getfixturevalue(name)
    viewer, client = Viewer(party=party, role="admin"), signed_in(party, email)
    assert client.get("/admin/").status_code == 200
    for admin in admins():
        is_shown = admin.has_module_permission(_as(viewer))
        assert client.get(admin.url("changelist")).status_code == (200 if is_shown else 403)
        for subject in everything(admin):
            answer = client.get(admin.url("change", subject.pk))
            expected = 200 if is_shown and may_see(admin, viewer, subject) else 404
            assert answer.status_code == expected, (label(admin), subject)


def _as(viewer: Viewer) -> Any:
    return type("Request", (), {"viewer": viewer})()


def test_facts_have_no_page_that_adds_changes_or_deletes(facts: Conflict, ada: Party) -> None:
    client = signed_in(ada, "ada@aurora.example")
    for admin in admins():
        base = admin.url("changelist")
        if not admin.has_module_permission(_as(Viewer(party=ada, role="admin"))):
            continue
        assert client.get(f"{base}add/").status_code == 404, base
        for subject in everything(admin)[:2]:
            page = admin.url("change", subject.pk)
            for ending in ("delete/", "change/", "history/"):
                assert client.post(page + ending).status_code == 404, page
            content = client.get(page).content.decode()
            assert "deletelink" not in content
            assert 'name="_save"' not in content


def test_a_viewer_may_look_and_do_nothing(facts: Conflict, ada: Party, almanac: Dataset) -> None:
    client = signed_in(ada, "vera@aurora.example", role="viewer")
    page = reverse("admin:provenance_dataset_change", args=[almanac.pk])
    shown = client.get(page)
    assert SECRET in shown.content.decode()
    assert b"Offer a licence" not in shown.content
    answer = client.post(
        f"{page}offer/", {"offer-name": "Mine", "offer-purposes": ["pretrain"], "offer-text": "x"}
    )
    assert answer.status_code == 302
    assert "needs the right" in str(next(iter(get_messages(answer.wsgi_request))))
    assert Licence.objects.filter(dataset=almanac).count() == 1


def test_an_operator_looks_with_a_reason_that_the_party_reads(
    facts: Conflict, ada: Party, operator: Party, almanac: Dataset
) -> None:
    client = signed_in(operator, "olga@operations.example")
    page = reverse("admin:provenance_dataset_change", args=[almanac.pk])
    asked = client.get(page)
    assert asked.status_code == 302
    assert asked["Location"].startswith(reverse("admin:reason"))
    client.post(asked["Location"], {"reason": "a complaint of 3 March"})
    assert SECRET in client.get(page).content.decode()
    row = AccessLog.objects.filter(party=ada, reason="a complaint of 3 March").get()
    assert str(almanac) in row.what
    mine = signed_in(ada, "ada@aurora.example")
    log = mine.get(reverse("admin:provenance_accesslog_changelist")).content.decode()
    assert "a complaint of 3 March" in log


def test_a_list_that_an_operator_saw_is_logged_once_an_hour(
    facts: Conflict, ada: Party, operator: Party
) -> None:
    client = signed_in(operator, "olga@operations.example")
    for _ in range(2):
        client.get(reverse("admin:provenance_dataset_changelist"))
    assert AccessLog.objects.filter(party=ada, what__startswith="list of").count() == 1


def test_a_refusal_is_said_on_the_page_with_what_to_do(facts: Conflict, ben: Party) -> None:
    client = signed_in(ben, "ben@birch.example")
    page = reverse("admin:provenance_conflict_change", args=[facts.pk])
    answer = client.post(f"{page}claim/", {"claim-statement": "They are ours."})
    assert answer.status_code == 422
    assert "needs evidence" in answer.content.decode()
    assert not facts.claims.exists()


def test_evidence_is_asked_of_whom_the_claim_needs_it(
    facts: Conflict, ada: Party, ben: Party
) -> None:
    page = reverse("admin:provenance_conflict_change", args=[facts.pk])
    later = signed_in(ben, "ben@birch.example").get(page).content.decode()
    assert "Your claim needs evidence" in later
    earlier = signed_in(ada, "ada@aurora.example").get(page).content.decode()
    assert "Your claim needs evidence" not in earlier


def test_a_list_names_whose_a_row_is_only_where_that_may_vary(
    facts: Conflict, ada: Party, operator: Party
) -> None:
    for party, email in ((ada, "ada@aurora.example"), (operator, "olga@tallymark.example")):
        client = signed_in(party, email)
        for name in ("membership", "statementofreasons", "accesslog"):
            shown = client.get(reverse(f"admin:provenance_{name}_changelist")).content.decode()
            assert ("column-party" in shown) == party.is_operator, (name, email)


def test_a_dataset_leads_to_the_event_that_sealed_a_version(facts: Conflict, ada: Party) -> None:
    ledger.seal()
    client = signed_in(ada, "ada@aurora.example")
    page = reverse("admin:provenance_dataset_change", args=[facts.earlier_id])
    assert f"{reverse('admin:provenance_event_changelist')}?q=" in client.get(page).content.decode()


def test_an_owner_claims_and_the_other_side_is_asked_to_answer(
    facts: Conflict, ada: Party, ben: Party
) -> None:
    page = reverse("admin:provenance_conflict_change", args=[facts.pk])
    mine = signed_in(ada, "ada@aurora.example")
    done = mine.post(f"{page}claim/", {"claim-statement": "I wrote them in 2019."}, follow=True)
    assert b"Your claim is in the ledger" in done.content
    shown = signed_in(ben, "ben@birch.example").get(page).content.decode()
    assert "I wrote them in 2019." in shown
    assert "Answer the claim" in shown


def test_a_claim_that_an_operator_has_yet_to_admit_is_not_called_nobodys(
    facts: Conflict, ben: Party
) -> None:
    client = signed_in(ben, "ben@birch.example")
    page = reverse("admin:provenance_conflict_change", args=[facts.pk])
    assert "nobody has claimed yet" in client.get(page).content.decode()
    said = {"claim-statement": "They are ours.", "claim-evidence": "Printed in 2017."}
    shown = client.post(f"{page}claim/", said, follow=True).content.decode()
    assert "A claim waits for an operator to admit it." in shown
    assert "nobody has claimed yet" not in shown
    assert "An operator admits the claim, or not" in shown
    inbox = client.get(reverse("admin:provenance_conflict_changelist")).content.decode()
    assert re.search(r"field-whose_turn[^>]*>\s*Aurora Archive; an operator\s*<", inbox)
    assert shown.count("Aurora Archive may claim") == 2
    told = facts.statements.filter(kind="claim_waits").values_list("text", flat=True)
    assert all("Aurora Archive may still claim the records until" in text for text in told)
    conflicts.pass_deadlines(timezone.now() + timedelta(days=15))
    shown = client.get(page).content.decode()
    assert "Aurora Archive may claim" not in shown
    assert "An operator admits the claim, or not" in shown


def test_the_other_sides_keys_and_markup_never_reach_the_conflict_page(
    facts: Conflict, ben: Party
) -> None:
    shown = signed_in(ben, "ben@birch.example").get(
        reverse("admin:provenance_conflict_change", args=[facts.pk])
    )
    content = shown.content.decode()
    assert "secret-key-1" not in content
    assert "infringement" not in content.lower()


def test_evidence_is_shown_as_text_with_the_shared_words_marked(ada: Party, ben: Party) -> None:
    mine = factories.version(factories.dataset(ada), [SHARED, "x y z"])
    theirs = factories.version(factories.dataset(ben, "copy"), [SHARED, "q r s"])
    overlap = factories.overlap(theirs, mine, [])
    overlap.matches.create(
        later=factories.record(theirs, SHARED),
        earlier=factories.record(mine, SHARED),
        kind="exact",
        jaccard=1.0,
        containment=1.0,
        evidence=EVIDENCE,
    )
    shown = signed_in(ada, "ada@aurora.example").get(
        reverse("admin:provenance_overlap_change", args=[overlap.pk])
    )
    content = shown.content.decode()
    assert f"<mark>{SHARED} </mark>" in content
    assert "<script>alert(1)" not in content
    assert "&lt;script&gt;alert(1)" in content
    assert content.count("tm-mask") == 1, "only the later text goes on after the passage"


def test_each_kind_of_content_is_shown_in_its_own_words(ada: Party, ben: Party) -> None:
    client, words = signed_in(ada, "ada@aurora.example"), {"before": "", "after": ""}
    passage = {
        "later": [0, 9], "earlier": [3, 12], "later_lines": [1, 2], "earlier_lines": [7, 7],
        "later_text": words | {"match": "def b(): pass"},
        "earlier_text": words | {"match": "a = 1"},
    }  # fmt: skip
    shown = {}
    for kind, evidence in (("code", {"passages": [passage]}), ("table", {}), ("image", {})):
        mine, theirs = (
            factories.version(
                registry.register_dataset(owner=one, name=kind, title=kind, kind=kind, at=NOON),
                [kind],
            )
            for one in (ada, ben)
        )
        overlap = factories.overlap(theirs, mine, [])
        overlap.matches.create(
            later=factories.record(theirs, kind), earlier=factories.record(mine, kind),
            kind="near", jaccard=0.9, containment=0.9, holds=False, evidence=evidence,
        )  # fmt: skip
        page = reverse("admin:provenance_overlap_change", args=[overlap.pk])
        shown[kind] = client.get(f"{page}?kind=possible").content.decode()
        assert "possible: holds nothing" in shown[kind]
    assert "line 7</span><mark>a = 1</mark>" in shown["code"]
    assert "lines 1 to 2</span><mark>def b(): pass</mark>" in shown["code"]
    assert "No cell was kept for this pair" in shown["table"]
    assert "No passage was kept" not in shown["table"]
    assert "The two pictures show the same as a whole" in shown["image"]


def test_a_key_is_shown_once_and_can_be_revoked(ada: Party) -> None:
    client = signed_in(ada, "ada@aurora.example")
    made = client.post(
        reverse("admin:provenance_apikey_list_verb", args=["new"]),
        {"new-name": "cluster", "new-scopes": ["rights"]},
    )
    secret = made.content.decode().split('id="tm-secret">')[1].split("<")[0]
    assert parties.viewer_of_key(secret, NOON) is not None
    assert "no-store" in made["Cache-Control"]
    key = ada.api_keys.get()
    page = reverse("admin:provenance_apikey_change", args=[key.pk])
    assert secret not in client.get(page).content.decode()
    client.post(f"{page}revoke/")
    assert parties.viewer_of_key(secret, NOON) is None


def test_a_lab_asks_and_the_owner_gives(facts: Conflict, lab: Party, ada: Party) -> None:
    asker = signed_in(lab, "lea@cobalt.example")
    dataset = Dataset.objects.get(owner=ada)
    licence = licensing.offer_licence(
        dataset=dataset, name="Tuning", text="terms", purposes=["finetune"], at=NOON
    )
    page = reverse("admin:provenance_licence_change", args=[licence.pk])
    asker.post(f"{page}request/", {"request-purposes": ["finetune"], "request-message": "please"})
    grant = Grant.objects.get(licence=licence)
    assert grant.state == Grant.State.REQUESTED
    given = signed_in(ada, "ada@aurora.example").post(
        reverse("admin:provenance_grant_change", args=[grant.pk]) + "give/", follow=True
    )
    assert given.status_code == 200
    grant.refresh_from_db()
    assert grant.state == Grant.State.GIVEN
    shown = asker.get(reverse("admin:provenance_grant_change", args=[grant.pk])).content.decode()
    assert "Accepted at" in shown
    assert "Accepted by" not in shown


def test_an_invitation_lets_the_invited_person_in_and_nobody_else(
    ada: Party, mailoutbox: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    client = signed_in(ada, "ada@aurora.example")
    with django_capture_on_commit_callbacks(execute=True):
        sent = client.post(
            reverse("admin:provenance_membership_list_verb", args=["invite"]),
            {"invite-email": "new@aurora.example", "invite-role": "rights"},
        )
    assert sent.status_code == 200
    link = "/invitations/" + mailoutbox[0].body.split("/invitations/")[1].split()[0]
    other = Client()
    other.force_login(factories.user("other@example.org"))
    assert other.post(link).status_code == 403
    guest = Client()
    guest.force_login(factories.user("new@aurora.example"))
    assert guest.post(link).status_code == 302
    assert guest.get("/admin/").status_code == 200


def test_the_frozen_terms_of_a_grant_are_a_paper_of_its_two_sides(
    facts: Conflict, ada: Party, ben: Party, lab: Party
) -> None:
    grant = Grant.objects.get(dataset__owner=ada)
    address = reverse("admin:provenance_grant_terms", args=[grant.pk])
    for party, email in ((ada, "ada@aurora.example"), (lab, "lab@lab.example")):
        answer = signed_in(party, email).get(address)
        assert answer.content.startswith(b"%PDF")
    assert signed_in(ben, "ben@birch.example").get(address).status_code == 404
