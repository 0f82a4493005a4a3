"""Several reads of one batch: each has its own answer or its own error.

Neighbours: a client's `fetch_many`, for what its batch call did not settle.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import TypeVar

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Throttled, Unavailable
from eso.providers.kit.search import AT_ONCE, every

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


async def kept(made: Awaitable[T]) -> T | EsoError:
    """The answer, or its error as a value. Raises what ails the login or the server: that is no answer for one read
    alone."""
    try:
        return await made
    except (AuthExpired, Throttled, Unavailable):
        raise
    except EsoError as error:
        return error


async def each(wanted: Iterable[K], fetch: Callable[[K], Awaitable[T]]) -> dict[Hashable, T | EsoError]:
    """Every read on its own, some at a time."""
    asked = list(wanted)
    answers = await every(asked, lambda one: kept(fetch(one)), AT_ONCE)
    return dict[Hashable, T | EsoError](zip(asked, answers, strict=True))
