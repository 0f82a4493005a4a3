"""Reviews per second of one webhook process, and how long each takes:

    python -m e2e.bench.admission [--seconds 10] [--rate 1000] [--idle 2000] [-o json]

Neighbours: e2e/harness/webhook.py starts the process as its Deployment does. It gets one core, the client the others.
First as many reviews as go, over a fixed number of connections; then a fixed rate, which is what a cluster asks for;
then the same rate in bad company: idle connections, large objects, bodies that never end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import ssl
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from e2e.harness.cluster import Json
from e2e.harness.objects import external_secret, fake_provider, secret_store
from e2e.harness.webhook import NAME, LocalWebhook

CONNECTIONS = 32
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Result:
    """Milliseconds; `refused` counts answers other than 200."""

    name: str
    reviews: int
    per_second: float
    p50: float
    p99: float
    worst: float
    refused: int
    cpu_ms_per_review: float


def request(given: Json) -> bytes:
    """One review, as the API server sends it."""
    group, _, version = given["apiVersion"].partition("/")
    kind = {"group": group, "version": version, "kind": given["kind"]}
    managed = [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {f"f:x{n}": {} for n in range(40)}}}]
    given = {**given, "metadata": {**given["metadata"], "uid": "0" * 36, "managedFields": managed}}
    user = {"username": "system:serviceaccount:argocd:argocd", "groups": ["system:authenticated"]}
    body = {
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "11111111-1111-1111-1111-111111111111",
            "kind": kind,
            "operation": "UPDATE",
            "name": given["metadata"]["name"],
            "namespace": "team",
            "userInfo": user,
            "object": given,
            "oldObject": given,
        },
    }
    path = f"/validate-{group.replace('.', '-')}-{version}-{given['kind'].lower()}"
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def usual() -> list[bytes]:
    refs: dict[str, str | tuple[str, str]] = {f"key-{n}": (f"team/app-{n}", "password") for n in range(8)}
    regexes = [{"namespaceRegexes": ["team-.*", "^prod-[a-z]{2,8}$"]}]
    return [
        request(external_secret("team", "app", refs)),
        request(external_secret("team", "twice", refs, data=[{"secretKey": "a", "remoteRef": {"key": "k"}}] * 2)),
        request(secret_store("team", fake_provider({f"k{n}": "v" for n in range(10)}), conditions=regexes)),
    ]


class Client:
    def __init__(self, webhook: LocalWebhook) -> None:
        self._webhook, self._port = webhook, webhook.port
        self._trust = ssl.create_default_context(cafile=str(webhook.authority.cert))
        self.took: list[float] = []
        self.refused = 0

    async def connect(self) -> Streams:
        return await asyncio.open_connection("127.0.0.1", self._port, ssl=self._trust, server_hostname=NAME)

    async def ask(self, streams: Streams, sent: bytes) -> None:
        reader, writer = streams
        began = time.perf_counter()
        writer.write(sent)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        self.took.append((time.perf_counter() - began) * 1000)
        self.refused += not head.startswith(b"HTTP/1.1 200")

    async def as_many_as_go(self, seconds: float) -> None:
        ends, all_kinds = time.perf_counter() + seconds, usual()

        async def one(number: int) -> None:
            streams = await self.connect()
            while time.perf_counter() < ends:
                await self.ask(streams, all_kinds[number % len(all_kinds)])
                number += 1
            streams[1].close()

        async with asyncio.TaskGroup() as group:
            for number in range(CONNECTIONS):
                group.create_task(one(number))

    async def at_rate(self, seconds: float, rate: int) -> None:
        """Each review is due at its time, whatever became of those before it."""
        all_kinds = usual()
        free: asyncio.Queue[Streams] = asyncio.Queue()
        for _ in range(CONNECTIONS):
            free.put_nowait(await self.connect())
        began = time.perf_counter()

        async def one(number: int) -> None:
            streams = await free.get()
            try:
                await self.ask(streams, all_kinds[number % len(all_kinds)])
            finally:
                free.put_nowait(streams)

        async with asyncio.TaskGroup() as group:
            for number in range(int(seconds * rate)):
                if (wait := began + number / rate - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                group.create_task(one(number))
        while not free.empty():
            free.get_nowait()[1].close()

    @asynccontextmanager
    async def bad_company(self, idle: int) -> AsyncIterator[None]:
        """Connections that nothing comes over, some that stop in the middle of a body, and large objects one after the
        other."""
        large = request(external_secret("team", "large", {}, target={"template": {"data": {"k": "x" * (1 << 20)}}}))
        held: list[Streams] = []

        async def crowd() -> None:
            for number in range(idle):
                with contextlib.suppress(OSError):
                    held.append(await self.connect())
                    if number % 4 == 0:
                        held[-1][1].write(large[:1000])

        async def greedy() -> None:
            while True:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    stranger = Client(self._webhook)
                    streams = await stranger.connect()
                    await stranger.ask(streams, large)
                    streams[1].close()
                await asyncio.sleep(0.2)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(crowd()), group.create_task(greedy())]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                for _, writer in held:
                    writer.close()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(name: str, webhook: LocalWebhook, run: Callable[[Client], Coroutine[Any, Any, None]]) -> Result:
    client, before, began = Client(webhook), cpu_seconds(webhook.child.pid), time.perf_counter()
    asyncio.run(run(client))
    seconds, cpu = time.perf_counter() - began, cpu_seconds(webhook.child.pid) - before
    took = sorted(client.took)
    return Result(
        name,
        len(took),
        len(took) / seconds,
        took[len(took) // 2],
        took[len(took) * 99 // 100],
        took[-1],
        client.refused,
        cpu * 1000 / len(took),
    )


def results(seconds: float, rate: int, idle: int) -> list[Result]:
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="eso-bench-") as folder, LocalWebhook(Path(folder)) as webhook:
        os.sched_setaffinity(webhook.child.pid, cores[:1])
        os.sched_setaffinity(0, cores[1:] or cores)

        async def in_bad_company(client: Client) -> None:
            async with client.bad_company(idle):
                await client.at_rate(seconds, rate)

        return [
            measured(f"as many as go, {CONNECTIONS} connections", webhook, lambda one: one.as_many_as_go(seconds)),
            measured(f"{rate} per second", webhook, lambda one: one.at_rate(seconds, rate)),
            measured(f"{rate} per second, bad company", webhook, in_bad_company),
        ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rate", type=int, default=1000, help="reviews per second of the last two")
    parser.add_argument("--idle", type=int, default=2000, help="connections of the bad company")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text")
    given = parser.parse_args()
    found = results(given.seconds, given.rate, given.idle)
    if given.output == "json":
        print(json.dumps([asdict(one) for one in found], indent=2))
        return 0
    print(f"{'':38}{'reviews/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'worst':>9}{'refused':>9}{'CPU ms':>9}")
    for one in found:
        numbers = (one.per_second, one.p50, one.p99, one.worst, one.refused, one.cpu_ms_per_review)
        print(
            f"{one.name:38}"
            + "".join(f"{n:{w}}" for n, w in zip(numbers, ("10.0f", *["9.2f"] * 3, "9", "9.3f"), strict=True))
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
