"""The packaged embedding model, as it is: no stand-in."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from ingest.fingerprint import embedding

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def embedder() -> embedding.Embedder:
    return embedding.load()


def test_the_default_model_is_the_pinned_one(embedder: embedding.Embedder) -> None:
    assert embedder.name.weights_sha256 == embedding.DEFAULT_WEIGHTS
    assert embedder.name.dimension == 384
    assert embedder.name.revision


def test_like_texts_are_nearer_than_unlike_ones(embedder: embedding.Embedder) -> None:
    texts = ["The cat sat on the mat.", "A cat is sitting on a mat.", "Share prices fell sharply."]
    vectors = embedder.embed(texts)
    assert vectors.dtype == np.float16
    assert vectors.shape == (3, 384)
    likeness = vectors.astype(np.float32) @ vectors.astype(np.float32).T
    assert likeness[0, 1] > 0.8 > 0.3 > likeness[0, 2]
    assert np.allclose(np.diag(likeness), 1, atol=0.01)


def test_the_end_of_a_long_text_counts_too(embedder: embedding.Embedder) -> None:
    beginning = "The harbour was quiet that morning. " * 60
    ends = ["Volcanoes erupted on Mars. " * 60, "The recipe needs butter and flour. " * 60]
    one, other = embedder.embed([beginning + end for end in ends]).astype(np.float32)
    assert float(one @ other) < 0.95


def test_a_text_of_nothing_has_no_direction(embedder: embedding.Embedder) -> None:
    assert not embedder.embed(["", " "]).any()
    assert embedder.embed([]).shape == (0, 384)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(embedding.EmbeddingRefused, match="no weights"):
        embedding.load(str(tmp_path))


def test_weights_are_digested_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "b.safetensors").write_bytes(b"two")
    (tmp_path / "a.safetensors").write_bytes(b"one")
    assert embedding.weights_sha256(tmp_path) == hashlib.sha256(b"onetwo").hexdigest()
