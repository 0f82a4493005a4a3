"""A computation for a tenant as a value: it runs here while that is cheap, else in a process that can be killed.

Neighbours: externalsecret/apart.py and pushsecret/apart.py have the desks of their kinds and read what comes back;
`runtime.pool` runs them. Requests are pickled, because we wrote them; replies are read as plain data, because a worker
is not believed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from eso.errors import EsoError
from eso.runtime.pool import OutOfTime
from eso.runtime.reply import checked
from eso.template.bounds import BoundsExceeded, Limits

T = TypeVar("T")
GRACE: Final = 2.0  # seconds beyond the limits of a rendering, which ends itself and says why
SMALLER: Final = "make the template, the expression or the values smaller"


@dataclass(frozen=True, slots=True)
class Desk(Generic[T]):
    """`name` is what the workers know `function` by. The limits are its last argument; the others never print."""

    name: str
    function: Callable[..., T] = field(repr=False)
    arguments: tuple[Any, ...] = field(repr=False)
    of: str = ""  # the name of the object that it is for
    doubtful: bool = False  # that object failed before

    def __call__(self, limits: Limits) -> T:
        return self.function(*self.arguments, limits)


class Processes(Protocol):
    """`runtime.pool.Pool`. Its errors say that the time or the memory was not enough, or that the function broke."""

    async def run(
        self,
        namespace: str,
        name: str,
        body: Callable[[], Sequence[bytes]],
        seconds: float,
        of: str = "",
        doubtful: bool = False,
    ) -> bytes: ...


class Ended(EsoError):
    """The process was ended by its deadline or its memory, or broke."""


async def reply_of(
    processes: Processes, namespace: str, desk: Desk[Any], body: Callable[[], Sequence[bytes]], limits: Limits
) -> bytes:
    """What the worker's side of the desk returned. Raises Ended."""
    try:
        return await checked(
            await processes.run(namespace, desk.name, body, limits.seconds + GRACE, desk.of, desk.doubtful)
        )
    except EsoError as error:
        why = BoundsExceeded("seconds", limits.seconds) if isinstance(error, OutOfTime) else error
        raise Ended(str(why), fix=SMALLER) from error


def sealed(kind: str, content: Any, limits: Limits) -> bytes:
    """A reply, with what is left of the steps of the pass. Worker's side."""
    return msgspec.msgpack.encode((kind, content, limits.account.left if limits.account is not None else 0))


def unsealed(reply: bytes, limits: Limits) -> tuple[str, Any]:
    """Kind and content of a reply; what the desk spent is gone for the pass. Raises msgspec.MsgspecError."""
    kind, content, left = msgspec.msgpack.decode(reply, type=tuple[str, Any, int])
    if limits.account is not None:
        limits.account.left = max(0, min(limits.account.left, left))
    return kind, content
