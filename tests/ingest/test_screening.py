"""What is alike is found, by whom it was registered first; and nobody else is accused."""

from __future__ import annotations

import random
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from ingest import pipeline, screening, verdict
from ingest.models import Upload
from provenance import registry
from provenance.models import (
    Conflict,
    ContestedRecord,
    Dataset,
    DatasetVersion,
    Event,
    Match,
    MatchKind,
    Overlap,
    Party,
)
from tests import factories
from tests.cast import NOON
from tests.ingest.conftest import begin, drive, ingest, sealed, sentence, ticking, zipped


def texts(*numbers: int) -> list[dict[str, str]]:
    return [{"id": f"r{n}", "text": sentence(n)} for n in numbers]


def overlap_of(later: DatasetVersion) -> Overlap:
    return Overlap.objects.get(later=later)


def test_exact_copies_are_named_and_held_for_both_sides(ada: Party, ben: Party):
    first = sealed(factories.dataset(ada), texts(1, 2, 3))
    second = sealed(factories.dataset(ben, "copies"), texts(2, 3, 50))
    overlap = overlap_of(second)
    assert overlap.earlier == first
    assert (overlap.exact_count, overlap.near_count, overlap.matching_count) == (2, 0, 2)
    assert (overlap.interval_low, overlap.interval_high) == (2, 2)
    assert overlap.false_accusation_rate == verdict.FALSE_ACCUSATION_RATE > 0
    conflict = Conflict.objects.get()
    assert (conflict.later, conflict.earlier) == (second.dataset, first.dataset)
    held = ContestedRecord.objects.filter(conflict=conflict, held_since__isnull=False)
    assert sorted(held.values_list("record__key", flat=True)) == ["r2", "r3"]
    assert {row.record.dataset for row in held} == {second.dataset}


def test_the_screening_is_a_fact_with_its_counts(ada: Party, ben: Party):
    first = sealed(factories.dataset(ada), texts(1, 2))
    second = sealed(factories.dataset(ben), texts(2, 9))
    event = Event.objects.get(kind="version.screened", subject_id=second.pk)
    assert event.body["detector"] == verdict.DETECTOR
    assert event.body["compared"] == 2
    assert event.body["overlaps"][0]["earlier"] == str(first.pk)
    assert event.body["overlaps"][0]["exact"] == 1


def test_a_reworded_copy_is_near_and_shows_the_passages(ada: Party, ben: Party):
    words = sentence(1, 100).split()
    sealed(factories.dataset(ada), [{"id": "a", "text": " ".join(words)}])
    words[20], words[70] = "CHANGED", "here"
    second = sealed(factories.dataset(ben), [{"id": "b", "text": " ".join(words)}])
    match = Match.objects.get(overlap__later=second)
    assert match.kind == "near"
    assert 0.5 < match.jaccard < 1
    passages = match.evidence["passages"]
    assert [passage["later"] for passage in passages] == [[0, 20], [21, 70], [71, 100]]
    assert "⟦" in match.evidence["later_context"]


def test_a_text_hidden_in_ten_times_its_length_is_contained(ada: Party, ben: Party):
    sealed(factories.dataset(ada), [{"id": "poem", "text": sentence(1, 120)}])
    padded = " ".join([sentence(500, 600), sentence(1, 120), sentence(501, 600)])
    second = sealed(factories.dataset(ben), [{"id": "b", "text": padded}])
    match = Match.objects.get(overlap__later=second)
    assert match.kind == "contained"
    assert match.containment > 0.9
    assert match.jaccard < 0.2


def test_evidence_shows_no_more_than_thirty_words_around_a_passage(ada: Party, ben: Party):
    secret = sentence(7, 300)
    sealed(factories.dataset(ada), [{"id": "a", "text": f"{secret} {sentence(1, 100)} {secret}"}])
    second = sealed(factories.dataset(ben), [{"id": "b", "text": sentence(1, 100)}])
    shown = Match.objects.get(overlap__later=second).evidence["passages"][0]["earlier_text"]
    assert len(shown["before"].split()) == len(shown["after"].split()) == 30
    assert shown["before"].split() == secret.split()[-30:]


def test_texts_that_share_a_phrase_are_not_held(ada: Party, ben: Party):
    phrase = sentence(99, 15)
    sealed(factories.dataset(ada), [{"id": "a", "text": f"{sentence(1)} {phrase}"}])
    sealed(factories.dataset(ben), [{"id": "b", "text": f"{phrase} {sentence(2)}"}])
    assert not Match.objects.filter(holds=True).exists()
    assert not Conflict.objects.exists()


def test_matches_within_one_owners_data_are_information(ada: Party):
    sealed(factories.dataset(ada, "one"), texts(1, 2))
    second = sealed(factories.dataset(ada, "two"), texts(2, 3))
    assert overlap_of(second).exact_count == 1
    assert not Conflict.objects.exists()


def test_what_came_back_in_a_later_version_keeps_its_first_date(ada: Party, ben: Party):
    essays = factories.dataset(ada)
    sealed(essays, texts(1, 2))
    sealed(factories.dataset(ben), texts(1, 2))
    again = [{"id": f"other{n}", "text": sentence(n)} for n in (1, 2, 3)]
    third = sealed(essays, again)
    assert not Overlap.objects.filter(later=third).exists()
    assert Conflict.objects.get().later.owner == ben


def test_a_withdrawn_version_is_not_compared_with(ada: Party, ben: Party):
    first = sealed(factories.dataset(ada), texts(1))
    registry.withdraw_version(version=first, at=NOON, reason="a mistake")
    sealed(factories.dataset(ben), texts(1))
    assert not Overlap.objects.exists()


def test_a_version_that_is_not_sealed_is_not_compared_with(ada: Party, ben: Party):
    essays = factories.dataset(ada)
    sealed(essays, texts(1))
    waiting = ingest(essays, texts(2), mode="delta")
    assert waiting.state == Upload.State.READY
    sealed(factories.dataset(ben), texts(2))
    assert not Overlap.objects.exists()
    # Confirmed later, it comes later: now it is the newcomer, whoever wrote it.
    pipeline.confirm_delta(upload=waiting, at=NOON)
    assert drive(waiting).state == Upload.State.SEALED
    assert Overlap.objects.get().later == waiting.version


def test_two_versions_read_at_once_find_each_other_once(ada: Party, ben: Party):
    one = begin(factories.dataset(ada), texts(1, 2))
    other = begin(factories.dataset(ben), texts(2, 1))
    clock = ticking()
    # A slice each in turn; both are read before either is screened.
    short = {"clock": clock, "time_limit": pipeline.timedelta(milliseconds=4)}
    while any([pipeline.advance(one.pk, **short), pipeline.advance(other.pk, **short)]):
        pass
    overlap = Overlap.objects.get()
    assert overlap.matching_count == 2
    assert overlap.earlier.sealed_sequence < overlap.later.sealed_sequence


def test_screening_goes_on_where_a_killed_worker_stopped(ada: Party, ben: Party, monkeypatch):
    monkeypatch.setattr(screening, "BATCH", 2)
    sealed(factories.dataset(ada), texts(*range(7)))
    upload = begin(factories.dataset(ben), texts(*range(7)))
    slices, clock = 1, ticking()
    while pipeline.advance(upload.pk, clock=clock, time_limit=pipeline.timedelta(milliseconds=3)):
        slices += 1
    assert slices > 3
    assert overlap_of(upload.version).matching_count == 7
    assert Match.objects.count() == 7


def test_short_records_match_only_in_numbers(ada: Party, ben: Party):
    lines = [{"id": f"k{n}", "text": f"reply number {n} thanks"} for n in range(30)]
    sealed(factories.dataset(ada), lines)
    sealed(factories.dataset(ben, "few"), [*lines[:5], *texts(1)])
    assert not Match.objects.filter(holds=True).exists()
    many = sealed(factories.dataset(ben, "many"), [*lines[:25], *texts(2)])
    assert overlap_of_ada(many).exact_count == 25


def overlap_of_ada(version: DatasetVersion) -> Overlap:
    return Overlap.objects.get(later=version, earlier__dataset__owner__name="Aurora Archive")


def picture(seed: int, size: tuple[int, int] = (400, 300)) -> Image.Image:
    """Something with edges and areas, unlike any other seed's."""
    dice = np.random.default_rng(seed)
    small = dice.integers(0, 256, (9, 12, 3), np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, form: str, **given: Any) -> bytes:
    target = BytesIO()
    image.save(target, form, **given)
    return target.getvalue()


def image_dataset(owner: Party, name: str) -> Dataset:
    return registry.register_dataset(owner=owner, name=name, title=name, kind="image", at=NOON)


def test_a_recoded_and_a_mirrored_image_are_near_copies(ada: Party, ben: Party):
    ours = {f"{n}.png": encoded(picture(n), "PNG") for n in range(4)}
    first = sealed(image_dataset(ada, "photos"), zipped(ours), "photos.zip")
    mirrored = picture(2).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    theirs = {
        "same.png": ours["0.png"],
        "small.jpg": encoded(picture(1).resize((200, 150)), "JPEG", quality=60),
        "mirrored.webp": encoded(mirrored, "WEBP"),
        "other.png": encoded(picture(77), "PNG"),
        "broken.png": ours["3.png"][:500],
    }
    upload = ingest(image_dataset(ben, "found"), zipped(theirs), "found.zip")
    assert (upload.state, upload.record_count, upload.bad_count) == ("sealed", 4, 1)
    overlap = overlap_of(upload.version)
    assert overlap.earlier == first
    pairs = overlap.matches.values_list("later__key", "earlier__key", "kind")
    assert sorted(pairs) == [
        ("mirrored.webp", "2.png", "near"),
        ("same.png", "0.png", "exact"),
        ("small.jpg", "1.png", "near"),
    ]
    for match in overlap.matches.all():
        for side in ("later", "earlier"):
            assert match.evidence[f"{side}_thumbnail"].startswith("data:image/jpeg;base64,/9j/")


def test_copied_articles_are_found_among_others(ada: Party, ben: Party, articles):
    ours = articles("articles_1000.jsonl")
    known = {row["id"] for row in ours}
    others = [row for row in articles("articles_2500.jsonl") if row["id"] not in known]
    draw = random.Random(7)
    copied = draw.sample(ours, 100)
    mixed = copied + others[:900]
    draw.shuffle(mixed)
    first = sealed(factories.dataset(ada, "articles"), ours)
    second = sealed(factories.dataset(ben, "mixed"), mixed)
    overlap = Overlap.objects.get(later=second, earlier=first)
    assert overlap.exact_count == 100
    exact = overlap.matches.filter(kind="exact").values_list("later__key", "earlier__key")
    assert {later for later, _ in exact} == {row["id"] for row in copied}
    assert all(later == earlier for later, earlier in exact)
    # Of the 900 others, only those that the labels call copies may be named.
    truth = {frozenset(row.values()) for row in articles("truth_2500.jsonl")}
    held = overlap.matches.filter(holds=True).exclude(kind="exact")
    named = held.values_list("later__key", "earlier__key")
    assert all(frozenset(pair) in truth for pair in named)


def test_fingerprints_only_match_without_any_text(ada: Party, ben: Party):
    from tests.ingest.test_bring import prints_file

    home = factories.dataset(ada, "secret", is_fingerprint_only=True)
    sealed(home, prints_file({"s1": sentence(1), "s2": sentence(2)}), "prints.jsonl")
    second = sealed(factories.dataset(ben), [{"id": "b", "text": sentence(1) + " and more"}])
    match = Match.objects.get(overlap__later=second)
    assert match.kind == "near"
    assert match.evidence["passages"] == []
    assert match.evidence["shared"] > 50


def test_kinds_are_those_of_the_facts():
    assert {kind.value for kind in verdict.Kind} == set(MatchKind.values)
