"""The compiled kernels equal the plain Python reference, which equals datasketch."""

import hashlib
import itertools

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st
from tallymark import fingerprint as reference
from tallymark.fingerprint import batch, kernel_sign, normal, tables

from ingest import normalise
from ingest.fingerprint import bands, containment, digest, minhash, scheme

loose = st.sampled_from(sorted(normal.loose_characters()))
folding = st.sampled_from(
    sorted(code for code in tables.load().fold if not 0xD800 <= code < 0xE000)
)
unspaced = st.sampled_from([chr(first) for first, _, value in tables.load().classes if value > 1])
piece = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=8),
    loose,
    folding.map(chr),
    unspaced,
    st.sampled_from(
        [" ", ".", "word ", "中文字", "กขคง", "각\u11a8", "क\u093c\u094d", "é\u0323", "a" * 17]
    ),
)
texts = st.lists(st.lists(piece, max_size=30).map("".join), max_size=6)
hash_sets = st.sets(st.integers(0, 2**32 - 1), max_size=40).map(
    lambda values: np.array(sorted(values), np.uint32)
)


@settings(max_examples=300)
@given(texts)
def test_the_kernel_equals_the_reference(records: list[str]) -> None:
    made = minhash.prints(records)
    for place, (record, shingles) in enumerate(zip(records, made.shingle_sets(), strict=True)):
        assert made.token_counts[place] == reference.token_count(record)
        assert shingles.tolist() == reference.shingle_hashes(record)
        assert made.signatures[place].tolist() == reference.signature(record)
    assert digest.digests(records) == [reference.digest(record) for record in records]


@given(texts)
def test_the_kernel_equals_datasketch(records: list[str]) -> None:
    for record, signature in zip(records, minhash.signatures(records), strict=True):
        oracle = MinHash(128, seed=scheme.SEED, scheme=scheme.SCHEME, hashfunc=reference.hash32)
        oracle.update_batch(reference.shingles(record))
        assert np.array_equal(signature, oracle.hashvalues)


@settings(max_examples=50)
@given(texts)
def test_the_canonical_texts_of_the_kernel_are_the_references(records: list[str]) -> None:
    folded = batch.canonical(batch.of_list(records))
    ends = folded.offsets.tolist()
    found = [folded.source[start:end].tobytes().decode() for start, end in itertools.pairwise(ends)]
    assert found == [normalise.text(record) for record in records]


def test_every_code_point_folds_as_in_the_reference() -> None:
    records = [
        "".join(
            f"{chr(code)}x " for code in range(start, start + 256) if not 0xD800 <= code < 0xE000
        )
        for start in range(0, 0x110000, 256)
    ]
    assert digest.digests(records) == [reference.digest(record) for record in records]
    counts = [reference.token_count(record) for record in records]
    assert minhash.token_counts(records).tolist() == counts


@pytest.mark.parametrize("length", [1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1000])
def test_tokens_of_every_length_are_hashed_alike(length: int) -> None:
    for record in ("a" * length, "é" * length, "b" + " " * length + "c", "中" * length):
        assert minhash.signatures([record])[0].tolist() == reference.signature(record)


def test_a_long_record_is_hashed_in_pieces_that_do_not_show() -> None:
    record = " ".join(f"w{number * 7919 % 5003}" for number in range(13_000))
    made = minhash.prints([record])
    assert made.shingle_sets()[0].tolist() == reference.shingle_hashes(record)
    assert made.signatures[0].tolist() == reference.signature(record)


def test_threads_and_pieces_do_not_show() -> None:
    records = [f"w{number} " * (number % 40) + "中文字 раураl" for number in range(400)]
    alone, shared = (batch.prints(batch.of_list(records), threads=threads) for threads in (1, 3))
    for one, other in zip(alone, shared, strict=True):
        assert np.array_equal(one, other)
    assert [len(piece.offsets) for piece in batch.pieces(batch.of_list([]), 4)] == [1]


@given(st.lists(st.sampled_from([0, 1, 2**31, 2**32 - 1, *range(7, 90)]), max_size=80))
def test_hashes_chosen_to_meet_in_one_bucket_are_sorted_and_made_distinct(
    values: list[int],
) -> None:
    kept, ends = np.array(values, np.uint32), np.array([len(values) // 2, len(values)])
    first, second = sorted(set(values[: ends[0]])), sorted(set(values[ends[0] :]))
    assert kernel_sign.distinct(kept, ends).tolist() == first + second
    assert ends.tolist() == [len(first), len(first) + len(second)]


def test_what_grows_much_when_folded_fits() -> None:
    records = ["\ufdfa" * 20_000, "\u0390" * 5000, "\u0301" * 5000]
    assert digest.digests(records) == [reference.digest(record) for record in records]


def test_arrow_arrays_lists_slices_and_nulls_are_read_alike() -> None:
    values = ["one two three", None, "", "vier fünf sechs sieben acht neun", "中文"]
    plain = [value or "" for value in values]
    array = pa.array(values)
    expected = minhash.signatures(plain)
    for form in (array, array.cast(pa.large_string()), pa.chunked_array([array[:2], array[2:]])):
        assert np.array_equal(minhash.signatures(form), expected)
    assert np.array_equal(minhash.signatures(array[2:4]), expected[2:4])
    assert minhash.signatures([]).shape == (0, 128)
    assert minhash.signatures(pa.array([], pa.string())).shape == (0, 128)


def test_bytes_that_are_not_utf8_never_reach_the_kernel() -> None:
    broken = pa.array([b"ab\xff\xe2"]).view(pa.string())
    with pytest.raises(pa.ArrowInvalid):
        minhash.signatures(broken)


def test_a_lone_surrogate_is_replaced_before_it_is_hashed() -> None:
    for text in ("a\ud800b", "\ud800\udc00 pair", "é\udc00\ud800"):
        assert digest.digests([text]) == [reference.digest(text)]
        assert minhash.signatures([text, "next"])[0].tolist() == reference.signature(text)


def test_a_text_without_tokens_has_an_empty_signature() -> None:
    made = minhash.prints(["", "…", "\u200b"])
    assert (made.signatures == scheme.EMPTY).all()
    assert made.token_counts.tolist() == [0, 0, 0]
    assert len(made.shingles) == 0


def test_band_keys_keep_48_bits_and_know_their_band() -> None:
    same_rows = np.tile(np.arange(6, dtype=np.uint32), 22)[None, :128]
    keys = bands.band_keys(same_rows)
    assert keys.shape == (1, 20)
    assert keys.dtype == np.uint64
    assert int(keys.max()) < 2**48
    assert len(set(keys[0].tolist())) == 20


@given(st.integers(0, 127))
def test_a_band_key_changes_with_its_own_rows_only(place: int) -> None:
    signature = np.arange(128, dtype=np.uint32)[None, :]
    other = signature.copy()
    other[0, place] ^= 1
    differing = np.flatnonzero((bands.band_keys(signature) != bands.band_keys(other))[0])
    assert differing.tolist() == ([place // 6] if place < 120 else [])


def test_band_keys_never_change_while_their_version_stands() -> None:
    keys = bands.band_keys(np.arange(128, dtype=np.uint32)[None, :])
    digested = hashlib.sha256(keys.astype("<u8").tobytes()).hexdigest()
    assert digested == "f3e81a3c1105e3085ee3a4545b98a66831ed1024a2e372e0d6cf44cb134db6c0"


@given(hash_sets, hash_sets)
def test_likeness_is_that_of_the_sets(one: np.ndarray, other: np.ndarray) -> None:
    mine, theirs = set(one.tolist()), set(other.tolist())
    common, smaller = len(mine & theirs), min(len(mine), len(theirs))
    assert containment.shared(one, other).tolist() == sorted(mine & theirs)
    assert containment.jaccard(one, other) == (common / len(mine | theirs) if mine | theirs else 0)
    assert containment.containment(one, other) == (common / smaller if smaller else 0)


def test_the_sample_is_an_eighth_and_the_same_from_every_text() -> None:
    hashes = np.arange(0, 2**32, 65_537, dtype=np.uint64).astype(np.uint32)
    sample = bands.sampled(hashes)
    assert abs(len(sample) / len(hashes) - 1 / 8) < 0.005
    assert np.array_equal(bands.sampled(hashes[::2]), np.intersect1d(sample, hashes[::2]))


def test_rows_that_say_the_same_have_one_canonical_form() -> None:
    typed = {"Name": "Tea ", "price": 1.5, "sold": None, "on": "2024-05-01T00:00:00", "n": 7}
    written = {"n": "7.0", "on": "2024-05-01", "price": "1.50", "name": "tea", "other": ""}
    assert normalise.row(typed) == normalise.row(written)
    assert normalise.row({"zip": "007"}) != normalise.row({"zip": "7"})
    assert normalise.row({"n": 10**39 + 1}) != normalise.row({"n": 10**39})
