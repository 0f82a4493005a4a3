"""The HTTP server of a case: answers by "METHOD /path", and what was asked of it.

Neighbours: replay.py starts one for a case that has `http`, and shows in each snapshot what it was asked.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from tests.recorded.case import Json

# headers that differ by client and say nothing about the request
SILENT = {"accept", "accept-encoding", "connection", "content-length", "host", "transfer-encoding", "user-agent"}
NO_ROUTE = {"status": 404, "body": "no such route"}


class Web:
    """`routes`: "METHOD /path" → {status, body or json, headers}, or a list of them: one per call, the last one stays.
    A context manager; listens on loopback."""

    def __init__(self, routes: Json) -> None:
        self.routes = dict(routes)
        self._asked: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answers", (Answers,), {"web": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def asked(self) -> list[list[Any]]:
        """[method, path with query, headers, body], each once, sorted."""
        return [json.loads(one) for one in sorted(self._asked)]

    def answer(self, method: str, target: str, headers: dict[str, str], body: str) -> Json:
        self._asked.add(json.dumps([method, target, headers, body], sort_keys=True))
        path = target.partition("?")[0]
        found: Json | list[Json] = self.routes.get(f"{method} {path}", self.routes.get(path, NO_ROUTE))
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        return found

    def __enter__(self) -> Web:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class Answers(BaseHTTPRequestHandler):
    web: Web
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode(errors="replace")
        headers = {name.lower(): value for name, value in self.headers.items() if name.lower() not in SILENT}
        route = self.web.answer(self.command, self.path, headers, body)
        content = (json.dumps(route["json"]) if "json" in route else route.get("body", "")).encode()
        status = route.get("status", 200)
        self.send_response(status)
        for name, value in ({"content-type": "application/json"} | route.get("headers", {})).items():
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("content-length", str(len(content)))
        self.end_headers()
        if status not in (204, 304):
            self.wfile.write(content)

    do_DELETE = do_GET = do_PATCH = do_POST = do_PUT = answer

    def log_message(self, format: str, *args: object) -> None:
        """Silent: a case tells what was asked in its snapshots."""
