"""The device's kernels equal the CPU's, bit for bit; here torch runs them on a CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tallymark.fingerprint import batch, normal, tables

from ingest.fingerprint import device, minhash
from ingest.fingerprint.device import batches, hashing, lookups, minima

known = tables.load()
loose = st.sampled_from(sorted(normal.loose_characters()))
folding = st.sampled_from(sorted(code for code in known.fold if not 0xD800 <= code < 0xE000))
classes = st.sampled_from([chr(first) for first, _, value in known.classes if value > 1])
piece = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.text("ab \u0301\u0e31\u093f中กカ.", max_size=12),
    st.text(
        "\u0995\u09be\u09c7\u09d7\u09cd\u09cb\u1100\u1161\u11a8\uac00\u0301\u200dA\u0b92\u0bd7",
        max_size=9,
    ),
    loose,
    folding.map(chr),
    classes,
    st.sampled_from(["word ", "中文字", "กขคง", "각\u11a8", "क\u093c\u094d", "é\u0323", "a" * 17]),
)
records = st.lists(st.lists(piece, max_size=25).map("".join), max_size=8)


def assert_equal_to_the_cpu(texts: list[str], **parts: bool | int) -> None:
    whole = batch.of_list(texts)
    made = batches.prints(whole, device="cpu", **parts)
    expected = batch.prints(whole, **{k: v for k, v in parts.items() if k != "chunk_bytes"})
    for mine, theirs in zip(made, expected, strict=True):
        assert mine.dtype == theirs.dtype
        assert np.array_equal(mine, theirs)


@settings(max_examples=200, deadline=None)
@given(records, st.sampled_from([16, 64, 1 << 20]))
def test_the_device_equals_the_cpu(texts: list[str], chunk_bytes: int) -> None:
    assert_equal_to_the_cpu(texts, chunk_bytes=chunk_bytes)


def test_every_code_point_is_read_as_on_the_cpu() -> None:
    codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    texts = [f"ab{chr(code)}c {chr(code)}{chr(code)} d" for code in codes[::3]]
    assert_equal_to_the_cpu(texts)


@pytest.mark.parametrize("length", [1, 7, 8, 9, 15, 16, 17, 24, 64, 4095, 4096, 4097, 20_000])
def test_tokens_of_every_length_are_hashed_alike(length: int) -> None:
    texts = ["a" * length, "é" * length, "b" + " " * length + "c", "中" * length, "x y"]
    assert_equal_to_the_cpu(texts, chunk_bytes=1 << 15)


def test_long_and_short_records_stand_side_by_side() -> None:
    long = " ".join(f"w{number * 7919 % 5003}" for number in range(13_000))
    words = ["one", "two", "three", "four", "five", "six", "seven"]
    texts = [" ".join(words[:count]) for count in range(8)]
    assert_equal_to_the_cpu([*texts, long, *texts, long + " ü"])


@pytest.mark.parametrize("signatures", [True, False])
@pytest.mark.parametrize("shingles", [True, False])
def test_only_what_is_asked_for_is_made(*, signatures: bool, shingles: bool) -> None:
    texts = ["one two three four five six", "q\u0323\u0307 r", "", "中文字"]
    assert_equal_to_the_cpu(texts, signatures=signatures, shingles=shingles)


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["…", "\u200b"], ["é"]])
def test_a_batch_without_tokens_is_empty_in_the_same_way(texts: list[str]) -> None:
    assert_equal_to_the_cpu(texts)


def test_a_slice_that_does_not_begin_at_zero_is_read_where_it_stands() -> None:
    whole = batch.of_list(["zero one two", "three four été", "five six seven eight nine ten"])
    part = batch.Texts(whole.source, whole.offsets[1:])
    made, expected = batches.prints(part, device="cpu"), batch.prints(part)
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(made, expected, strict=True))


def test_only_records_that_depend_on_order_or_size_are_left_to_the_cpu() -> None:
    apart, together = "\u0995\u09be \u09be", "\u0995\u09c7\u09be"  # Bengali vowel signs
    texts = [
        *("plain words", "café 中文 ไทย वि", apart, "İstanbul ў ўİ", "İ"),
        *("e\u0301", together, "İ\u0301", "x" * 5000, "ﷺ" * 50),
        "ก\u0e48\u200b\u0e38",  # marks out of order, with something invisible between them
    ]
    left = batches.left_to_the_cpu(batch.of_list(texts), device="cpu")
    assert left.tolist() == [False] * 5 + [True] * 6


@given(st.lists(st.integers(0, 70), max_size=12), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_triton_takes_the_same_minima_as_torch(sizes: list[int], seed: int) -> None:
    pytest.importorskip("triton", reason="Triton comes with torch for CUDA")
    if not torch.cuda.is_available():
        pytest.importorskip("triton.runtime.interpreter")
        from triton import knobs

        if not knobs.runtime.interpret:
            pytest.skip("without a GPU, set TRITON_INTERPRET=1")
    from ingest.fingerprint.device import minima_triton

    place = "cuda" if torch.cuda.is_available() else "cpu"
    bounds = torch.tensor(np.cumsum([0, *sizes, 1500]), device=place)
    drawn = torch.randint(
        -(1 << 31), 1 << 31, (int(bounds[-1]),), generator=torch.Generator().manual_seed(seed)
    )
    mixed = drawn.to(torch.int32).to(place)
    made = minima_triton.signatures(mixed, bounds, lookups.on(place))
    assert torch.equal(made, minima.signatures(mixed, bounds, lookups.on(place)))


@pytest.fixture
def pretended_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for the GPU gets torch on the CPU, for batches of any size."""
    real = batches.prints
    monkeypatch.setattr(device, "available", lambda: True)
    monkeypatch.setattr(device, "LEAST_BYTES", 0)
    monkeypatch.setattr(device._Trust, "is_lost", False)
    monkeypatch.setattr(
        batches, "prints", lambda texts, **asked: real(texts, **asked | {"device": "cpu"})
    )


@pytest.mark.usefixtures("pretended_gpu")
def test_a_gpu_is_used_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["one two three four five six", "sept huit neuf dix onze été"]
    expected = batch.prints(batch.of_list(texts))
    monkeypatch.setattr(batch, "_prints", pytest.fail)
    made = minhash.prints(texts)
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(made, expected, strict=True))


@pytest.mark.usefixtures("pretended_gpu")
def test_a_device_that_fails_is_left_for_good_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = []

    def lost(texts: batch.Texts, **asked: object) -> batch.Prints:
        calls.append(asked)
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(batches, "prints", lost)
    expected = batch.prints(batch.of_list(["one two"])).signatures
    for _ in range(3):
        assert np.array_equal(minhash.signatures(["one two"]), expected)
    assert len(calls) == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "out of memory" in caplog.text


@pytest.mark.usefixtures("pretended_gpu")
def test_a_device_that_computes_something_else_stores_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batches._check.cache_clear()
    monkeypatch.setattr(hashing, "MULTIPLIER", hashing.MULTIPLIER ^ 2)
    expected = batch.prints(batch.of_list(["one two"])).signatures
    assert np.array_equal(minhash.signatures(["one two"]), expected)
    assert device._Trust.is_lost
    batches._check.cache_clear()


def test_a_machine_without_a_driver_does_not_import_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "DRIVERS", ("/nowhere/nvidiactl",))
    device.available.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    assert not device.available()
    device.available.cache_clear()
