"""A server that refuses everything and repeats what it was sent, each time in another spelling."""

from __future__ import annotations

import itertools
import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from tests.fakes.spellings import SPELLINGS, STATUSES, bodies


class Parrot:
    """As a context manager: listens on the loopback. `heard`: how many requests it refused."""

    def __init__(self) -> None:
        self.heard = 0
        turns = itertools.cycle(SPELLINGS.values())
        parrot = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                with suppress(OSError):  # the client left
                    super().handle()

            def refuse(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
                credentials = [value for name, value in self.headers.items() if name.lower() != "host"]
                spell = next(turns)
                said = [spell(text) for text in (*credentials, sent, *strings(sent)) if text]
                status = STATUSES[parrot.heard % len(STATUSES)]
                body = bodies(" ".join(said))[parrot.heard % 3].encode()
                parrot.heard += 1
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = refuse

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Parrot:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="parrot", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def strings(text: str) -> list[str]:
    """The texts of a JSON object."""
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return [value for value in found.values() if isinstance(value, str)] if isinstance(found, dict) else []
