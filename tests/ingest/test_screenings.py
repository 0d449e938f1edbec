"""May I use this? What a lab is told of records before it trains, and what is kept of them."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO

import pytest
from django.db import connection
from django.utils import timezone
from PIL import Image
from tallymark.fingerprint import digest

from ingest.gateways import allowance, warmth
from ingest.models import ScreeningDay
from provenance import ledger, licensing, registry
from provenance.models import Dataset, Match, Overlap, Party
from tests import doors, factories
from tests.cast import NOON
from tests.ingest.conftest import holding, sealed, sentence

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def warm() -> None:
    """The kernel is there, as it is in a web process a few seconds after its start."""
    warmth.begin()
    assert warmth._Kernel.ready.wait(120)


@pytest.fixture
def essays(ada: Party) -> Dataset:
    made = factories.dataset(ada)
    sealed(made, [{"id": f"r{n}", "text": sentence(n)} for n in range(5)])
    return made


def ask(lab: Party, *texts: str, status: int = 200, **more: object):
    records = [{"id": f"q{n}", "text": text} for n, text in enumerate(texts)]
    body = {"purpose": "pretrain", "records": records, **more}
    return doors.of(lab).post("screenings", body, status)


def test_a_copy_is_reserved_until_its_owner_offers_it(lab: Party, essays: Dataset) -> None:
    answer = ask(lab, sentence(1), sentence(77))
    copy, fresh = answer["results"]
    assert (copy["answer"], fresh["answer"]) == ("reserved", "nothing_found")
    (found,) = copy["matches"]
    assert (found["kind"], found["holds"]) == ("exact", True)
    assert found["dataset"]["name"] == "aurora-archive/essays"
    assert found["owner"]["name"] == "Aurora Archive"
    assert found["terms"] == {"standing": "reserved"}
    assert "no licence" in " ".join(answer["not_checked"])


def test_the_corpus_position_is_the_ledgers_head(lab: Party, essays: Dataset) -> None:
    ledger.seal()
    before = ask(lab, sentence(1))["corpus"]["sequence"]
    ledger.record("test.event", at=NOON, body={})
    assert ask(lab, sentence(1))["corpus"]["sequence"] == before
    ledger.seal()
    assert ask(lab, sentence(1))["corpus"]["sequence"] > before


def test_each_standing_has_its_answer(lab: Party, ada: Party, essays: Dataset) -> None:
    now = timezone.now()
    licence = licensing.offer_licence(
        dataset=essays, name="Training", text="Fine.", purposes=["pretrain"], at=now
    )
    licensing.set_rate(
        licence=licence, basis="per_1k_records", price_units=2**60, asset="iso4217:EUR",
        valid_from=now, at=now,
    )  # fmt: skip
    (offered,) = ask(lab, sentence(1))["results"]
    assert offered["answer"] == "on_offer"
    terms = offered["matches"][0]["terms"]
    assert terms["standing"] == "on_request"
    assert terms["rate"]["price_units"] == str(2**60)
    (other,) = ask(lab, sentence(1), purpose="retrieve")["results"]
    assert other["answer"] == "reserved"
    grant = licensing.request_grant(lab=lab, licence=licence, purposes=["pretrain"], at=now)
    licensing.give_grant(grant=grant, at=now)
    (granted,) = ask(lab, sentence(1))["results"]
    assert granted["answer"] == "usable"
    assert granted["matches"][0]["terms"]["grant"] == str(grant.pk)
    licensing.revoke_grant(grant=grant, reason="x", at=timezone.now())
    assert ask(lab, sentence(1))["results"][0]["answer"] == "on_offer"


def test_passages_are_places_in_the_callers_text_alone(lab: Party, essays: Dataset) -> None:
    mine = f"Something of my own. {sentence(1)} And then my own words again."
    answer = ask(lab, mine, passages=True)
    (found,) = answer["results"][0]["matches"]
    ((start, end),) = found["passages"]
    assert mine[start:end] == sentence(1)
    quiet = ask(lab, mine)["results"][0]["matches"][0]
    assert quiet["passages"] is None


def test_nothing_of_another_owners_text_is_told(lab: Party, ada: Party) -> None:
    shared = sentence(1)
    whole = f"{shared} the hidden ending nobody else has"
    sealed(factories.dataset(ada, "letters"), [{"id": "k", "text": whole}])
    answer = ask(lab, shared, passages=True)
    assert answer["results"][0]["matches"]
    assert "hidden" not in json.dumps(answer)


def test_what_a_lab_is_told_is_what_registering_would_find(
    lab: Party, ada: Party, ben: Party
) -> None:
    words = sentence(3, 120).split()
    texts = [
        sentence(1),
        sentence(1)[:-4] + "end",
        " ".join(words[:80]),
        " ".join(words[:25] + sentence(90, 200).split()),
        f"{sentence(50, 300)} {sentence(2)} {sentence(51, 300)}",
        sentence(4)[:40],
        "",
    ]
    earlier = [{"id": f"e{n}", "text": sentence(n)} for n in range(3)]
    sealed(factories.dataset(ada), [*earlier, {"id": "e3", "text": " ".join(words)}])
    answer = ask(lab, *texts)
    rows = [{"id": f"q{n}", "text": text} for n, text in enumerate(texts) if text]
    version = sealed(factories.dataset(ben, "copies"), rows)
    registered = {
        (match.later.key, match.kind, round(match.containment, 4), match.holds)
        for match in Match.objects.filter(overlap__later=version).select_related("later")
    }
    told = {
        (result["id"], match["kind"], match["containment"], match["holds"])
        for result in answer["results"]
        for match in result["matches"]
    }
    assert told == registered
    assert {kind for _, kind, _, _ in told} == {"exact", "near", "contained"}
    assert Overlap.objects.filter(later=version).exists()


def test_a_short_copy_is_possible_and_no_more(lab: Party, ada: Party) -> None:
    sealed(factories.dataset(ada), [{"id": "k", "text": "hello to you all"}])
    (result,) = ask(lab, "Hello to you all")["results"]
    assert result["answer"] == "possible"
    assert [found["holds"] for found in result["matches"]] == [False]


def test_rows_code_and_images_are_compared_as_they_are_registered(lab: Party, ada: Party) -> None:
    picture = BytesIO()
    noise = Image.effect_noise((256, 256), 90)
    noise.save(picture, "PNG")
    program = "\n".join(f"def f{n}(x):\n    return x * {n} + g{n}(x, 'word{n}')" for n in range(12))
    table = registry.register_dataset(owner=ada, name="t", title="T", kind="table", at=NOON)
    row = {"name": "Ada Lovelace", "born": "1815-12-10", "note": sentence(9, 20)}
    sealed(table, [row])
    pictures = registry.register_dataset(owner=ada, name="p", title="P", kind="image", at=NOON)
    sealed(pictures, picture.getvalue(), "noise.png")
    sealed(factories.dataset(ada, "programs"), [{"id": "f.py", "text": program}])
    records = [
        {"id": "row", "row": {"note": row["note"], "born": "1815-12-10", "name": row["name"]}},
        {"id": "image", "image": b64encode(picture.getvalue()).decode()},
        {"id": "code", "code": program, "language": "py"},
        {"id": "broken", "image": b64encode(b"no image").decode()},
        {"id": "empty", "text": " \n"},
    ]
    body = {"purpose": "pretrain", "records": records}
    results = doors.of(lab).post("screenings", body)["results"]
    assert [one["answer"] for one in results[:3]] == ["reserved"] * 3
    assert [(one["answer"], one["matches"]) for one in results[3:]] == [("not_compared", [])] * 2
    assert results[3]["words"].endswith("format we read.")
    assert results[4]["words"] == "It was not compared: it is empty."


def test_a_withdrawn_dataset_is_no_longer_compared_with(lab: Party, essays: Dataset) -> None:
    version = essays.versions.get()
    registry.withdraw_version(version=version, at=timezone.now(), reason="x")
    assert ask(lab, sentence(1))["results"][0]["answer"] == "nothing_found"


def test_one_minute_holds_so_many_requests_and_the_refusal_says_when_to_come_back(
    lab: Party, essays: Dataset, settings
) -> None:
    settings.SCREENING_REQUESTS_PER_MINUTE = 2
    at = timezone.now().replace(second=10, microsecond=0)
    for _ in range(2):
        allowance.count_request(lab, 1, at=at)
    with pytest.raises(allowance.AskedTooMuch) as refused:
        allowance.count_request(lab, 1, at=at)
    assert refused.value.retry_after_seconds == 50
    allowance.count_request(lab, 1, at=at + timedelta(seconds=50))


def test_one_day_holds_so_many_records(lab: Party, ben: Party, essays: Dataset, settings) -> None:
    settings.SCREENING_RECORDS_PER_DAY = 3
    ask(lab, "one", "two")
    door = doors.of(lab)
    records = [{"text": "three"}, {"text": "four"}]
    answer = door.raw(
        "POST", "screenings", data=json.dumps({"purpose": "pretrain", "records": records}),
        content_type="application/json",
    )  # fmt: skip
    assert (answer.status_code, answer.json()["code"]) == (429, "screening_limit")
    assert int(answer.headers["Retry-After"]) > 0
    ask(lab, "three")
    assert ScreeningDay.objects.get(party=lab).record_count == 3
    other = factories.party("Delta Labs", is_lab=True)
    ask(other, "one")


@pytest.mark.django_db(transaction=True)
def test_the_limit_holds_when_many_ask_at_once(settings) -> None:
    settings.SCREENING_RECORDS_PER_DAY = 50
    settings.SCREENING_REQUESTS_PER_MINUTE = 1_000
    lab, at = factories.party("Cobalt Labs", is_lab=True), timezone.now()

    def count(_: int) -> int:
        try:
            allowance.count_request(lab, 7, at=at)
        except allowance.AskedTooMuch:
            return 0
        finally:
            connection.close()
        return 7

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(count, range(20))) == 49
    assert ScreeningDay.objects.get(party=lab).record_count == 49


def test_nothing_that_was_asked_is_kept_or_logged(
    lab: Party, essays: Dataset, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = f"{sentence(1)} unmistakable zanzibar ending"
    (result,) = ask(lab, secret, passages=True)["results"]
    assert result["matches"]
    assert not holding("zanzibar")
    assert not holding(digest(secret).hex())
    assert "zanzibar" not in "".join(capfd.readouterr())


def test_only_labs_ask_and_only_with_the_right_to(lab: Party, ada: Party, essays: Dataset) -> None:
    body = {"purpose": "pretrain", "records": [{"text": "x"}]}
    assert doors.of(ada).post("screenings", body, 403)["code"] == "not_a_lab"
    assert doors.read_only(lab).post("screenings", body, 403)["code"] == "not_allowed"


@pytest.mark.parametrize(
    "records",
    [
        [],
        [{"text": "x"}] * 101,
        [{"id": "neither"}],
        [{"text": "x", "code": "y"}],
        [{"image": "not base64!"}],
        [{"text": "x" * 1_000_001}],
    ],
)
def test_what_cannot_be_asked_is_refused(lab: Party, records: list[dict[str, str]]) -> None:
    body = {"purpose": "pretrain", "records": records}
    assert doors.of(lab).post("screenings", body, 400)["code"] == "invalid"


def test_a_process_that_is_still_loading_says_so(lab: Party, monkeypatch) -> None:
    monkeypatch.setattr(warmth._Kernel, "ready", threading.Event())
    monkeypatch.setattr(warmth, "PATIENCE_SECONDS", 0.01)
    answer = ask(lab, "x", status=503)
    assert answer["code"] == "detector_is_loading"
    assert not ScreeningDay.objects.exists()
