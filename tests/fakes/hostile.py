"""A server that answers every request with one body and one status, and the bodies that no backend sends."""

from __future__ import annotations

import json
import random
import traceback
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any

from aiohttp import web

from eso.errors import EsoError
from tests.fakes.backend import Asked, Backend

PLANTED = "planted-7f3a9c"
SCALARS: list[Any] = [None, True, 0, -1, 1.5, 10**400, "", PLANTED, "../..", "a/", [], {}, [PLANTED], {PLANTED: 1}]
BODIES = (
    b"",
    b"null",
    b"[]",
    b"7",
    b"[" * 100_000,
    b"\xff\xfe{}",
    b"<html>" + PLANTED.encode(),
)


class Hostile(Backend):
    body, status = b"", 200

    async def answer(self, asked: Asked) -> web.StreamResponse:
        return web.Response(status=self.status, body=self.body, content_type="application/json")

    def say(self, dice: random.Random, names: Sequence[str], first: Sequence[str]) -> None:
        """From now on an object with the members `first`, whose values hold `names` at any depth and of any type."""
        self.body = json.dumps({name: made(dice, names) for name in first}).encode()
        self.status = dice.choice((200, 200, 200, 200, 204, 404, 400, 403, 409, 429, 503))


def made(dice: random.Random, names: Sequence[str], depth: int = 0) -> Any:
    """A JSON value with members that the backend could have, of types that it would not send."""
    if depth > 3 or dice.random() < 0.3:
        return dice.choice(SCALARS)
    if dice.random() < 0.2:
        return [made(dice, names, depth + 1) for _ in range(dice.randrange(3))]
    return {dice.choice(names): made(dice, names, depth + 1) for _ in range(dice.randrange(1, 4))}


async def survive(operations: AsyncIterator[Awaitable[Any]]) -> None:
    """Each ends with a value or with an error of ours, and no error quotes what the server said."""
    async for operation in operations:
        try:
            await operation
        except EsoError as error:
            assert PLANTED not in "".join(traceback.format_exception(error)) + error.fix
