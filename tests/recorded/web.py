"""The HTTP server of a case: answers by "METHOD /path", and what was asked of it; plain and with TLS.

Neighbours: replay.py starts one for a case that has `http`, and shows in each snapshot what it was asked.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from e2e.harness.certs import Pair
from tests.recorded.case import Json

# headers that differ by client and say nothing about the request
SILENT = {"accept", "accept-encoding", "connection", "content-length", "host", "transfer-encoding", "user-agent"}
NO_ROUTE = {"status": 404, "body": "no such route"}


class Server(ThreadingHTTPServer):
    """A client that gives up before its answer comes is no error of the server."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class Web:
    """`routes`: "METHOD /path" or "/path" → {status, reason, body or json, headers, delay, echo}, or a list of them:
    one per call, the last one stays. `pair` is the certificate of `https`. A context manager; listens on loopback."""

    def __init__(self, routes: Json, pair: Pair) -> None:
        self.routes = dict(routes)
        self._asked: set[str] = set()
        handler = type("Answers", (Answers,), {"web": self})
        plain, tls = self._servers = Server(("127.0.0.1", 0), handler), Server(("127.0.0.1", 0), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert, pair.key)
        # a client that does not trust the certificate ends its own thread, not that of the server
        tls.socket = context.wrap_socket(tls.socket, server_side=True, do_handshake_on_connect=False)
        self._threads = [threading.Thread(target=one.serve_forever, daemon=True) for one in self._servers]
        self.url = f"http://127.0.0.1:{plain.server_port}"
        self.https = f"https://127.0.0.1:{tls.server_port}"

    def asked(self) -> list[list[Any]]:
        """[method, path with query, headers, body], each once, sorted."""
        return [json.loads(one) for one in sorted(self._asked)]

    def forget(self) -> None:
        self._asked.clear()

    def answer(self, method: str, target: str, headers: dict[str, str], body: str) -> Json:
        self._asked.add(json.dumps([method, target, headers, body], sort_keys=True))
        path, _, query = target.partition("?")
        found: Json | list[Json] = self.routes.get(f"{method} {path}", self.routes.get(path, NO_ROUTE))
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if found.get("echo"):
            parts = {"method": method, "path": path, "query": query, "headers": headers, "body": body}
            return {"body": json.dumps(parts, sort_keys=True)}
        return found

    def __enter__(self) -> Web:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


class Answers(BaseHTTPRequestHandler):
    web: Web
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = b"".join(self._body()).decode(errors="replace")
        headers = {name.lower(): value for name, value in self.headers.items() if name.lower() not in SILENT}
        route = self.web.answer(self.command, self.path, headers, body)
        time.sleep(route.get("delay", 0))
        content = (json.dumps(route["json"]) if "json" in route else route.get("body", "")).encode()
        status = route.get("status", 200)
        self.send_response(status, route.get("reason"))
        for name, value in ({"content-type": "application/json"} | route.get("headers", {})).items():
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("content-length", str(len(content)))
        self.end_headers()
        if status not in (204, 304):
            self.wfile.write(content)

    def _body(self) -> Iterator[bytes]:
        """The parts of the request's body, however its end is told."""
        if self.headers.get("transfer-encoding") != "chunked":
            yield self.rfile.read(int(self.headers.get("content-length") or 0))
            return
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    do_DELETE = do_GET = do_PATCH = do_POST = do_PUT = answer

    def log_message(self, format: str, *args: object) -> None:
        """Silent: a case tells what was asked in its snapshots."""
