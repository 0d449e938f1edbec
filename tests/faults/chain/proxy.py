"""A wire between the service and the chain's node that loses requests, or their replies."""

from __future__ import annotations

import http.client
import random
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NODE_SECONDS = 20
# Broadcasts are lost more often than questions: they are what matters.
BROADCAST = b"eth_sendRawTransaction"


class Proxy:
    """Hands requests on to the node at `port`; how much it loses is set between two steps."""

    def __init__(self, port: int, dice: random.Random) -> None:
        self.node_port, self.dice = port, dice
        self.losing = 0.0
        self.lost: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def fate(self, body: bytes) -> str:
        """What becomes of a request: `arrives`, `request lost` or `reply lost`."""
        with self._lock:
            share = self.losing if BROADCAST in body else self.losing / 10
            if self.dice.random() >= share:
                return "arrives"
            fate = self.dice.choice(["request lost", "reply lost"])
            self.lost[fate] += 1
            return fate

    def stop(self) -> None:
        """Close the wire."""
        self._server.shutdown()
        self._server.server_close()


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            self.node = http.client.HTTPConnection(
                "127.0.0.1", proxy.node_port, timeout=NODE_SECONDS
            )

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fate = proxy.fate(body)
            if fate != "request lost":
                reply = self._ask(body)
            if fate != "arrives":
                self.close_connection = True
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def _ask(self, body: bytes) -> bytes:
            self.node.request("POST", "/", body, {"Content-Type": "application/json"})
            return self.node.getresponse().read()

        def finish(self) -> None:
            self.node.close()
            super().finish()

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
