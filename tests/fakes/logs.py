"""The process's log, caught in memory; everything `log.configure` replaces is put back afterwards."""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import structlog

from eso.observe import log


class Captured:
    """What was logged: `out` are the bytes, `lines()` the parsed lines."""

    def __init__(self, level: str = "info", encoding: str = "epoch") -> None:
        self.out = io.BytesIO()
        log.configure(level, encoding, self.out)

    def lines(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.out.getvalue().splitlines()]

    def __contains__(self, text: str) -> bool:
        return text.encode() in self.out.getvalue()


@contextmanager
def restored() -> Iterator[None]:
    """Whatever the block configures ends with it."""
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook
    root = logging.getLogger()
    level, handlers, target = root.level, list(root.handlers), log._OUT.target
    try:
        yield
    finally:
        sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
        root.setLevel(level)
        root.handlers[:] = handlers
        log._OUT.target = target
        structlog.reset_defaults()


@contextmanager
def captured(level: str = "debug") -> Iterator[Captured]:
    with restored():
        yield Captured(level)
