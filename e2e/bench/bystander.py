"""Two processes that take no part in a bench: one measures how late others answer, one is a controller that does
nothing but react.

Neighbours: hostile.py starts them. What the machine and the API server cost everybody is measured beside the operator,
in the same seconds: an idle process is asked as /healthz is, and the bare controller watches as the operator does and
writes one Secret for each of the victim's objects.

    python -m e2e.bench.bystander probe HOST:PORT
    python -m e2e.bench.bystander react KUBECONFIG NAMESPACE

`probe` prints its numbers as JSON once its input ends. Each line of its input begins the measurement anew.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import multiprocessing
import ssl
import sys
import threading
import time
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import yaml

from e2e.harness.objects import thing

EVERY: Final = 0.05  # seconds between two questions
PREFIX: Final = "bare-"
PATH: Final = "/apis/external-secrets.io/v1/externalsecrets"


# how late an answer is


class Waits:
    """How long GET /healthz of one address waits, in seconds."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=30)
        self.seconds: list[float] = []

    def ask(self) -> None:
        began = time.perf_counter()
        try:
            self._connection.request("GET", "/healthz")
            self._connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            self._connection.close()  # not listening yet, or not any more
            return
        self.seconds.append(time.perf_counter() - began)


class Idle(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def probe(address: str) -> None:
    server = HTTPServer(("127.0.0.1", 0), Idle)
    beside = multiprocessing.get_context("fork").Process(target=server.serve_forever, daemon=True)
    beside.start()
    asked = [Waits(address), Waits(f"127.0.0.1:{server.server_port}")]
    ended = threading.Event()

    def orders() -> None:
        for _ in sys.stdin:
            for one in asked:
                one.seconds.clear()
        ended.set()

    threading.Thread(target=orders, daemon=True).start()
    while not ended.wait(EVERY):
        for one in asked:
            one.ask()
    print(json.dumps([one.seconds for one in asked]))
    beside.kill()


# a controller that does nothing but react


class _Meta(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    resourceVersion: str = ""


class _Object(msgspec.Struct):
    metadata: _Meta


class _Event(msgspec.Struct):
    type: str
    object: _Object


_event: Final = msgspec.json.Decoder(_Event)


async def react(config: dict[str, Any], namespace: str) -> None:
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=authority), limit=0)
    headers = {"Authorization": f"Bearer {user['token']}", "Accept": "application/json", "User-Agent": "bystander"}
    patience = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        cluster["server"], connector=connector, headers=headers, timeout=patience, trust_env=False
    ) as session:
        async with session.get(PATH, params={"limit": "1"}) as reply:
            version = msgspec.json.decode(await reply.read(), type=_Object).metadata.resourceVersion
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "3600"}
        async with session.get(PATH, params=query) as stream, asyncio.TaskGroup() as writes:
            print("watching", flush=True)
            async for line in lines(stream.content):
                event = _event.decode(line)
                meta = event.object.metadata
                if event.type == "ADDED" and meta.namespace == namespace:
                    writes.create_task(write(session, namespace, PREFIX + meta.name))


async def write(session: aiohttp.ClientSession, namespace: str, name: str) -> None:
    body = thing("Secret", name, namespace, api="v1", stringData={"key": "value"})
    while True:
        async with session.post(f"/api/v1/namespaces/{namespace}/secrets", json=body) as reply:
            await reply.read()
        if reply.status != 429:
            return
        await asyncio.sleep(float(reply.headers.get("Retry-After", 1)))


async def lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    parts: list[bytes] = []
    async for chunk in content.iter_any():
        *complete, tail = chunk.split(b"\n")
        for line in complete:
            yield b"".join([*parts, line])
            parts = []
        parts.append(tail)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["probe", address]:
            probe(address)
        case ["react", kubeconfig, namespace]:
            asyncio.run(react(yaml.safe_load(Path(kubeconfig).read_text()), namespace))
        case _:
            sys.exit(__doc__)
