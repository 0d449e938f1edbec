"""Nearest vectors: exactly, from a copy in memory, and by the index in PostgreSQL."""

from __future__ import annotations

import numpy as np
import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ingest import erasure
from ingest.fingerprint.embedding import Chunk, Embedded, ModelName
from ingest.index import vector_cache, vectors
from ingest.index.vector_cache import Cache, Hits, InvertedFile, Matrix, Rows, best_of
from ingest.models import Embedding
from provenance.models import DatasetVersion, Party, Record
from tests import factories
from tests.ingest.conftest import sealed, sentence

DIMENSION = 16
WEIGHTS = "ab" * 32
MODEL = ModelName("test/model", "r1", WEIGHTS, DIMENSION)
NONE = np.empty(0, np.int64)


def units(count: int, seed: int = 0, *, dimension: int = DIMENSION) -> np.ndarray:
    """Unit vectors in clusters, as those of texts are."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((max(count // 20, 1), dimension))
    made = centres[random.integers(0, len(centres), count)]
    made = made + 0.2 * random.standard_normal((count, dimension))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float16)


def store(records: list[int], made: np.ndarray, model: ModelName = MODEL) -> None:
    """One chunk a vector, dealt out to `records` in turn."""
    chunks = [
        Chunk(place % len(records), place // len(records), 10 * place, 10 * place + 9, 3)
        for place in range(len(made))
    ]
    vectors.insert(records, Embedded(chunks, made), model)


@pytest.fixture
def version(ada: Party) -> DatasetVersion:
    rows = [{"id": str(number), "text": sentence(number)} for number in range(8)]
    return sealed(factories.dataset(ada), rows)


@pytest.fixture
def records(version: DatasetVersion) -> list[int]:
    held = Record.objects.filter(dataset=version.dataset_id).order_by("pk")
    return list(held.values_list("pk", flat=True))


@pytest.fixture
def in_memory(monkeypatch: pytest.MonkeyPatch):
    """Even a few rows are asked of the copy in memory."""
    monkeypatch.setattr(vectors, "EXACT_ROWS", 0)
    vector_cache._caches.clear()
    yield
    vector_cache._caches.clear()


def found(probe: np.ndarray, least: float = 0.95) -> list[vectors.Near]:
    return vectors.nearest(probe, weights_digest=WEIGHTS, least=least)


def test_a_row_says_which_model_made_it_and_which_characters_it_spans(records: list[int]) -> None:
    store(records[:1], units(2))
    row = Embedding.objects.order_by("chunk").last()
    made_by = row.model, row.revision, row.weights_digest, row.dimension
    assert made_by == MODEL
    assert (row.chunk, row.span_start, row.span_end) == (1, 10, 19)


def test_storing_again_stores_nothing_twice(records: list[int]) -> None:
    store(records, units(16))
    store(records, units(16))
    assert Embedding.objects.count() == 16


def test_a_version_has_its_chunks_in_order(version: DatasetVersion, records: list[int]) -> None:
    made = units(16)
    store(records, made)
    chunks, own = vectors.of_version(version, WEIGHTS)
    assert [(chunk.record_id, chunk.number) for chunk in chunks] == [
        (record, number) for record in records for number in (0, 1)
    ]
    assert np.array_equal(own[1], made[8])
    assert vectors.of_version(version, "cd" * 32)[0] == []


@pytest.mark.parametrize("at_once", [7, 1_024])
def test_exact_search_finds_what_a_plain_product_finds(
    records: list[int], monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(vector_cache, "PROBES_AT_ONCE", at_once)
    monkeypatch.setattr(vectors, "BLOCK", 64)
    made = units(200)
    store(records, made)
    probes = units(40, seed=1)
    cosines = probes.astype(np.float32) @ made.astype(np.float32).T
    expected = {(place, 10 * int(other)) for place, other in np.argwhere(cosines >= 0.8)}
    near = found(probes, 0.8)
    assert {(one.place, one.chunk.start) for one in near} == expected
    for one in near:
        assert one.cosine == pytest.approx(cosines[one.place, one.chunk.start // 10], abs=1e-3)


def test_rows_set_apart_and_those_of_other_weights_are_not_found(records: list[int]) -> None:
    made = units(8)
    store(records, made)
    store(records, made, MODEL._replace(weights_sha256="cd" * 32))
    own = [one.chunk.id for one in found(made[:1])]
    left = vectors.nearest(made[:1], weights_digest=WEIGHTS, least=0.95, apart_from=own)
    assert own
    assert left == []


@pytest.mark.usefixtures("in_memory")
def test_the_copy_in_memory_finds_what_the_rows_hold(records: list[int]) -> None:
    made = units(400)
    store(records, made)
    near = found(made[::10], 0.99)
    assert {(one.place, one.chunk.start) for one in near} >= {
        (place, 100 * place) for place in range(40)
    }
    assert all(0.99 <= one.cosine <= 1.01 for one in near)


@pytest.mark.usefixtures("in_memory")
def test_the_copy_follows_the_rows(records: list[int]) -> None:
    store(records[:4], units(40))
    assert found(units(1, seed=9), 0.99) == []
    store(records[4:5], units(1, seed=9))
    assert [one.chunk.record_id for one in found(units(1, seed=9), 0.99)] == [records[4]]


@pytest.mark.usefixtures("in_memory")
def test_what_is_erased_never_comes_back_from_a_copy(records: list[int]) -> None:
    made = units(8)
    store(records, made)
    assert records[0] in {one.chunk.record_id for one in found(made[:1])}
    erasure.forget(records[:1])
    assert records[0] not in {one.chunk.record_id for one in found(made[:1])}


@pytest.mark.usefixtures("in_memory")
def test_a_copy_is_thrown_away_after_a_day_even_if_nobody_asks(
    records: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    timers = []

    class Kept(vector_cache.Timer):  # type: ignore[name-defined]
        def start(self) -> None:
            timers.append(self)

    monkeypatch.setattr(vector_cache, "Timer", Kept)
    store(records, units(8))
    found(units(1))
    (timer,) = timers
    assert (timer.interval, timer.daemon) == (86_400, True)
    timer.function(*timer.args)
    assert vector_cache._caches == {}


def test_an_orphaned_vector_is_swept(version: DatasetVersion, records: list[int]) -> None:
    """A vector that was stored while its record was being erased is no way to keep it."""
    erasure.forget(records)
    store(records, units(8))
    DatasetVersion.objects.filter(pk=version.pk).update(state="withdrawn")
    assert erasure.sweep_records() == 8
    assert not Embedding.objects.exists()


def blocks(ids: np.ndarray, made: np.ndarray) -> Rows:
    def read(after: int):
        kept = ids > after
        if kept.any():
            yield ids[kept], made[kept].astype(np.float32)

    return Rows(read, lambda: len(ids))


@pytest.mark.parametrize("kind", ["file", "matrix"])
def test_every_engine_finds_nearly_all_near_rows(kind: str) -> None:
    ids, made = np.arange(1, 4001), units(4000)
    probes = made[::40]
    expected = vectors.exactly(probes, blocks(ids, made).blocks(0), most=5, apart_from=NONE)
    if kind == "file":
        engine = vector_cache.inverted_file(blocks(ids, made), len(ids))
    else:
        engine = Matrix("cpu", block=1000)
    for part in np.array_split(np.arange(4000), 9):
        engine.add(ids[part], made[part].astype(np.float32))
    hits = engine.search(probes, most=5, apart_from=NONE)
    same = [len(set(a) & set(b)) / 5 for a, b in zip(expected.ids, hits.ids, strict=True)]
    assert np.mean(same) >= (0.97 if kind == "matrix" else 0.85)
    assert (hits.ids[:, 0] == ids[::40]).mean() >= 0.99
    apart = engine.search(probes, most=5, apart_from=ids[::40].copy())
    assert not np.isin(apart.ids, ids[::40]).any()


def test_a_row_that_is_committed_late_is_found_all_the_same() -> None:
    ids, made = np.array([1, 2, 4]), units(4)
    known = {"ids": ids, "made": made[[0, 1, 3]]}
    rows = Rows(
        lambda after: blocks(known["ids"], known["made"]).blocks(after), lambda: len(known["ids"])
    )
    cache = Cache(rows, lambda *_: Matrix("cpu"))
    cache.refresh()
    known |= {"ids": np.arange(1, 5), "made": made}
    cache.refresh()
    hits = cache.search(made[2:3], most=4, apart_from=NONE)
    assert sorted(hits.ids[0].tolist()) == [1, 2, 3, 4]
    assert hits.ids[0, 0] == 3


def test_a_file_that_has_outgrown_its_training_is_made_anew() -> None:
    known = [units(10)]
    made_for = []

    def make(rows: Rows, count: int) -> InvertedFile:
        made_for.append(count)
        return vector_cache.inverted_file(rows, count)

    rows = Rows(
        lambda after: blocks(np.arange(1, len(known[0]) + 1), known[0]).blocks(after),
        lambda: len(known[0]),
    )
    cache = Cache(rows, make)
    for count in (10, 20, 200, 200):
        known[0] = units(count)
        cache.refresh()
    cache.refresh()
    assert made_for == [10, 200]


cosines = npst.arrays(
    np.float32,
    st.tuples(st.just(3), st.integers(0, 9)),
    elements=st.floats(-1, 1, width=32),
)


@given(cosines, cosines, st.integers(1, 5))
def test_the_best_of_two_findings_are_the_best_of_both(
    one: np.ndarray, other: np.ndarray, most: int
) -> None:
    both = np.concatenate([one, other], axis=1)
    ids = np.broadcast_to(np.arange(both.shape[1]), both.shape)
    width = one.shape[1]
    made = best_of(Hits(ids[:, :width], one), Hits(ids[:, width:], other), most)
    assert np.array_equal(made.cosines, -np.sort(-both, axis=1)[:, :most])
    assert np.array_equal(np.take_along_axis(both, made.ids, axis=1), made.cosines)


def test_few_rows_are_asked_in_the_database_without_an_index(records: list[int]) -> None:
    made = units(40)
    store(records, made)
    assert vectors.keep_index(WEIGHTS) == 0
    near = vectors.nearest_few(made[:3], weights_digest=WEIGHTS, most=2, least=0.99)
    assert [one.place for one in near if one.cosine > 0.999] == [0, 1, 2]
    assert vectors.nearest_few(made[:0], weights_digest=WEIGHTS, most=2, least=0.9) == []


MANY = """
INSERT INTO ingest_embedding (record_id, model, revision, weights_digest, dimension, chunk,
                              span_start, span_end, vector)
SELECT %s, 'm', 'r', %s, 4, number, 0, 1,
       ARRAY[cos(number), sin(number), cos(number * 0.37), 1]::real[]::vector::halfvec
FROM generate_series(1, %s) AS number
"""


def fill(record: int, count: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(MANY, [record, WEIGHTS, count])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # as a commit would, for CREATE INDEX


def indexes() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname FROM pg_indexes WHERE indexname LIKE 'ingest_vectors%%'")
        return [name for (name,) in cursor.fetchall()]


def test_the_application_has_its_index_made_and_renewed_and_uses_it(records: list[int]) -> None:
    fill(records[0], 9_999)
    assert vectors.keep_index(WEIGHTS) == 0
    fill(records[1], 1)
    assert vectors.keep_index(WEIGHTS) == 100
    assert vectors.keep_index(WEIGHTS) == 100
    probe = np.array([[1, 0, 1, 1]], np.float16)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    before = scans()
    near = vectors.nearest_few(probe, weights_digest=WEIGHTS, most=5, least=0.5)
    assert len(near) == 5
    assert scans() > before
    fill(records[2], 30_000)
    assert vectors.keep_index(WEIGHTS) == 200
    assert indexes() == [f"ingest_vectors_{WEIGHTS[:16]}_200"]


def scans() -> int:
    """How often an index of vectors was read, this transaction included."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(pg_stat_get_xact_numscans(indexrelid)), 0)"
            " FROM pg_stat_user_indexes WHERE indexrelname LIKE 'ingest_vectors%%'"
        )
        return int(cursor.fetchone()[0])


def test_no_other_text_reaches_the_function_that_makes_indexes(db: None) -> None:
    with pytest.raises(Exception, match="64 hexadecimal digits"):
        vectors.keep_index("'; DROP TABLE ingest_embedding; --")
