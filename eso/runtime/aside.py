"""What the code that runs keeps from others, and gives back for as long as it waits for memory.

Neighbours: fair.py has the slots, `stores.gate` the probes; memory.py waits. A slot of a server that is kept while its
request waits for memory would be kept by those who want memory from those who could give some back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Final, Protocol


class Kept(Protocol):
    def give_back(self) -> None:
        """Others may have it. Never raises."""

    async def take_again(self) -> None:
        """Waits until it is here again. Cancelled, it is here at once."""

    def take_back(self) -> None:
        """It is here again at once, beyond what there is if it must be: the wait has failed. Never raises."""


KEPT: Final[ContextVar[tuple[Kept, ...]]] = ContextVar("kept", default=())


@contextmanager
def keeping(kept: Kept) -> Iterator[None]:
    """In the block, and in tasks that it starts, `kept` is given back while memory is waited for."""
    token = KEPT.set((*KEPT.get(), kept))
    try:
        yield
    finally:
        KEPT.reset(token)


@asynccontextmanager
async def without() -> AsyncIterator[None]:
    """In the block others may have what is kept. After it everything is here again, also where the block fails: the
    code around may catch that, and go on."""
    away = list(KEPT.get())
    for one in reversed(away):
        one.give_back()
    try:
        yield
        while away:
            await away.pop(0).take_again()
    except BaseException:
        for one in away:
            one.take_back()
        raise
