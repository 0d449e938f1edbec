"""HTTP for the node, on loopback only and never for a browser's page."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from deploy.embedded.chain.rpc import Rpc

HOST: Final = "127.0.0.1"
LARGEST_REQUEST_BYTES: Final = 4_000_000
LOCAL_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")


class Handler(BaseHTTPRequestHandler):
    """One connection; a request may be an object or a batch."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 300
    server: "Server"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base names it so)
        """Say nothing of single requests."""

    def do_POST(self) -> None:
        """Answer a request."""
        size = int(self.headers.get("Content-Length", 0))
        # A page in a browser on this machine could otherwise reach the node by its port.
        is_local = self.headers.get("Host", "").rsplit(":", 1)[0] in LOCAL_NAMES
        if size > LARGEST_REQUEST_BYTES or self.headers.get("Origin") or not is_local:
            self.close_connection = True
            self._reply(403, {"error": "refused"})
            return
        try:
            request = json.loads(self.rfile.read(size))
        except ValueError:
            error = {"code": -32700, "message": "parse error"}
            self._reply(200, {"jsonrpc": "2.0", "id": None, "error": error})
            return
        answer = self.server.rpc.answer
        is_batch = isinstance(request, list)
        self._reply(200, [answer(each) for each in request] if is_batch else answer(request))

    def _reply(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()


class Server(ThreadingHTTPServer):
    """The listener on loopback."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, rpc: Rpc) -> None:
        self.rpc = rpc
        super().__init__((HOST, port), Handler)
