"""Datasets of the Hub by their id, fetched from a stand-in that answers as the Hub does."""

from __future__ import annotations

import ipaddress
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID, uuid4

import pytest

from ingest import fetch, hub, storage

ROWS = b'{"id": "a", "text": "one two three"}\n'
HERE = ipaddress.ip_address("127.0.0.1")
HUB = "https://hub.example"


class Hub(BaseHTTPRequestHandler):
    """One dataset of one Parquet file, one of two, and a file by its path."""

    def do_GET(self) -> None:
        here = f"http://127.0.0.1:{self.server.server_address[1]}"
        parquet = f"{here}/api/datasets/ada/notes/parquet/default/train"
        answers = {
            "/api/datasets/ada/notes/parquet": {"default": {"train": [f"{parquet}/0.parquet"]}},
            "/api/datasets/ada/shards/parquet": {
                "default": {"train": [f"{parquet}/0.parquet", f"{parquet}/1.parquet"]}
            },
            "/api/datasets/ada/elsewhere/parquet": {
                "default": {"train": ["https://elsewhere.example/0.parquet"]}
            },
        }
        files = {
            "/api/datasets/ada/notes/parquet/default/train/0.parquet",
            "/datasets/ada/notes/resolve/v2/data/rows%201.jsonl",
        }
        content = ROWS if self.path in files else b""
        if self.path in answers:
            content = json.dumps(answers[self.path]).encode()
        self.send_response(200 if content else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Quietly."""


@pytest.fixture
def upload_id(settings) -> Iterator[UUID]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings.HUB_ADDRESS = f"http://127.0.0.1:{server.server_address[1]}"
    made = uuid4()
    yield made
    storage.remove(made)
    server.shutdown()
    server.server_close()
    thread.join()


def brought(upload_id: UUID, url: str) -> tuple[str, bytes]:
    stored = fetch.fetch(upload_id, url, allowed=lambda address: address == HERE)
    place = storage.location(stored.path)
    return place.name, place.read_bytes()


def test_an_id_alone_brings_the_one_file_of_the_dataset(upload_id: UUID) -> None:
    assert brought(upload_id, "hf://datasets/ada/notes") == ("0.parquet", ROWS)


def test_a_path_and_a_revision_name_one_file(upload_id: UUID) -> None:
    url = "hf://datasets/ada/notes@v2/data/rows 1.jsonl"
    assert brought(upload_id, url) == ("rows_1.jsonl", ROWS)


def test_a_dataset_of_several_files_is_never_taken_in_part(upload_id: UUID) -> None:
    with pytest.raises(hub.NotOneFile, match="2 files") as refused:
        brought(upload_id, "hf://datasets/ada/shards")
    assert "0.parquet" in refused.value.next_step


def test_a_listing_does_not_lead_to_another_host(upload_id: UUID) -> None:
    with pytest.raises(hub.NotOneFile, match="no Parquet files"):
        brought(upload_id, "hf://datasets/ada/elsewhere")


def test_what_the_hub_does_not_have_is_said_so(upload_id: UUID) -> None:
    with pytest.raises(fetch.CannotFetch):
        brought(upload_id, "hf://datasets/ada/nothing")


def test_a_hub_inside_a_private_network_is_not_asked(upload_id: UUID) -> None:
    with pytest.raises(fetch.UrlNotAllowed, match="private network"):
        fetch.fetch(upload_id, "hf://datasets/ada/notes")


@pytest.mark.parametrize(
    "url",
    [
        "hf://datasets/notes",
        "hf://models/ada/notes",
        "hf://datasets/ada/notes/../../x",
        "hf://datasets/ada/no tes",
        "hf://datasets/a@b/notes",
        "hf://",
    ],
)
def test_only_datasets_are_named(url: str) -> None:
    with pytest.raises(hub.NotADataset):
        fetch.check_url(url)


def test_a_name_cannot_leave_its_place_in_the_address() -> None:
    made = hub.file_address("hf://datasets/ada/notes@a%2Fb/x?y#z", HUB)
    assert made == f"{HUB}/datasets/ada/notes/resolve/a%252Fb/x%3Fy%23z"
