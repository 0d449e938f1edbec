"""Fingerprints made at home: read exactly, refused where they cannot be compared."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from datasketch import LeanMinHash, MinHash
from tallymark import fingerprint

from ingest import bring
from ingest.fingerprint import minhash
from ingest.models import BadRow, Body, Fingerprint
from provenance import registry
from provenance.models import Match, Party
from tests import factories
from tests.ingest.conftest import ingest, sealed, sentence

HEADER = {
    "tallymark": "prints/1",
    "hash_version": fingerprint.HASH_VERSION,
    "scheme": fingerprint.SCHEME,
    "seed": fingerprint.SEED,
}


def packed(values: list[int]) -> str:
    return base64.b64encode(np.array(values, "<u4").tobytes()).decode()


def line(key: str, text: str, **changed: Any) -> dict[str, Any]:
    shingles = fingerprint.shingle_hashes(text)
    return {
        "key": key,
        "digest": fingerprint.digest(text).hex(),
        "tokens": fingerprint.token_count(text),
        "bytes": len(text.encode()),
        "signature": packed(fingerprint.signature(text) if shingles else []),
        "shingles": packed(shingles),
        **changed,
    }


def prints_file(texts: dict[str, str], *extra: dict[str, Any]) -> bytes:
    rows = [HEADER, *(line(key, text) for key, text in texts.items()), *extra]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def test_prints_made_at_home_equal_those_made_here(ada: Party, ben: Party):
    texts = {"a": sentence(1), "b": "Ça va? 中文字 ภาษาไทย " + sentence(2)}
    at_home = sealed(factories.dataset(ada, "home", is_fingerprint_only=True), prints_file(texts))
    here = sealed(factories.dataset(ben, "here"), [{"id": k, "text": t} for k, t in texts.items()])
    for one, other in zip(registry.records_of(at_home), registry.records_of(here), strict=True):
        assert (one.key, bytes(one.digest)) == (other.key, bytes(other.digest))
        assert (one.token_count, one.byte_count) == (other.token_count, other.byte_count)
        mine, theirs = one.fingerprint, other.fingerprint
        assert bytes(mine.signature) == bytes(theirs.signature)
        assert bytes(mine.shingles) == bytes(theirs.shingles)
    assert not Body.objects.filter(record__dataset=at_home.dataset).exists()


def test_lines_that_do_not_fit_are_bad_rows(ada: Party):
    home = factories.dataset(ada, is_fingerprint_only=True)
    good = sentence(1)
    broken = [
        line("x", good, digest="00"),
        line("x", good, shingles=packed([3, 2, 1])),
        line("x", good, signature=packed([1, 2])),
        line("x", good, signature="no base64!"),
        line("x", good, tokens=-1),
        line("x" * 300, good),
        {"key": ""},
    ]
    upload = ingest(home, prints_file({"a": good}, *broken))
    assert (upload.record_count, upload.bad_count) == (1, len(broken))
    assert BadRow.objects.filter(upload=upload).order_by("line").first().line == 3
    assert Fingerprint.objects.count() == 1


@pytest.mark.parametrize(
    "header",
    [{}, {"tallymark": "prints/1"}, HEADER | {"hash_version": "other"}, HEADER | {"seed": 2}],
)
def test_prints_of_another_scheme_are_refused(ada: Party, header: dict[str, Any]):
    home = factories.dataset(ada, is_fingerprint_only=True)
    content = json.dumps(header).encode() + b"\n" + json.dumps(line("a", sentence(1))).encode()
    upload = ingest(home, content)
    assert (upload.state, upload.error_code) == ("failed", bring.NotPrints.code)


def test_a_delta_of_prints_withdraws_by_key(ada: Party):
    home = factories.dataset(ada, is_fingerprint_only=True)
    sealed(home, prints_file({"a": sentence(1), "b": sentence(2)}))
    upload = ingest(home, prints_file({}, {"key": "a", "withdrawn": True}), mode="delta")
    assert upload.state == "ready"
    assert registry.preview_delta(upload.version).withdrawn == 1


def lean(key: str, text: str, **options: Any) -> dict[str, Any]:
    """A line as an owner of datasketch signatures writes it."""
    wanted = {"num_perm": 128, "seed": 1, "scheme": "affine32", "hashfunc": fingerprint.hash32}
    made = MinHash(**{**wanted, **options})
    made.update_batch(fingerprint.shingles(text))
    buffer = bytearray(LeanMinHash(made).bytesize())
    LeanMinHash(made).serialize(buffer)
    row = line(key, text, lean_minhash=base64.b64encode(buffer).decode())
    return {name: value for name, value in row.items() if name not in ("signature", "shingles")}


def test_signatures_of_datasketch_are_found_as_a_lead_that_holds_nothing(ada: Party, ben: Party):
    text = sentence(1)
    again = text.replace(text.split()[3], "otherwise", 1)
    home = factories.dataset(ada, "home", is_fingerprint_only=True)
    sealed(home, prints_file({}, lean("a", text), lean("nothing", "…")))
    record, empty = registry.records_of(home.versions.get())
    assert bytes(record.fingerprint.signature) == minhash.signatures([text]).astype("<u4").tobytes()
    assert bytes(empty.fingerprint.signature) == b""
    later = sealed(factories.dataset(ben, "here"), [{"id": "copy", "text": again}])
    match = Match.objects.get(overlap__later=later)
    assert (match.kind, match.holds, match.earlier) == ("near", False, record)
    assert match.evidence["equal_minima"] / 128 == pytest.approx(match.jaccard)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"scheme": "legacy"}, "scheme legacy"),
        ({"seed": 7}, "seed 7"),
        ({"num_perm": 64}, "64 per"),
    ],
)
def test_signatures_of_another_make_are_bad_rows(ada: Party, options: dict, reason: str):
    home = factories.dataset(ada, "home", is_fingerprint_only=True)
    version = sealed(home, prints_file({"a": sentence(1)}, lean("b", sentence(2), **options)))
    assert reason in BadRow.objects.get(upload__version=version).reason
