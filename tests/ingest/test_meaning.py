"""Embeddings by the real model: leads for people, and nothing more."""

from __future__ import annotations

import pytest

from ingest import meaning, pipeline, verdict
from ingest.fingerprint import embedding
from ingest.models import Embedding
from provenance.models import Conflict, Match, Overlap, Party
from tests import factories
from tests.ingest.conftest import begin, drive, ingest, ticking

ONE = (
    "The harbour of the old town was rebuilt after the great storm, and the fishermen, who had "
    "lost their boats, were given new ones by the merchants of the capital."
)
OTHER = (
    "After the great storm the old town's harbour was rebuilt, and the capital's merchants gave "
    "new boats to the fishermen who had lost theirs."
)
UNLIKE = (
    "The compiler folds constants before it allocates registers, so that a division by a power "
    "of two becomes a shift."
)


NOUNS = (
    *("harvest", "lantern", "bridge", "kettle", "orchard", "saddle", "window", "barrel"),
    *("chimney", "ladder", "mirror", "pasture", "quarry", "ribbon", "stable", "thimble"),
)


@pytest.fixture(autouse=True)
def exact_copies_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What letters and words give away is judged elsewhere, and better every month."""
    monkeypatch.setattr(verdict, "JUDGES", ())


def embedded(upload):
    clock = ticking(minutes=5)
    while meaning.embed(upload.pk, clock=clock):
        pass
    upload.refresh_from_db()
    return upload


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_rewording_is_a_lead_that_opens_nothing(ada: Party, ben: Party, settings):
    settings.EMBEDDING_BUDGET = 10
    first = embedded(ingest(factories.dataset(ada), [{"id": "a", "text": ONE}]))
    assert first.embedded_at is not None
    rows = [{"id": "b", "text": OTHER}, {"id": "c", "text": UNLIKE}]
    second = embedded(ingest(factories.dataset(ben), rows))
    assert second.embedded_count == 2
    overlap = Overlap.objects.get(later=second.version)
    assert (overlap.semantic_count, overlap.matching_count) == (1, 0)
    match = Match.objects.get()
    assert (match.later.key, match.kind) == ("b", "semantic")
    assert match.evidence["cosine"] > 0.9
    assert "a lead for a person" in match.evidence["basis"]
    assert not match.holds
    assert not Conflict.objects.exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_passage_inside_a_long_text_is_a_lead_that_says_where(ada: Party, ben: Party, settings):
    settings.EMBEDDING_BUDGET = 10
    filler = " ".join(f"The {word} was counted twice in the books of the year." for word in NOUNS)
    first = embedded(ingest(factories.dataset(ada), [{"id": "a", "text": ONE}]))
    assert first.embedded_at is not None
    # The model reads 254 tokens at once: the passage is a chunk of its own.
    chunked = padded_to_a_chunk(filler * 3) + OTHER
    second = embedded(ingest(factories.dataset(ben), [{"id": "b", "text": chunked}]))
    match = Match.objects.get()
    assert (match.kind, match.holds) == ("semantic", False)
    begin, end = match.evidence["later_characters"]
    assert match.evidence["later_chunk"] > 0
    assert OTHER.split()[-1] in chunked[begin:end]
    assert match.evidence["earlier_characters"] == [0, len(ONE)]
    assert Embedding.objects.filter(record__dataset=second.version.dataset).count() > 1


def padded_to_a_chunk(text: str) -> str:
    """`text`, cut where the default model stops reading its first chunk."""
    (first, *_) = embedding.load().embed([text]).chunks
    return text[: first.end] + " "


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_is_matched_already_is_not_embedded(ada: Party, ben: Party, settings):
    settings.EMBEDDING_BUDGET = 10
    ingest(factories.dataset(ada), [{"id": "a", "text": ONE + " " + UNLIKE}])
    copy = [{"id": "b", "text": ONE + " " + UNLIKE}, {"id": "c", "text": OTHER}]
    second = embedded(ingest(factories.dataset(ben), copy))
    assert Embedding.objects.filter(record__dataset=second.version.dataset).count() == 1


def test_without_a_budget_no_model_is_loaded(ada: Party, settings, monkeypatch):
    settings.EMBEDDING_BUDGET = 0
    monkeypatch.setattr(meaning.embedding, "load", pytest.fail)
    upload = embedded(ingest(factories.dataset(ada), [{"id": "a", "text": ONE}]))
    assert upload.embedded_at is not None
    assert not Embedding.objects.exists()


def test_an_upload_that_is_not_done_is_not_embedded(ada: Party):
    upload = begin(factories.dataset(ada), [{"id": "a", "text": ONE}])
    assert not meaning.embed(upload.pk, clock=ticking())
    assert drive(upload).state == "sealed"
    assert not pipeline.advance(upload.pk, clock=ticking())
