"""The bare writer: sends a recorded list of writes, object by object, and does nothing else.

Neighbours: cold.py records the list and runs this as a process of its own, because its CPU time is a measure too.
Prints one JSON object.

    python -m e2e.bench.writer PLAN.json
"""

from __future__ import annotations

import asyncio
import json
import resource
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson

IN_FLIGHT = 48
METHODS = {"create": "POST", "patch": "PATCH", "update": "PUT"}

Write = tuple[str, str, str, bytes]  # method, URL, content type, body


def prepared(server: str, verb: str, uri: str, body: Any) -> Write:
    """The audit log does not keep the content type; a patch that is a list is a JSON patch."""
    kind = (
        "application/json"
        if verb != "patch"
        else "application/json-patch+json"
        if isinstance(body, list)
        else "application/merge-patch+json"
    )
    return METHODS[verb], server + uri, kind, orjson.dumps(body)


async def send(plan: dict[str, Any]) -> int:
    """Every write of one object after the other, `IN_FLIGHT` objects at a time. Returns how many were refused."""
    refused = 0
    objects: Iterator[list[Write]] = iter(
        [[prepared(plan["server"], *write) for write in writes] for writes in plan["objects"]]
    )
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=plan["ca"]), limit=0)
    headers = {"Authorization": f"Bearer {plan['token']}", "Accept": "application/json", "User-Agent": "bare-writer"}
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def work() -> None:
            nonlocal refused
            for writes in objects:  # one iterator, shared: each object is taken once
                for method, url, content_type, data in writes:
                    async with session.request(method, url, data=data, headers={"Content-Type": content_type}) as reply:
                        await reply.read()
                        refused += reply.status >= 300

        async with asyncio.TaskGroup() as workers:
            for _ in range(IN_FLIGHT):
                workers.create_task(work())
    return refused


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    before = resource.getrusage(resource.RUSAGE_SELF)
    refused = asyncio.run(send(plan))
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"refused": refused, "cpu_seconds": cpu}))


if __name__ == "__main__":
    main()
