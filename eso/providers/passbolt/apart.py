"""Where OpenPGP is computed: in a process that can be killed, since a key may ask for seconds of work and a message for
gigabytes of memory, and the library lets nothing else run meanwhile.

Neighbours: connect.py and client.py ask; `runtime.pool` runs CALLS, its workers import this module. Requests are
pickled, because we wrote them; replies are read as plain data, because a worker is not believed.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from eso.errors import EsoError
from eso.providers.contract import AuthRejected, Malformed
from eso.providers.env import Env
from eso.providers.passbolt import pgp
from eso.providers.passbolt.pgp import Key
from eso.runtime.reply import BadReply, checked

FINGERPRINT, OPEN = "passbolt: fingerprint", "passbolt: open"
SECONDS: Final = 10.0
TOGETHER: Final = 50  # messages of one request
KEPT: Final = 4  # unlocked keys: the user's, and those of the metadata


class Apart:
    """Computes for one namespace, whose processes see no other one's keys."""

    def __init__(self, env: Env, namespace: str) -> None:
        self._env, self.namespace = env, namespace

    async def fingerprint(self, key: Key) -> str:
        """Raises AuthRejected for a key that cannot be used."""
        return str(await self._run(FINGERPRINT, key))

    async def opened(self, key: Key, messages: Sequence[bytes]) -> list[bytes | None]:
        """What is in each message; None for one that cannot be decrypted within the bounds. One that takes all the
        memory or the time of a process spoils no other."""
        found: list[bytes | None] = []
        for start in range(0, len(messages), TOGETHER):
            some = list(messages[start : start + TOGETHER])
            try:
                found += await self._several(key, some)
            except OutOfBounds:
                for message in some:
                    found += await self._alone(key, message)
        return found

    async def one(self, key: Key, message: bytes) -> bytes:
        """Raises Malformed."""
        (found,) = await self.opened(key, [message])
        if found is None:
            raise pgp.malformed()
        return found

    async def _alone(self, key: Key, message: bytes) -> list[bytes | None]:
        try:
            return await self._several(key, [message])
        except OutOfBounds:
            return [None]

    async def _several(self, key: Key, messages: list[bytes]) -> list[bytes | None]:
        reply = await self._run(OPEN, key, messages)
        if not isinstance(reply, list) or len(reply) != len(messages):
            raise Malformed("could not decrypt: the reply is none")
        if any(not (one is None or isinstance(one, bytes)) for one in reply):
            raise Malformed("could not decrypt: the reply is none")
        return reply

    async def _run(self, name: str, *arguments: Any) -> Any:
        if self._env.compute is None:
            return await self._env.offload.run_for(self.namespace, DESKS[name], *arguments)
        body = pickle.dumps(arguments, protocol=pickle.HIGHEST_PROTOCOL)
        try:
            reply = await self._env.compute.run(self.namespace, name, body, SECONDS)
        except EsoError as error:
            raise OutOfBounds(f"could not decrypt: {error}", fix="make the key and the message plainer") from None
        try:
            return unpacked(await checked(reply))
        except BadReply:
            raise Malformed("could not decrypt: the reply is none") from None


class OutOfBounds(Malformed):
    """The process took too long, or too much memory."""


def unpacked(reply: bytes) -> Any:
    """What the desk returned. Raises AuthRejected where it did, and Malformed for a reply that is none."""
    try:
        kind, content = msgspec.msgpack.decode(reply, type=tuple[str, Any])
        if kind == "Rejected":
            message, fix = content
            raise AuthRejected(str(message), fix=str(fix))
        if kind != "Value":
            raise ValueError
        return content
    except (msgspec.MsgspecError, ValueError, TypeError):
        raise Malformed("could not decrypt: the reply is none") from None


def open_all(key: Key, messages: list[bytes]) -> list[bytes | None]:
    return pgp.Reader(key).opened(messages)


DESKS: Final[dict[str, Callable[..., Any]]] = {FINGERPRINT: pgp.fingerprint, OPEN: open_all}


# on the worker's side


@lru_cache(KEPT)
def kept(key: Key) -> pgp.Reader:
    """An unlocked key stays in its process, which serves one namespace and ends when nothing is asked for a minute:
    unlocking takes as long as decrypting a hundred messages."""
    return pgp.Reader(key)


def fingerprint_of(body: bytes) -> bytes:
    return packed(lambda: pgp.fingerprint(*pickle.loads(body)))


def opened_of(body: bytes) -> bytes:
    key, messages = pickle.loads(body)
    return packed(lambda: kept(key).opened(messages))


def packed(call: Callable[[], Any]) -> bytes:
    try:
        return msgspec.msgpack.encode(("Value", call()))
    except AuthRejected as error:
        return msgspec.msgpack.encode(("Rejected", (str(error), error.fix)))


CALLS: Final = {FINGERPRINT: fingerprint_of, OPEN: opened_of}
