"""One call to a backend's gRPC API: its turn at the gate, its connection, the typed error for a status that is not OK.

Neighbours: providers call through a `Grpc`; `net.http2` has the connection, protobuf.py the messages. The text that a
server sends with a status may repeat what was asked: the name of the status is shown, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from eso.errors import EsoError
from eso.net.http import Reply, Timeouts, TlsError, TransportError
from eso.net.http2 import Answer, Channel
from eso.providers.contract import (
    AuthExpired,
    CredentialReader,
    Denied,
    InvalidConfig,
    Malformed,
    Throttled,
    Timeout,
    Unavailable,
    turn,
)
from eso.providers.env import Env
from eso.providers.kit import http
from eso.providers.kit.http import LONGEST_WAIT, MAX_REPLY, MOVED, NothingThere, clean, typed
from eso.providers.kit.protobuf import price
from eso.runtime.offload import Offload

TIMEOUTS: Final = Timeouts(total=30.0)
MOST_SENT: Final = 1 << 20  # bytes of a request; what it names comes from an object of Kubernetes
DIGITS: Final = re.compile(r"-?[0-9]{1,12}", re.ASCII)
OK, NOT_FOUND = 0, 5
NAMES: Final = (
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
)


@dataclass(frozen=True, slots=True)
class Status:
    """How a call ended. `wait`: seconds that the server asks to wait before the next one."""

    code: int
    wait: float | None = None

    @property
    def shown(self) -> str:
        return f"rpc error: code = {NAMES[self.code]}"


def refusal(status: Status, words: str = "") -> EsoError:
    """The typed error for a status that is not OK, its text after `words`. NotFound proves nothing here: a provider
    whose server says it of a secret alone knows better."""
    shown = f"{words}{status.shown}"
    match NAMES[status.code]:
        case "Unauthenticated":
            return AuthExpired(shown)
        case "PermissionDenied":
            return Denied(shown)
        case "ResourceExhausted":
            return Throttled(shown, retry_after=status.wait)
        case "DeadlineExceeded":
            return Timeout(shown, answered=True)
        case "NotFound":
            return NothingThere(shown)
        case "Unimplemented":
            return NothingThere(shown, fix="is it the address of this service?")
        case "InvalidArgument" | "AlreadyExists" | "FailedPrecondition" | "OutOfRange":
            return InvalidConfig(shown)
    return Unavailable(shown, answered=True)


@dataclass(frozen=True, slots=True)
class Grpc:
    """A backend's gRPC API as one login sees it. Every call of it may be made twice: none changes anything.

    `provider`: label of the metric. `metadata`: sent with every call, credentials included. `refuse(status)`: the error
    for a status that is not OK.
    """

    channel: Channel
    provider: str
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    refuse: Callable[[Status], EsoError] = refusal
    timeouts: Timeouts = TIMEOUTS
    most: int = MAX_REPLY

    def with_token(self, token: str) -> Grpc:
        """The same connection with a credential. Raises InvalidConfig for a token that no header can hold."""
        return replace(self, metadata={**self.metadata, "authorization": f"Bearer {clean(token, 'token')}"})

    async def unary(self, call: str, method: str, message: bytes) -> bytes:
        """The one message that answers `message`. `call`: its name in the metric; `method`: /package.Service/Method.
        Raises a typed error for everything else."""
        if len(message) > MOST_SENT:
            raise InvalidConfig(f"the reference is longer than {MOST_SENT} bytes")
        async with turn(self.provider, call):
            return self._message(await self._answer(method, message))

    async def _answer(self, method: str, message: bytes) -> Answer:
        headers = [
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "external-secrets"),
            *((name, value) for name, value in self.metadata.items()),
        ]
        if self.timeouts.total is not None:
            headers.append(("grpc-timeout", f"{max(1, int(self.timeouts.total * 1000))}m"))
        body = b"\0" + len(message).to_bytes(4, "big") + message
        try:
            return await self.channel.post(
                method, headers, body, timeouts=self.timeouts, max_body=self.most, price=price
            )
        except TransportError as error:
            raise typed(error) from error

    def _message(self, answer: Answer) -> bytes:
        server = self.channel.server
        if answer.status != 200:
            raise self._foreign(answer)
        if not answer.headers.get("content-type", "").startswith("application/grpc"):
            raise Malformed(
                f"{server} answers with something else than gRPC",
                fix="is the address really that of the server, and not of something before it?",
            )
        trailers = answer.trailers or answer.headers  # a refusal may come in one piece
        status = _status(trailers, server)
        if status.code != OK:
            raise self.refuse(status)
        body = answer.body
        if len(body) < 5 or body[0] != 0 or int.from_bytes(body[1:5], "big") != len(body) - 5:
            raise Malformed(f"the reply of {server} is not the one message that it promises")
        return body[5:]

    def _foreign(self, answer: Answer) -> EsoError:
        """The error for an answer of something that does not speak gRPC: a proxy, a load balancer."""
        server = self.channel.server
        if answer.status in MOVED:
            return Unavailable(
                f"{server} redirects (status {answer.status}) where it should answer",
                answered=True,
                fix="write the address that answers",
            )
        headers = {"Retry-After": answer.headers.get("retry-after", ""), "Date": answer.headers.get("date", "")}
        return http.refusal(http.words(server, answer.status), Reply(answer.status, headers, b""))

    async def close(self) -> None:
        await self.channel.close()


@dataclass(frozen=True, slots=True)
class GrpcConnection:
    """One login, as `connected.Connection` is one over HTTP."""

    api: Grpc
    offload: Offload
    lifetime: float | None = None


def _status(trailers: Mapping[str, str], server: str) -> Status:
    """Raises Malformed for a reply without a status of gRPC."""
    told = trailers.get("grpc-status", "")
    if not DIGITS.fullmatch(told) or not 0 <= int(told) < len(NAMES):
        raise Malformed(f"the reply of {server} has no status of gRPC")
    wait = trailers.get("grpc-retry-pushback-ms", "")
    if DIGITS.fullmatch(wait) and int(wait) >= 0:
        return Status(int(told), min(int(wait) / 1000, LONGEST_WAIT))
    headers = {"Retry-After": trailers.get("retry-after", ""), "Date": trailers.get("date", "")}
    return Status(int(told), http.retry_after(headers))


async def opened(env: Env, credentials: CredentialReader, address: str, ca: bytes | None = None) -> Channel:
    """A connection to `address` (host:port), over TLS; it trusts `ca` (PEM) instead of the system's authorities. In a
    thread, since reading authorities takes 20 ms. Raises InvalidConfig for an authority that is none."""
    try:
        return await env.offload.run_for(credentials.namespace, lambda: env.pools.channel(f"https://{address}", ca=ca))
    except TlsError as error:
        raise InvalidConfig(str(error), fix=error.fix) from error
