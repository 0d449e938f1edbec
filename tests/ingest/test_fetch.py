"""A URL chooses a file, never whom this machine talks to."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from ingest import fetch, storage
from provenance import network

CONTENT = b'{"id": "a", "text": "one two three"}\n' * 1000
HERE = ipaddress.ip_address("127.0.0.1")


class Handler(BaseHTTPRequestHandler):
    """Serves one file, a redirect to another loopback address, and what is not there."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(f"{self.headers['Host']}{self.path}")
        if self.path == "/away":
            port = self.server.server_address[1]
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.2:{port}/rows.jsonl")
            self.end_headers()
        elif self.path == "/rows.jsonl":
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(CONTENT)
        else:
            self.send_error(404)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Quietly."""


@pytest.fixture
def port() -> Iterator[int]:
    Handler.asked = []
    server = ThreadingHTTPServer(("0.0.0.0", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def upload_id() -> Iterator[UUID]:
    made = uuid4()
    yield made
    storage.remove(made)


def only_here(address: network.Address) -> bool:
    return address == HERE


def test_a_file_comes_as_it_is(port: int, upload_id: UUID):
    told: list[int] = []
    url = f"http://127.0.0.1:{port}/rows.jsonl"
    stored = fetch.fetch(upload_id, url, told.append, only_here)
    assert storage.location(stored.path).read_bytes() == CONTENT
    assert stored.byte_count == told[-1] == len(CONTENT)
    assert Path(stored.path).name == "rows.jsonl"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0"]
)
def test_no_spelling_of_a_private_address_is_contacted(port: int, upload_id: UUID, host: str):
    with pytest.raises((fetch.UrlNotAllowed, fetch.CannotFetch)):
        fetch.fetch(upload_id, f"http://{host}:{port}/rows.jsonl")
    assert not Handler.asked
    assert not list(storage.folder_of(upload_id).glob("*"))


def test_a_private_address_is_named_as_the_reason(port: int, upload_id: UUID):
    with pytest.raises(fetch.UrlNotAllowed, match="private network"):
        fetch.fetch(upload_id, f"http://127.0.0.1:{port}/rows.jsonl")


def test_a_redirect_leads_nowhere_else(port: int, upload_id: UUID):
    with pytest.raises(fetch.UrlNotAllowed, match="private network"):
        fetch.fetch(upload_id, f"http://127.0.0.1:{port}/away", allowed=only_here)
    assert Handler.asked
    assert all(asked.startswith("127.0.0.1") for asked in Handler.asked)


def test_a_name_that_resolves_anew_is_checked_where_it_leads(
    port: int, upload_id: UUID, monkeypatch: pytest.MonkeyPatch
):
    """DNS rebinding: public when it is looked at, private when it is used."""
    import socket

    real: Callable[..., list[tuple]] = socket.getaddrinfo
    answers = iter(["127.0.0.1", "127.0.0.2"])

    def rebound(host, *given, **named):
        return real(next(answers, "127.0.0.2") if host == "moving.example" else host,
                    *given, **named)  # fmt: skip

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    url = f"http://moving.example:{port}/rows.jsonl"
    with pytest.raises(fetch.UrlNotAllowed):
        fetch.fetch(upload_id, url, allowed=only_here)
    assert len(Handler.asked) == 1


def test_what_is_not_there_is_said(port: int, upload_id: UUID):
    with pytest.raises(fetch.CannotFetch):
        fetch.fetch(upload_id, f"http://127.0.0.1:{port}/nothing", allowed=only_here)


def test_a_server_that_sends_too_much_is_cut_off(port: int, upload_id: UUID, settings):
    settings.UPLOAD_LIMIT_BYTES = 1_000
    with pytest.raises(storage.TooLarge):
        fetch.fetch(upload_id, f"http://127.0.0.1:{port}/rows.jsonl", allowed=only_here)
    assert not list(storage.folder_of(upload_id).glob("*"))


@pytest.mark.parametrize("url", ["ftp://a.example/x", "gopher://a/x", "memory://x", "http:///x"])
def test_other_kinds_of_address_are_refused(url: str):
    with pytest.raises(fetch.UrlNotAllowed):
        fetch.check_url(url)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("2606:4700::1111", True),
        ("::1", False),
        ("fd00::1", False),
        ("fe80::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::808:808", True),
        ("2002:7f00:1::", False),
    ],
)
def test_only_the_whole_internets_addresses_are_public(address: str, public: bool):
    assert network.is_public(ipaddress.ip_address(address)) is public


def test_a_bucket_is_read_only_below_an_allowed_root(settings):
    settings.S3_IMPORT_ROOTS = ["open/imports"]
    fetch.check_url("s3://open/imports/rows.jsonl")
    for url in ("s3://open/other.jsonl", "s3://open/imports-too/x", "s3://open/imports/../x"):
        with pytest.raises(fetch.UrlNotAllowed):
            fetch.check_url(url)


def test_links_in_a_local_folder_are_not_followed(tmp_path: Path, upload_id: UUID, settings):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("one")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "in" / "b.txt").symlink_to(tmp_path / "secret.txt")
    settings.LOCAL_IMPORT_ROOTS = [tmp_path / "in"]
    stored = fetch.fetch(upload_id, f"{tmp_path}/in")
    names = [file.name for file in storage.location(stored.path).rglob("*")]
    assert names == ["a.txt"]
    (tmp_path / "in" / "link").symlink_to(tmp_path)
    with pytest.raises(fetch.UrlNotAllowed):
        fetch.fetch(upload_id, f"{tmp_path}/in/link/secret.txt")


@pytest.mark.slow
def test_a_file_comes_from_an_allowed_bucket(upload_id: UUID, settings):
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        named = {"endpoint_url": f"http://{host}:{port}", "key": "key", "secret": "secret"}
        system = s3fs.S3FileSystem(**named)
        system.mkdir("open")
        system.pipe("open/imports/rows.jsonl", CONTENT)
        settings.S3_IMPORT_ROOTS, settings.S3_OPTIONS = ["open/imports"], named
        stored = fetch.fetch(upload_id, "s3://open/imports/rows.jsonl")
        assert storage.location(stored.path).read_bytes() == CONTENT
        with pytest.raises(fetch.CannotFetch):
            fetch.fetch(upload_id, "s3://open/imports/nothing.jsonl")
    finally:
        server.stop()
