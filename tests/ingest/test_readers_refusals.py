"""Broken files get a clear error, bad rows a line and a reason, and neither takes our memory."""

import gzip
import io
import json
import os
import random
import stat
import struct
import subprocess
import sys
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import readers
from ingest.readers import BadRow, Limits, RawRecord, ReaderError
from tests.ingest.conftest import zipped

MEGABYTE = 2**20
LINES = b"".join(b'{"id": "%d", "text": "some words, number %d"}\n' % (n, n) for n in range(5000))


def refusal(folder: Path, name: str, data: bytes, limits: Limits | None = None) -> ReaderError:
    """The error that reading such a file ends with."""
    path = folder / name
    path.write_bytes(data)
    with pytest.raises(ReaderError) as refused:
        list(readers.records(path, limits=limits or Limits()))
    assert refused.value.message
    assert refused.value.hint
    return refused.value


def table() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["one", "two"]}), sink)
    return sink.getvalue()


def tarred(name: str, data: bytes, **header: object) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        for field, value in header.items():
            setattr(info, field, value)
        archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.parquet", b"id,text\n1,one\n"),
        ("a.csv", table()),
        ("a.jsonl", table()),
        ("a.csv", b'{"text": "one"}\n{"text": "two"}\n'),
        ("a.jsonl", b"id,text\n1,one\n2,two\n"),
        ("a.jsonl", b'[{"text": "one"}]'),
        ("a.jsonl.gz", LINES),
        ("a.zip", LINES),
        ("a.png", b"not a picture at all"),
        ("a.csv", bytes(range(256)) * 20),
        ("a.arrow", zipped({"a.txt": b"one"})),
    ],
)
def test_a_file_that_is_not_what_it_claims_is_refused(
    tmp_path: Path, name: str, data: bytes
) -> None:
    assert refusal(tmp_path, name, data).code == "not_what_it_claims"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", b""),
        ("a.csv", b" \n\n \n"),
        ("a.txt.gz", gzip.compress(b"", mtime=0)),
        ("a.zip", zipped({})),
        ("a.zip", zipped({".hidden": b"x"})),
        ("a.parquet", b""),
    ],
)
def test_an_empty_file_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    assert refusal(tmp_path, name, data).code == "empty"


@pytest.mark.parametrize("name", ["a.docx", "a.pdf", "data.bin"])
def test_a_format_that_is_not_read_is_refused(tmp_path: Path, name: str) -> None:
    found = refusal(tmp_path, name, b"%PDF-1.7\n" + bytes(range(256)))
    assert found.code == "unsupported_format"
    assert "JSONL" in found.hint


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl.gz", gzip.compress(LINES)),
        ("a.jsonl.zst", zstandard.compress(LINES)),
        ("a.tar", tarred("a.txt", LINES)),
        ("a.tar.gz", gzip.compress(tarred("a.txt", LINES))),
        ("a.zip", zipped({"a.txt": LINES, "b.txt": LINES})),
    ],
)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_a_file_that_was_cut_short_is_refused(
    tmp_path: Path, name: str, data: bytes, share: float
) -> None:
    assert refusal(tmp_path, name, data[: int(len(data) * share)]).code == "cut_short"


def test_a_tar_without_its_end_mark_is_refused(tmp_path: Path) -> None:
    whole = tarred("a.txt", b"x" * 600) + b""
    members_only = whole[: 512 + 1024]
    assert refusal(tmp_path, "a.tar", members_only).code == "cut_short"


def test_a_parquet_file_without_its_footer_is_damaged(tmp_path: Path) -> None:
    assert refusal(tmp_path, "a.parquet", table()[:-20]).code == "damaged"


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]


@pytest.mark.parametrize("place", [-5, 2000])
def test_a_damaged_gzip_is_refused(tmp_path: Path, place: int) -> None:
    noise = "".join(random.Random(1).choices("abcdefgh ", k=20_000))
    packed = gzip.compress(json.dumps({"text": noise}).encode())
    data = flipped(packed, place % len(packed))
    assert refusal(tmp_path, "a.jsonl.gz", data).code in ("damaged", "cut_short")


BOMB = Limits(ratio_free_bytes=MEGABYTE)
ZEROS = b"0" * (8 * MEGABYTE)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.txt.gz", gzip.compress(ZEROS)),
        ("a.txt.zst", zstandard.compress(ZEROS)),
        ("a.zip", zipped({"a.txt": ZEROS})),
        ("a.tar.gz", gzip.compress(tarred("a.txt", ZEROS))),
    ],
)
def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path, name: str, data: bytes) -> None:
    assert refusal(tmp_path, name, data, BOMB).code == "unpacks_too_large"


def test_more_than_the_total_limit_is_refused(tmp_path: Path) -> None:
    noise = os.urandom(2 * MEGABYTE).hex().encode()
    small = Limits(unpacked_bytes=MEGABYTE)
    assert refusal(tmp_path, "a.txt.gz", gzip.compress(noise), small).code == "unpacks_too_large"


def test_a_zip_whose_files_share_their_bytes_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.txt": b"words " * 50, "b.txt": b"words " * 50}))
    second = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, second + 42, 0)  # the second file claims the first one's place
    assert refusal(tmp_path, "a.zip", bytes(data)).code == "unpacks_too_large"


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    data = zipped({f"{number}.txt": b"text" for number in range(12)})
    assert refusal(tmp_path, "a.zip", data, Limits(member_count=10)).code == "unpacks_too_large"


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.txt": b"words"}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1
    assert refusal(tmp_path, "a.zip", bytes(data)).code == "encrypted"


@pytest.mark.parametrize("member", ["../evil.txt", "/etc/passwd", "a/../../b.txt", "C:\\evil.txt"])
def test_names_that_lead_out_of_an_archive_are_refused(tmp_path: Path, member: str) -> None:
    assert refusal(tmp_path, "a.tar", tarred(member, b"x")).code == "unsafe_path"
    assert refusal(tmp_path, "a.zip", zipped({member: b"x"})).code == "unsafe_path"


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "secret.txt"
    outside.write_text("secret")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.txt").symlink_to(outside)
    (folder / "real.txt").write_text("mine")
    assert [row.key for row in readers.records(folder)] == ["real.txt"]
    link = tarred("link.txt", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
    assert refusal(tmp_path, "a.tar", link).code == "empty"
    info = zipfile.ZipInfo("link.txt")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert refusal(tmp_path, "b.zip", buffer.getvalue()).code == "empty"


def test_a_table_inside_an_archive_is_refused_with_advice(tmp_path: Path) -> None:
    found = refusal(tmp_path, "a.zip", zipped({"train.jsonl": LINES}))
    assert found.code == "unsupported_format"
    assert "by itself" in found.hint


def rows_of(path: Path, data: bytes, limits: Limits | None = None) -> list:
    path.write_bytes(data)
    return list(readers.records(path, limits=limits or Limits()))


def test_bad_lines_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    lines = [b'{"text": "one"}', b'{"text": tw', b"", b"[1]", b'{"text": "five"}',
             b'{"text": "\xff"}', b'{"other": 1}', b'{"text": " "}']  # fmt: skip
    data = b"\n".join(lines)
    found = rows_of(tmp_path / "a.jsonl", data)
    bad = {row.line: row.reason for row in found if isinstance(row, BadRow)}
    assert [row.text for row in found if isinstance(row, RawRecord)] == ["one", "five"]
    assert list(bad) == [2, 4, 6, 7, 8]
    assert "column 10" in bad[2]
    assert "not an object" in bad[4]
    assert "mixed encodings" in bad[6]
    assert "no text in the column 'text'" in bad[7]
    assert [row.ordinal for row in found] == list(range(7))


def test_rows_of_the_wrong_width_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    data = b'id,text\n1,one\n2\n3,three,more\n4,"four\nlines"\n5,five\n'
    found = rows_of(tmp_path / "a.csv", data)
    assert {row.line: row.reason for row in found if isinstance(row, BadRow)} == {
        3: "the row has 1 cells, the table 2 columns",
        4: "the row has 3 cells, the table 2 columns",
    }
    assert [row.key for row in found if isinstance(row, RawRecord)] == ["1", "4", "5"]


def test_a_quote_that_is_never_closed_is_named_where_it_opened(tmp_path: Path) -> None:
    data = b"id,text\n" + b"1,fine words\n" * 100 + b'2,"open\n' + b"3,lost words\n" * 40
    *_, last = rows_of(tmp_path / "a.csv", data)
    assert isinstance(last, BadRow)
    assert last.line == 102
    assert last.reason == "a quote opened here is not closed; 40 lines are lost"


def test_a_file_that_changes_its_encoding_is_refused_or_its_lines_are(tmp_path: Path) -> None:
    good = "id,text\n" + "".join(f"{n},Gr\u00fc\u00dfe\n" for n in range(99_000))
    found = rows_of(tmp_path / "a.csv", good.encode() + "x,Gr\u00fc\u00dfe\n".encode("latin-1"))
    assert isinstance(found[-1], BadRow)
    assert found[-1].line == 99_002
    assert "mixed encodings" in found[-1].reason
    wide = "\ufeff" + good
    cut = wide.encode("utf-16-le") + b"\x00\xd8\x00"
    assert refusal(tmp_path, "b.csv", cut).code == "mixed_encodings"


def test_a_text_that_is_not_utf8_in_parquet_is_a_bad_row(tmp_path: Path) -> None:
    texts = pa.array([b"one", b"\xff\xfe\xfd", b"three"]).view(pa.string())
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": texts}), sink)
    first, bad, third = rows_of(tmp_path / "a.parquet", sink.getvalue())
    assert (first.text, third.text) == ("one", "three")
    assert (bad.line, bad.reason) == (2, "a text in this row is not UTF-8")


def test_a_line_that_is_too_long_is_a_bad_row(tmp_path: Path) -> None:
    small = Limits(line_bytes=MEGABYTE)
    data = b'{"text": "one"}\n{"text": "' + b"x" * (3 * MEGABYTE) + b'"}\n{"text": "three"}\n'
    first, bad, third = rows_of(tmp_path / "a.jsonl", data, small)
    assert (first.text, third.text) == ("one", "three")
    assert (bad.line, bad.reason) == (2, "the line is longer than 1 MB")
    _, bad_cell, last = rows_of(
        tmp_path / "a.csv", b"text\nfirst\n" + b"y" * (3 * MEGABYTE) + b"\nlast\n", small
    )
    assert (bad_cell.line, last.text) == (3, "last")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", b'{"text": "' + b"x " * MEGABYTE + b'"}\n'),
        ("a.csv", b'id,text\n1,"' + b"x " * MEGABYTE + b'"\n'),
        ("a.txt", b"x " * MEGABYTE),
    ],
)
def test_a_file_of_one_line_that_is_too_long_says_so(
    tmp_path: Path, name: str, data: bytes
) -> None:
    small = Limits(line_bytes=MEGABYTE)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ReaderError, match="the line is longer than 1 MB") as refused:
        readers.inspect(tmp_path / name, kind="text", limits=small)
    assert refused.value.code == "line_too_long"
    assert "a line of its own" in refused.value.hint


def test_a_zip_bomb_is_called_one_though_its_file_is_larger_than_a_record(tmp_path: Path) -> None:
    bomb = zipped({"a.txt": b"a" * (3 * MEGABYTE)})
    small = Limits(line_bytes=MEGABYTE, ratio_free_bytes=MEGABYTE)
    assert refusal(tmp_path, "a.zip", bomb, small).code == "unpacks_too_large"


def test_deeply_nested_json_is_a_bad_row(tmp_path: Path) -> None:
    data = b'{"text": "one"}\n{"text": ' + b"[" * 200_000 + b"\n"
    _, bad = rows_of(tmp_path / "a.jsonl", data)
    assert "not JSON" in bad.reason


NAMES = [
    "a",
    "a.csv",
    "a.jsonl",
    "a.txt",
    "a.zip",
    "a.tar",
    "a.parquet",
    "a.arrow",
    "a.gz",
    "a.png",
]
STARTS = [b"", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd", b"PAR1",
          b"ARROW1\0\0", b"\xff\xff\xff\xff", b"BZh91AY&", b"\xfd7zXZ\x00", b"{", b"\xff\xfe",
          b"\x89PNG\r\n\x1a\n"]  # fmt: skip


@settings(max_examples=400)
@given(st.sampled_from(NAMES), st.sampled_from(STARTS), st.binary(max_size=400))
def test_no_bytes_bring_a_reader_down(
    tmp_path_factory: pytest.TempPathFactory, name: str, start: bytes, rest: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / f"fuzz-{name}"
    path.write_bytes(start + rest)
    with suppress(ReaderError):
        for row in readers.records(path):
            assert isinstance(row, RawRecord | BadRow)


# VmHWM, not ru_maxrss: a child inherits the latter from the process that started it.
MEASURE = """
import re, sys
from pathlib import Path
from ingest import readers
def peak(): return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
path = Path(sys.argv[1])
for warm_up in readers.records(path.with_name("small" + "".join(path.suffixes))): pass
before = peak()
kinds = [0, 0]
for row in readers.records(path): kinds[isinstance(row, readers.BadRow)] += 1
print((peak() - before) // 1024, *kinds)
"""


def measured(path: Path) -> tuple[int, int, int]:
    """Megabytes that reading `path` took on top, good and bad rows: in a process of its own."""
    root = str(Path(__file__).parents[2])
    asked = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, check=True, cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}:{root}/client"},
    )  # fmt: skip
    grown, good, bad = map(int, asked.stdout.split())
    return grown, good, bad


def line_of(number: int) -> bytes:
    return b'{"id": "%d", "text": "%s"}\n' % (number, b"lorem ipsum dolor " * 55)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["a.jsonl", "a.jsonl.gz", "a.csv", "a.parquet", "a.arrow", "a.tar"]
)
def test_a_large_file_takes_little_memory(tmp_path: Path, name: str) -> None:
    count = 80_000 if name == "a.tar" else 200_000  # of a kilobyte each
    for path, rows in ((tmp_path / f"small{name[1:]}", 100), (tmp_path / name, count)):
        write_rows(path, rows)
    grown, good, _ = measured(tmp_path / name)
    assert good == count
    assert grown < (20 if name == "a.tar" else 60)


def table_writer(path: Path, schema: pa.Schema) -> Any:
    if path.suffix == ".arrow":
        return pa.ipc.new_file(str(path), schema)
    return pq.ParquetWriter(path, schema, compression="none", use_dictionary=False)


def write_rows(path: Path, count: int) -> None:
    """A file of `count` records of about a kilobyte, made in pieces."""
    cell = "lorem ipsum dolor " * 55
    if path.suffix in (".parquet", ".arrow"):
        schema = pa.schema({"id": pa.string(), "text": pa.string()})
        with table_writer(path, schema) as writer:
            for start in range(0, count, 10_000):
                rows = [
                    {"id": str(n), "text": f"{cell}{n}"}
                    for n in range(start, min(start + 10_000, count))
                ]
                writer.write_table(pa.Table.from_pylist(rows, schema))
    elif path.suffix == ".tar":
        with tarfile.open(path, "w") as archive:
            for number in range(count):
                info = tarfile.TarInfo(f"{number}.txt")
                info.size = len(cell)
                archive.addfile(info, io.BytesIO(cell.encode()))
    elif path.suffix == ".csv":
        with path.open("w") as file:
            file.write("id,text\n")
            file.writelines(f'{number},"{cell}"\n' for number in range(count))
    else:
        with gzip.open(path, "wb", 1) if path.suffix == ".gz" else path.open("wb") as file:
            file.writelines(line_of(number) for number in range(count))


@pytest.mark.slow
def test_a_line_of_100_megabytes_is_counted_without_being_held(tmp_path: Path) -> None:
    (tmp_path / "small.jsonl").write_bytes(line_of(1))
    with (tmp_path / "a.jsonl").open("wb") as file:
        file.write(line_of(1) + b'{"text": "')
        for _ in range(100):
            file.write(b"x" * MEGABYTE)
        file.write(b'"}\n' + line_of(3))
    grown, good, bad = measured(tmp_path / "a.jsonl")
    assert (good, bad) == (2, 1)
    assert grown < 160
