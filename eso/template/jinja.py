"""`engineVersion: jinja2`: renders in worker processes of its own, because a sandbox bounds neither processor time nor
memory.

Neighbours: apply.py calls `render` like the other engine's, from a thread; jinjaworker.py is what runs on the other
side. Values travel through pipes only. A worker that takes too long is ended, and the next rendering starts a new one.
"""

from __future__ import annotations

import atexit
import base64
import os
import re
import select
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any, Final

import orjson

from eso.template.bounds import Limits
from eso.template.errors import TemplateError
from eso.template.world import WORLD

SECONDS: Final = 2.0  # of one rendering; a worker's start is not counted
START_SECONDS: Final = 20.0
WORKERS: Final = 2
MAX_REPLY: Final = 32 << 20  # bytes


class Worker:
    """One process. Not shared: whoever holds it has it to itself."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-m", "eso.template.jinjaworker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONDONTWRITEBYTECODE": "1"},
            cwd="/",
            close_fds=True,
        )
        self.receive(START_SECONDS)

    def ask(self, request: bytes, seconds: float) -> Any:
        """The reply. Raises OSError when the worker ended or did not answer in time."""
        assert self.process.stdin is not None
        self.process.stdin.write(len(request).to_bytes(8, "big") + request)
        self.process.stdin.flush()
        return orjson.loads(self.receive(seconds))

    def receive(self, seconds: float) -> bytes:
        deadline = WORLD.monotonic() + seconds
        size = int.from_bytes(self._read(8, deadline), "big")
        if size > MAX_REPLY:
            raise OSError("the reply is too large")
        return self._read(size, deadline)

    def _read(self, size: int, deadline: float) -> bytes:
        assert self.process.stdout is not None
        handle, parts = self.process.stdout.fileno(), bytearray()
        readable = select.poll()  # select.select knows no descriptor above 1023
        readable.register(handle, select.POLLIN)
        while len(parts) < size:
            left = deadline - WORLD.monotonic()
            if left <= 0 or not readable.poll(left * 1000):
                raise TimeoutError
            part = os.read(handle, min(size - len(parts), 1 << 20))
            if not part:
                raise BrokenPipeError
            parts += part
        return bytes(parts)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


class Workers:
    """A few workers, started when they are first wanted. Usable from several threads."""

    def __init__(self, most: int = WORKERS) -> None:
        self._idle: list[Worker] = []
        self._turns = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()

    def ask(self, request: bytes, seconds: float) -> Any:
        """Raises OSError as Worker.ask does; the worker is then gone."""
        with self._turns:
            with self._lock:
                worker = self._idle.pop() if self._idle else None
            if worker is not None and worker.process.poll() is not None:
                worker.end()
                worker = None
            worker = worker or Worker()
            try:
                reply = worker.ask(request, seconds)
            except BaseException:
                worker.end()
                raise
            with self._lock:
                self._idle.append(worker)
            return reply

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.end()


_WORKERS: Final = Workers()
atexit.register(_WORKERS.close)


RANDOM: Final = re.compile(
    r"""\brandom\b | \bmap \s* \( \s* (?! attribute \s* = | (['"]) \w* \1 \s* [,)] )""", re.VERBOSE
)
"""The one filter that draws random numbers, or `map` with a filter whose name is computed."""


def rolls_dice(source: str, *, name: str, left: str, right: str, keep: bool) -> bool:
    """Whether rendering again may give another output. There is no clock in the sandbox; `random` is what draws."""
    return RANDOM.search(source) is not None


def render(
    source: str, data: Mapping[str, bytes], *, name: str, left: str, right: str, keep: bool, limits: Limits
) -> bytes:
    """The output of one Jinja2 template; the data's keys are its variables, and `data["my-key"]` reaches every key.
    Raises TemplateError.

    The delimiters are Jinja2's own, whatever the flags say: `left`, `right` and `keep` are the other engine's. Bytes
    that are not UTF-8 pass through.
    """
    request = {
        "name": name,
        "source": base64.b64encode(source.encode("utf-8", "surrogateescape")).decode(),
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        "output_bytes": limits.output_bytes,
    }
    seconds = min(SECONDS, limits.seconds, max(0.0, limits.until - WORLD.monotonic()))
    try:
        reply = _WORKERS.ask(orjson.dumps(request), seconds)
    except TimeoutError:
        raise TemplateError(
            f"template: {name}: jinja2 template exceeds the limit of {seconds:g} seconds", phase="bounds"
        ) from None
    except (OSError, orjson.JSONDecodeError):
        raise TemplateError(f"template: {name}: jinja2 template exceeds the memory there is", phase="bounds") from None
    if "error" in reply:
        raise TemplateError(f"template: {name}: {reply['error']}", phase=reply["phase"])
    return base64.b64decode(reply["out"])
