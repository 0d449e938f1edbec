"""Embeddings: texts a second by precision and batching; near vectors: recall and time of a probe.

`./run bench embedding [--texts N] [--vectors N] [--data FILE]`, against a PostgreSQL of its own.
The texts are this machine's (`corpus`) or FILE's. The vectors searched are drawn in clusters with
the dimension of the default model, and probed with slightly changed copies of some: what counts as
near is the shipped least cosine of a lead, and recall is against comparing all with all.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from tests.bench import corpus
from tests.bench.figures import Figures

DIMENSION, INNER, TOPICS = 384, 48, 3_000
PROBES = 400
WEIGHTS = "be" * 32


def note_of_machine() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} threads: not measured on a GPU"


def speed(figures: Figures, texts: Sequence[str], note: str) -> None:
    """Texts a second, and how near the vectors of half precision are to those of full."""
    from ingest.fingerprint import embedding

    made = {}
    for precision in ("float32", "bfloat16"):
        model = embedding.load(precision=precision)
        model.embed(texts[:8])
        for by_length in (False, True):
            began = time.perf_counter()
            made[precision] = model.embed(texts, by_length=by_length)
            rate = len(texts) / (time.perf_counter() - began)
            name = "by length" if by_length else "in order"
            figures.add(set=f"{precision}, batched {name}", figure="texts_per_second",
                        value=rate, unit="1/s", note=note)  # fmt: skip
    low, high = (made[name].vectors.astype(np.float32) for name in ("bfloat16", "float32"))
    figures.add(set="texts", figure="chunks_per_text", value=len(low) / len(texts), unit="")
    lowest = float(np.percentile((low * high).sum(axis=1), 1))
    figures.add(set="texts", figure="bfloat16_cosine_p1", value=lowest, peer="float32")
    few = min(5, len(low) - 1)
    near = [np.argsort(-(v @ v.T), axis=1)[:, :few] for v in (low, high)]
    same = [len(set(one) & set(other)) / few for one, other in zip(*near, strict=True)]
    figures.add(set="texts", figure="bfloat16_same_neighbours", value=float(np.mean(same)),
                unit="of the nearest 5", peer="float32")  # fmt: skip


def drawn(count: int, random: np.random.Generator, basis: np.ndarray) -> np.ndarray:
    """Unit vectors about topics that span a small part of the space, as those of texts do."""
    topics = np.random.default_rng(3).standard_normal((TOPICS, INNER), np.float32)
    own = topics[random.integers(0, TOPICS, count)]
    own = own + 0.6 * random.standard_normal((count, INNER), np.float32)
    made = own @ basis + random.standard_normal((count, DIMENSION), np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@contextmanager
def database() -> Iterator[None]:
    """A migrated PostgreSQL of its own."""
    from deploy.embedded import postgres

    with tempfile.TemporaryDirectory() as folder, postgres.temporary() as server:
        os.environ["DATABASE_URL"] = server.url("app")
        os.environ["DATABASE_OWNER_URL"] = server.url("owner")
        os.environ["TALLYMARK_DATA"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "deploy.settings"
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", database="owner", verbosity=0)
        yield


def fill(count: int) -> np.ndarray:
    """Store `count` vectors, a record each; some of them, changed a little, are the probes."""
    from django.utils import timezone

    from ingest.fingerprint.embedding import Chunk, Embedded, ModelName
    from ingest.index import vectors
    from provenance import parties, registry

    random = np.random.default_rng(7)
    basis = random.standard_normal((INNER, DIMENSION), np.float32)
    now, model = timezone.now(), ModelName("drawn", "1", WEIGHTS, DIMENSION)
    owner = parties.create_party(name="Owner", is_owner=True, is_lab=False, at=now)
    dataset = registry.register_dataset(owner=owner, name="drawn", title="Drawn", at=now)
    version = registry.open_version(dataset=dataset, at=now)
    probes = []
    for start in range(0, count, 10_000):
        part = drawn(min(10_000, count - start), random, basis)
        records = stored_records(version, start, len(part))
        chunks = [Chunk(place, 0, 0, 1, 1) for place in range(len(part))]
        vectors.insert(records, Embedded(chunks, part.astype(np.float16)), model)
        taken = part[random.integers(0, len(part), PROBES * 10_000 // count + 1)]
        probes.append(taken + 0.02 * random.standard_normal(taken.shape, np.float32))
    whole = np.concatenate(probes)[:PROBES]
    return (whole / np.linalg.norm(whole, axis=1, keepdims=True)).astype(np.float16)


def stored_records(version: object, start: int, count: int) -> list[int]:
    from provenance import registry
    from provenance.models import DatasetVersion, Record

    assert isinstance(version, DatasetVersion)
    registry.add_records(
        version=version,
        rows=[
            registry.NewRecord(
                ordinal=place,
                key=f"r{place}",
                digest=place.to_bytes(32, "big"),
                token_count=20,
                byte_count=100,
            )
            for place in range(start, start + count)
        ],
    )
    held = Record.objects.filter(dataset=version.dataset_id).order_by("-pk")[:count]
    return sorted(held.values_list("pk", flat=True))


def search(figures: Figures, count: int, note: str) -> None:
    """Recall and time of the ways to search, in one database."""
    from ingest import verdict
    from ingest.index import vector_cache, vectors

    probes = fill(count)
    least = verdict.SEMANTIC_COSINE
    name = f"{count} vectors of {DIMENSION}"

    def ask_all() -> set[tuple[int, int]]:
        near = vectors.nearest(probes, weights_digest=WEIGHTS, least=least)
        return {(one.place, one.chunk.id) for one in near}

    def timed(figure: str, work: Callable[[], object], per: int = 1, unit: str = "s") -> object:
        began = time.perf_counter()
        made = work()
        taken = (time.perf_counter() - began) / per
        figures.add(set=name, figure=figure, value=taken, unit=unit, note=note)
        return made

    vectors.EXACT_ROWS = count
    exact = timed("exact_seconds", ask_all)
    assert isinstance(exact, set)
    vectors.EXACT_ROWS = 0
    engine = "gpu" if torch.cuda.is_available() else "faiss"
    timed(f"{engine}_build_and_first_seconds", ask_all)
    found = timed(f"{engine}_seconds", ask_all)
    assert isinstance(found, set)
    recall, what = len(found & exact) / len(exact), f"{len(exact)} near, cosine >= {least}"
    figures.add(set=name, figure=f"{engine}_recall", value=recall, unit="of exact",
                peer="all compared", note=what)  # fmt: skip
    vector_cache._caches.clear()
    lists = timed("ivfflat_build_seconds", lambda: vectors.keep_index(WEIGHTS))
    probe_singly(figures, probes, exact, name, f"{lists} lists; {note}")
    timed("ivfflat_delete_1000_seconds", delete_some)


def probe_singly(
    figures: Figures, probes: np.ndarray, exact: set[tuple[int, int]], name: str, note: str
) -> None:
    from ingest import verdict
    from ingest.index import vectors

    found, taken = set(), []
    for place in range(len(probes)):
        began = time.perf_counter()
        near = vectors.nearest_few(
            probes[place : place + 1], weights_digest=WEIGHTS, most=vectors.MOST_PER_PROBE,
            least=verdict.SEMANTIC_COSINE,
        )  # fmt: skip
        taken.append((time.perf_counter() - began) * 1e3)
        found |= {(place, one.chunk.id) for one in near}
    recall = len(found & exact) / len(exact)
    figures.add(set=name, figure="ivfflat_recall", value=recall, unit="of exact",
                peer="all compared", note=note)  # fmt: skip
    for figure, value in (
        ("ivfflat_probe_p50_ms", statistics.median(taken)),
        ("ivfflat_probe_p99_ms", float(np.percentile(taken, 99))),
    ):
        figures.add(set=name, figure=figure, value=value, unit="ms", note=note)


def delete_some() -> None:
    """Erase a thousand vectors and vacuum, as the owner of the table."""
    from django.db import connections

    from ingest.models import Embedding

    ids = list(Embedding.objects.order_by("pk").values_list("pk", flat=True)[:1_000])
    Embedding.objects.filter(pk__in=ids).delete()
    with connections["owner"].cursor() as cursor:
        cursor.execute("VACUUM ingest_embedding")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--data", type=Path, help="JSONL with a column text, or a text a line")
    asked = parser.parse_args()
    items = corpus.read(asked.data) if asked.data else corpus.made(asked.texts * 2)
    figures, note = Figures("embedding"), note_of_machine()
    with database():
        if asked.texts:
            speed(figures, [item.text for item in items[: asked.texts]], note)
        if asked.vectors:
            search(figures, asked.vectors, note)
    figures.table()


if __name__ == "__main__":
    main()
