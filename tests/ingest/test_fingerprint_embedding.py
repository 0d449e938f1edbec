"""Embedding models as they are: the packaged one, and small ones of other kinds built here."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.fingerprint import embedding

LONG = "The harbour was quiet that morning. "
WORDS = ("the", "cat", "sat", "on", "a", "mat", "harbour", "##s", "was", "quiet", ".", ",")


@pytest.fixture(scope="module")
def embedder() -> embedding.Embedder:
    return embedding.load()


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one.astype(np.float32) @ other.astype(np.float32))


@pytest.mark.slow
def test_the_default_model_is_the_pinned_one(embedder: embedding.Embedder) -> None:
    assert embedder.name.weights_sha256 == embedding.DEFAULT_WEIGHTS
    assert embedder.name.dimension == 384
    assert embedder.name.revision


@pytest.mark.slow
def test_like_texts_are_nearer_than_unlike_ones(embedder: embedding.Embedder) -> None:
    texts = ["The cat sat on the mat.", "A cat is sitting on a mat.", "Share prices fell sharply."]
    made = embedder.embed(texts)
    assert made.vectors.dtype == np.float16
    assert made.vectors.shape == (3, 384)
    likeness = made.vectors.astype(np.float32) @ made.vectors.astype(np.float32).T
    assert likeness[0, 1] > 0.8 > 0.3 > likeness[0, 2]
    assert np.allclose(np.diag(likeness), 1, atol=0.01)


@pytest.mark.slow
def test_a_long_text_has_a_vector_for_each_part_of_it(embedder: embedding.Embedder) -> None:
    end = "Volcanoes erupted on Mars. " * 60
    made = embedder.embed(["A short one.", LONG * 60 + end])
    assert [chunk.place for chunk in made.chunks] == [0] + [1] * (len(made.chunks) - 1)
    assert [chunk.number for chunk in made.chunks[1:]] == list(range(len(made.chunks) - 1))
    spans = [(chunk.start, chunk.end) for chunk in made.chunks[1:]]
    assert spans[0][0] == 0
    assert spans[-1][1] == len((LONG * 60 + end).rstrip())
    assert all(0 <= after[0] - one[1] <= 1 for one, after in itertools.pairwise(spans))
    assert max(chunk.token_count for chunk in made.chunks) == 254
    alone = embedder.embed(["Volcanoes erupted on Mars. " * 20]).vectors[0]
    likeness = [cosine(alone, vector) for vector in made.vectors]
    assert max(likeness[-2:]) > 0.8 > 0.5 > likeness[1]


@pytest.mark.slow
def test_batches_by_length_change_no_vector(embedder: embedding.Embedder) -> None:
    texts = [LONG * count for count in (1, 40, 3, 0, 20, 2)]
    one, other = embedder.embed(texts), embedder.embed(texts, by_length=False)
    assert one.chunks == other.chunks
    assert [cosine(*pair) for pair in zip(one.vectors, other.vectors, strict=True)] == (
        pytest.approx([1.0] * len(one.chunks), abs=0.01)
    )


@pytest.mark.slow
def test_a_text_of_nothing_has_no_direction(embedder: embedding.Embedder) -> None:
    assert embedder.embed(["", " "]).chunks == []
    assert embedder.embed([]).vectors.shape == (0, 384)


@pytest.mark.slow
def test_both_precisions_find_the_same_neighbours() -> None:
    texts = ["The cat sat on the mat.", LONG, "Share prices fell sharply.", LONG * 9]
    low, high = (
        embedding.load(precision=name).embed(texts).vectors for name in ("bfloat16", "float32")
    )
    assert [cosine(*pair) for pair in zip(low, high, strict=True)] == pytest.approx(
        [1.0] * len(texts), abs=0.01
    )


@given(st.lists(st.integers(1, 300), max_size=50), st.integers(1, 2000))
def test_batches_hold_every_chunk_once_and_fit(counts: list[int], room: int) -> None:
    counts.sort(reverse=True)
    batches = list(embedding._batches(counts, room))
    assert [number for batch in batches for number in range(len(counts))[batch]] == list(
        range(len(counts))
    )
    for batch in batches:
        own = counts[batch]
        assert len(own) == 1 or max(own) * len(own) <= room


def tokenizer_of(folder: Path) -> Any:
    from transformers import BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(words))
    return BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=16)


def distilbert(folder: Path) -> Any:
    """Another architecture than the default's, with weights drawn at random: nothing is fetched."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import DistilBertConfig, DistilBertModel

    torch.manual_seed(1)
    inner = folder / "inner"
    inner.mkdir()
    tokenizer_of(inner).save_pretrained(inner)
    shape = DistilBertConfig(vocab_size=17, dim=24, hidden_dim=48, n_layers=2, n_heads=2,
                             max_position_embeddings=16)  # fmt: skip
    DistilBertModel(shape).save_pretrained(inner)
    read = Transformer(str(inner), max_seq_length=16)
    return SentenceTransformer(modules=[read, Pooling(24, pooling_mode="cls")], device="cpu")


def static(folder: Path) -> Any:
    """A table of word vectors: no transformer, a bare tokenizer, no limit of length."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding

    tokenizer = tokenizer_of(folder).backend_tokenizer
    weights = np.random.default_rng(1).standard_normal((17, 24)).astype(np.float32)
    table = StaticEmbedding(tokenizer, embedding_weights=weights)
    return SentenceTransformer(modules=[table], device="cpu")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("build", [distilbert, static])
def test_any_sentence_transformers_model_may_be_set(build: Any, tmp_path: Path) -> None:
    model, scratch = tmp_path / "model", tmp_path / "scratch"
    scratch.mkdir()
    build(scratch).save(str(model))
    made = embedding.load(str(model))
    assert made.name.model == str(model)
    assert (made.name.revision, made.name.dimension) == ("local", 24)
    assert made.name.weights_sha256 == embedding.weights_sha256(model)
    text = "the cat sat on a mat. " * 100
    found = made.embed(["a cat", text, ""])
    assert {chunk.place for chunk in found.chunks} == {0, 1}
    assert len(found.chunks) > 2
    assert [text[c.start : c.end].split()[0] for c in found.chunks if c.place == 1]
    assert np.allclose(np.linalg.norm(found.vectors.astype(np.float32), axis=1), 1, atol=0.01)


@pytest.mark.filterwarnings("ignore")
def test_a_model_from_the_hub_is_named_by_its_commit_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the hub's own cache lies on a disk; the network is not asked."""
    cached = tmp_path / "hub" / "models--maker--tiny"
    snapshot = cached / "snapshots" / ("c0ffee" * 6 + "c0de")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    distilbert(scratch).save(str(snapshot))
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(snapshot.name)
    for name in ("huggingface_hub.constants.HF_HUB_CACHE", "transformers.utils.hub.HF_HUB_CACHE"):
        monkeypatch.setattr(name, str(tmp_path / "hub"), raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    made = embedding.load("maker/tiny")
    assert made.name.revision == snapshot.name
    assert made.name.weights_sha256 == embedding.weights_sha256(snapshot)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(embedding.EmbeddingRefused, match="no weights"):
        embedding.load(str(tmp_path))


def test_weights_are_digested_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "b.safetensors").write_bytes(b"two")
    (tmp_path / "a.safetensors").write_bytes(b"one")
    assert embedding.weights_sha256(tmp_path) == hashlib.sha256(b"onetwo").hexdigest()
