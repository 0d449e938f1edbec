"""Every format is read to the same records, from any place on, and known without its name."""

import bz2
import csv
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from PIL import Image

from ingest import readers
from ingest.readers import BadRow, RawRecord, Withdrawal
from tests.ingest.conftest import zipped

ROWS = [
    {
        "id": f"r{number}",
        "text": f"Article {number}: \u201cquoted\u201d, with; a\nline and \u4e2d\u6587",
    }
    for number in range(120)
]


def jsonl() -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


def delimited(delimiter: str, encoding: str = "utf-8") -> bytes:
    target = io.StringIO(newline="")
    writer = csv.DictWriter(target, ["id", "text"], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(ROWS)
    return target.getvalue().encode(encoding)


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), sink, row_group_size=25)
    return sink.getvalue()


def arrow(opener: Callable[..., Any]) -> bytes:
    table, sink = pa.Table.from_pylist(ROWS), io.BytesIO()
    with opener(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=25)
    return sink.getvalue()


FORMS: dict[str, Callable[[], bytes]] = {
    "a.jsonl": jsonl,
    "a.ndjson": jsonl,
    "a.jsonl.gz": lambda: gzip.compress(jsonl()),
    "two.jsonl.gz": lambda: gzip.compress(jsonl()[:500]) + gzip.compress(jsonl()[500:]),
    "a.jsonl.zst": lambda: zstandard.compress(jsonl()),
    "a.jsonl.bz2": lambda: bz2.compress(jsonl()),
    "a.jsonl.xz": lambda: lzma.compress(jsonl()),
    "a.csv": lambda: delimited(","),
    "semicolon.csv": lambda: delimited(";"),
    "a.tsv": lambda: delimited("\t"),
    "a.csv.gz": lambda: gzip.compress(delimited(",")),
    "marked.csv": lambda: delimited(",", "utf-8-sig"),
    "wide.csv": lambda: delimited(",", "utf-16"),
    "chinese.csv": lambda: delimited(",", "gb18030"),
    "a.parquet": parquet,
    "a.arrow": lambda: arrow(pa.ipc.new_file),
    "a.arrows": lambda: arrow(pa.ipc.new_stream),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", FORMS)
def test_every_format_gives_the_same_records(folder: Path, name: str) -> None:
    path = written(folder, name, FORMS[name]())
    found = list(readers.records(path))
    assert [(row.ordinal, row.key, row.text) for row in found] == [
        (place, row["id"], row["text"]) for place, row in enumerate(ROWS)
    ]
    progress = [row.bytes_read for row in found]
    assert progress == sorted(progress)
    assert 0 < progress[-1] <= readers.total_bytes(path)


@pytest.mark.parametrize("name", FORMS)
def test_reading_resumes_at_any_row(folder: Path, name: str) -> None:
    path = written(folder, name, FORMS[name]())
    whole = [row[:4] for row in readers.records(path)]
    for skip in (1, 25, 26, 119, 120):
        assert [row[:4] for row in readers.records(path, skip=skip)] == whole[skip:]


@pytest.mark.parametrize("name", FORMS)
def test_a_file_is_inspected_before_it_is_registered(folder: Path, name: str) -> None:
    found = readers.inspect(written(folder, name, FORMS[name]()))
    assert (found.kind, found.text_column, found.key_column) == ("text", "text", "id")
    assert found.columns == ["id", "text"]
    assert found.sample_rows[0]["id"] == "r0"
    assert len(found.sample_rows) == 5


def test_the_owners_name_counts_where_the_file_is_stored_under_another(folder: Path) -> None:
    stored = written(folder, "blob", delimited(";"))
    assert len(list(readers.records(stored, name="articles.csv"))) == len(ROWS)


def test_old_encodings_are_recognised(folder: Path) -> None:
    texts = [
        f"Gr\u00fc\u00dfe aus K\u00f6ln, sch\u00f6ne \u00c4pfel, \u00d6l f\u00fcr M\u00fcller {n}"
        for n in range(40)
    ]
    data = ("text\n" + "\n".join(f'"{text}"' for text in texts)).encode("cp1252")
    found = list(readers.records(written(folder, "a.csv", data)))
    assert [row.text for row in found] == texts


def test_plain_text_is_read_by_line_or_by_paragraph(folder: Path) -> None:
    by_line = readers.records(written(folder, "a.txt", b"first one\r\nsecond one\r\n"))
    assert [row.text for row in by_line] == ["first one", "second one"]
    path = written(folder, "b.txt", b"first\nstill first\n\n\nsecond\n\nthird")
    assert [row.text for row in readers.records(path)] == ["first\nstill first", "second", "third"]
    assert [row.key for row in readers.records(path, skip=1)] == ["2", "3"]


def test_a_table_without_a_text_is_read_by_rows(folder: Path) -> None:
    path = written(folder, "t.csv", b"sku_id,name,price\n1,Tea,1.50\n2,Salt,2\n")
    found = readers.inspect(path)
    assert (found.kind, found.text_column, found.key_column) == ("table", None, "sku_id")
    first, _ = readers.records(path)
    assert first.text == '{"name":"tea","price":1.5,"sku_id":1}'


def test_the_same_row_in_csv_and_parquet_is_the_same_record(folder: Path) -> None:
    values = {"n": [1, 2], "price": [1.5, 0.1], "on": ["2024-01-01", "2024-01-02"]}
    schema = pa.schema({"n": pa.int64(), "price": pa.float32(), "on": pa.string()})
    sink = io.BytesIO()
    pq.write_table(pa.table(values, schema), sink)
    typed = readers.records(written(folder, "t.parquet", sink.getvalue()), kind="table")
    plain = written(folder, "t.csv", b"on,price,n\n2024-01-01,1.50,1\n2024-01-02,0.1,2.0\n")
    assert [row.text for row in typed] == [row.text for row in readers.records(plain, kind="table")]


def test_columns_can_be_chosen(folder: Path) -> None:
    path = written(folder, "a.jsonl", b'{"text": "one", "note": "two", "n": 3, "m": {"a": 1}}\n')
    for column, text in (("note", "two"), ("n", "3"), ("m", '{"a": 1}')):
        (found,) = readers.records(path, text_column=column, key_column="n")
        assert (found.key, found.text) == ("3", text)
    with pytest.raises(readers.ReaderError, match="text, note, n, m") as refused:
        list(readers.records(path, text_column="body"))
    assert refused.value.code == "no_such_column"


def test_a_delta_takes_records_away_by_key(folder: Path) -> None:
    path = written(
        folder, "d.jsonl", b'{"id": "a", "text": "new"}\n{"id": "b", "_withdrawn": true}\n'
    )
    first, second = readers.records(path, text_column="text", key_column="id")
    assert isinstance(first, RawRecord)
    assert second == Withdrawal(1, "b", second.bytes_read)


def png(colour: str = "navy") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    return buffer.getvalue()


MEMBERS = {"b/two.txt": b"second text", "a.png": png(), "one.md": b"# first text"}


def tarred(members: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.zip", zipped(MEMBERS)),
        ("a.tar", tarred(MEMBERS)),
        ("a.tar.gz", tarred(MEMBERS, "w:gz")),
        ("a.tgz", tarred(MEMBERS, "w:gz")),
        ("a.tar.zst", zstandard.compress(tarred(MEMBERS))),
        ("folder", b""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_archives_and_folders_give_a_record_for_each_file(
    folder: Path, name: str, data: bytes
) -> None:
    path = folder / name
    if data:
        written(folder, name, data)
    else:
        for member, content in MEMBERS.items():
            written(path, member, content)
        written(path, ".DS_Store", b"hidden")
    found = {row.key: row for row in readers.records(path)}
    assert found["one.md"].text == "# first text"
    assert found["b/two.txt"].text == "second text"
    assert found["a.png"].image == MEMBERS["a.png"]
    assert len(found) == 3
    assert len(list(readers.records(path, skip=2))) == 1
    kinds = [type(row) for row in readers.records(path, kind="image")]
    assert kinds.count(BadRow) == 2


def test_a_folder_of_tables_is_read_row_by_row(folder: Path) -> None:
    written(folder, "data/a.jsonl", b'{"text": "one"}\n{"text": "two"}\n')
    written(folder, "data/b.csv", b"id,text\nx,three\ny,four\n")
    written(folder, "data/notes.xlsx", b"PK\x03\x04")
    found = list(readers.records(folder / "data"))
    assert [getattr(row, "text", None) for row in found] == ["one", "two", "three", "four", None]
    assert [row.ordinal for row in found] == [0, 1, 2, 3, 4]
    assert [row.key for row in found[:4]] == ["a.jsonl:1", "a.jsonl:2", "x", "y"]


def test_one_image_is_one_record(folder: Path) -> None:
    path = written(folder, "photo.png", png())
    (found,) = readers.records(path, kind="image")
    assert (found.key, found.image) == ("photo.png", png())
    assert readers.inspect(path).kind == "image"


def test_what_no_database_keeps_is_replaced(folder: Path) -> None:
    path = written(folder, "a.jsonl", b'{"text": "a\\u0000b\\ud800c"}\n')
    (found,) = readers.records(path)
    assert found.text == "a\ufffdb\ufffdc"
