"""A server that gives deploy tokens as GitLab does, in a thread: the backend of a generator that leaves something
behind.

Neighbours: tests on a real API server, whose operator may be another process.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


class DeployTokens:
    """`valid` are the ids of tokens that were given and not revoked; `revocable` False: revoking fails."""

    def __init__(self) -> None:
        self.given: list[int] = []
        self.valid: set[int] = set()
        self.revocable = True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                number = len(outer.given) + 1
                outer.given.append(number)
                outer.valid.add(number)
                self.reply(201, {"id": number, "username": f"user-{number}", "token": f"canary-token-{number}"})

            def do_DELETE(self) -> None:
                if not outer.revocable:
                    self.reply(500, {"message": "no"})
                    return
                outer.valid.discard(int(self.path.rpartition("/")[2]))
                self.reply(204, None)

            def reply(self, status: int, body: object) -> None:
                content = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> DeployTokens:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
