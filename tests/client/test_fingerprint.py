"""The plain Python reference: its Unicode tables, its tokens, its MinHash, its command."""

import gzip
import json
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from datasketch import MinHash
from hypothesis import given
from hypothesis import strategies as st
from tallymark import cli, fingerprint
from tallymark.fingerprint import minhash, normal, short, sources, tables

PINNED_DIGEST = "5fba85d9df6769f322abb9500cec383d19b2b1bb36b1f55b7185066eff32d338"
PINNED_SIGNATURE = [398283324, 380171469, 33878117, 133055903]
PINNED_GRAMS = [1901919829, 2908554917]
PINNED_DISGUISE = "1803d9cbe71b64939396458e737a84213bca5381faa2fda5df89023b3f1798f7"
CLIENT = Path(fingerprint.__file__).parents[2]
# Characters this interpreter knows: of the others its own unicodedata knows nothing.
known_characters = st.characters(exclude_categories=["Cs", "Cn", "Co"])
loose_characters = st.sampled_from(sorted(normal.loose_characters())).filter(
    lambda ch: unicodedata.category(ch) != "Cn"
)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
mixed_text = st.lists(
    st.one_of(known_characters, loose_characters, st.sampled_from(" abc中文กขक़")), max_size=40
).map("".join)


@given(any_text)
def test_a_canonical_form_is_its_own_canonical_form(text: str) -> None:
    once = fingerprint.normalise(text)
    assert fingerprint.normalise(once) == once


@given(mixed_text)
def test_marks_are_ordered_and_composed_as_unicode_says(text: str) -> None:
    separate = "".join(unicodedata.normalize("NFC", ch) for ch in text)
    decomposed = separate.translate(tables.load().decomposed)
    assert normal.compose(normal.order(decomposed)) == unicodedata.normalize("NFC", text)


@given(mixed_text)
def test_composed_and_decomposed_texts_have_one_canonical_form(text: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert fingerprint.normalise(composed) == fingerprint.normalise(decomposed)


def test_case_width_invisible_characters_and_spacing_do_not_matter() -> None:
    assert fingerprint.normalise(" \uff21\u200bbc\n\tSTRASSE \ufb01ne\u00ad ") == "abc strasse fine"
    assert fingerprint.digest("Straße") == fingerprint.digest("STRASSE")


@pytest.mark.parametrize(
    ("disguised", "plain"),
    [
        ("Тhе раураl ассоunt", "the paypal account"),
        ("\u0412\u0415\u0421\u041a ΗΑΤ", "beck hat"),
        ("\u0430\u0301 \u03cc \u0451 \u0440\u0327", "á ó ë p\u0327"),
        ("\u0131\u0261\u0251 \u13aa\u13bb \ua4d0", "iga ah b"),
    ],
)
def test_look_alike_letters_are_the_letters_they_pass_for(disguised: str, plain: str) -> None:
    assert fingerprint.normalise(disguised) == plain
    assert fingerprint.shingle_hashes(disguised) == fingerprint.shingle_hashes(plain)


def test_no_two_ascii_characters_are_merged_but_the_cases() -> None:
    printable = [chr(code) for code in range(0x21, 0x7F)]
    assert [fingerprint.normalise(ch) for ch in printable] == [ch.lower() for ch in printable]


@pytest.mark.parametrize("text", ["5 μg", "שלום וסוף", "السلام", "ဝါ", "٥ ০ ०", "дюжий", "ł ø đ"])
def test_what_passes_for_no_letter_or_must_stay_apart_is_kept(text: str) -> None:
    assert fingerprint.normalise(text) == text


def test_words_of_another_alphabet_stay_different_words() -> None:
    words = re.findall(
        r"\w+", "мир вода кровь слово город ночь дело жизнь λόγος νόμος φύσις σοφία հայ"
    )
    assert len({fingerprint.normalise(word) for word in words}) == len(words)
    assert all(fingerprint.digest(word) == fingerprint.digest(word.upper()) for word in words)


def test_a_lone_surrogate_is_replaced() -> None:
    assert fingerprint.normalise("a\ud800b") == "a\ufffdb"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop_me: 3.5", ["don", "t", "stop_me", "3", "5"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("中文文本", ["中文", "文文", "文本"]),
        ("中", ["中"]),
        ("abc中文", ["abc", "中文"]),
        ("ภาษาไทย", ["ภาษ", "าษา", "ษาไ", "าไท", "ไทย"]),
        ("がぎ", ["がぎ"]),
        ("\u0301", ["\u0301"]),
        ("…!", []),
    ],
)
def test_words_are_split_at_what_is_no_letter_and_unspaced_scripts_overlap(
    text: str, expected: list[str]
) -> None:
    assert fingerprint.tokens(text) == expected


@given(mixed_text)
def test_the_signature_is_datasketchs(text: str) -> None:
    oracle = MinHash(128, seed=1, scheme="affine32", hashfunc=fingerprint.hash32)
    oracle.update_batch(fingerprint.shingles(text))
    assert fingerprint.signature(text) == oracle.hashvalues.tolist()


def test_shingle_hashes_are_those_of_the_shingles() -> None:
    text = "one two three four five six seven six seven"
    expected = sorted({fingerprint.hash32(piece) for piece in fingerprint.shingles(text)})
    assert fingerprint.shingle_hashes(text) == expected
    assert len(fingerprint.shingles(text)) == 5
    assert fingerprint.shingles("one two") == [b"one two"]


def test_a_fingerprint_never_changes_while_its_version_stands() -> None:
    text = "The quick brown fox jumps over the lazy dog; Zażółć gęślą jaźń 中文字 ภาษา"
    assert fingerprint.HASH_VERSION == "words5-unicode15.1-2"
    assert fingerprint.digest(text).hex() == PINNED_DIGEST
    assert fingerprint.signature(text)[:4] == PINNED_SIGNATURE
    assert fingerprint.digest("Ꮯоре \u03b1\u0301 вот ΐ ഠ").hex() == PINNED_DISGUISE
    assert short.grams("abcdef") == PINNED_GRAMS
    assert short.sketch("abcdef") == [1, minhash.token_hash(b"abcdef"), *PINNED_GRAMS]


def other_interpreters() -> list[str]:
    """The other supported Pythons that answer here, on the path or from pyenv."""
    names = [f"python3.{minor}" for minor in (11, 12, 13) if minor != sys.version_info.minor]
    places = [
        str(path)
        for name in names
        for path in (Path.home() / ".pyenv").glob(f"versions/*/bin/{name}")
    ]
    return [found for found in names + places if answers(found)]


def answers(interpreter: str) -> bool:
    try:
        return subprocess.run([interpreter, "-V"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def test_other_pythons_make_the_same_fingerprints(tmp_path: Path) -> None:
    names = other_interpreters()
    if not names:
        pytest.skip("only this Python is here")
    texts = [chr(code) + " a " + chr(code) * 2 for code in range(0x20, 0x32000, 7)
             if not 0xD800 <= code < 0xE000]  # fmt: skip
    program = (
        "import json, sys; from tallymark import fingerprint as f;"
        "texts = json.load(open(sys.argv[1]));"
        "print(json.dumps([[f.normalise(t), f.shingle_hashes(t)] for t in texts]))"
    )
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    expected = [[fingerprint.normalise(text), fingerprint.shingle_hashes(text)] for text in texts]
    for name in names:
        asked = subprocess.run(
            [name, "-c", program, tmp_path / "texts.json"],
            capture_output=True, check=True, env={"PYTHONPATH": str(CLIENT), "PATH": "/usr/bin"},
        )  # fmt: skip
        assert json.loads(asked.stdout) == expected


def run_command(folder: Path, name: str, content: bytes, *options: str) -> tuple[int, list[dict]]:
    (folder / name).write_bytes(content)
    target = folder / "prints.jsonl.gz"
    status = cli.main(["fingerprint", str(folder / name), "-o", str(target), *options])
    if not target.exists():
        return status, []
    return status, [json.loads(line) for line in gzip.open(target, "rt", encoding="utf-8")]


def test_the_command_writes_a_header_and_a_line_for_each_record(tmp_path: Path) -> None:
    rows = [{"id": "a", "text": "one two three four five six"}, {"id": "b", "text": "Hi"}]
    content = "\n".join(map(json.dumps, rows)).encode()
    status, (header, first, second) = run_command(tmp_path, "texts.jsonl", content)
    assert status == 0
    assert header["hash_version"] == fingerprint.HASH_VERSION
    assert (first["key"], first["tokens"], short.SKETCH in first) == ("a", 6, True)
    assert first["digest"] == fingerprint.digest(rows[0]["text"]).hex()
    assert (second["key"], second["tokens"], short.SKETCH in second) == ("b", 1, True)


def test_the_command_skips_bad_rows_and_says_so(tmp_path: Path) -> None:
    status, lines = run_command(tmp_path, "t.jsonl", b'{"text": "good words"}\n{broken\n')
    assert status == 1
    assert len(lines) == 2


def test_the_command_refuses_an_empty_file_and_writes_nothing(tmp_path: Path) -> None:
    assert run_command(tmp_path, "t.csv", b"") == (2, [])
    assert list(tmp_path.iterdir()) == [tmp_path / "t.csv"]


def test_a_table_is_fingerprinted_row_by_row(tmp_path: Path) -> None:
    found = tmp_path / "t.csv"
    found.write_text("id;name;price\n1;Tea;1.50\n2;Salt;2\n3;Rice\n")
    rows = list(sources.records(found))
    assert rows[0] == sources.Record("1", '{"id":1,"name":"tea","price":1.5}')
    assert isinstance(rows[2], sources.Skipped)
