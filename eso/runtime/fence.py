"""Calls of code that must not end its caller: one that raises is logged with its type, and a default takes its place.

Neighbours: workqueue.py and controller.py ask gates, admission and meters through it. A pass has its own fence, in
controller.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from eso.observe import redact
from eso.observe.log import Log

P = ParamSpec("P")
T = TypeVar("T")


class Fence:
    """`name` says in the log whose calls these are."""

    def __init__(self, name: str, log: Log) -> None:
        self._name, self._log = name, log

    def ask(self, default: T, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What `call` returns; `default` if it raises."""
        try:
            return call(*args, **kwargs)
        except Exception as error:
            self._log.error(
                "a call failed and was passed over",
                of=self._name,
                call=getattr(call, "__qualname__", type(call).__name__),
                error=type(error).__name__,
                stacktrace=redact.stack(error),
            )
            return default
