"""May the bearer of a token read /metrics? The API server says whose token it is, and what its owner may do.

Neighbours: `app.scrapers` asks for each scrape. An answer is kept for a short time, under a keyed digest of the token;
the token itself is not kept. Bearers that are asked about at the same time wait for one answer, and only a few
questions are on their way, so that a flood of invented tokens does not reach the API server.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from eso.api.meta import Resource
from eso.errors import EsoError
from eso.kube.rest import ApiError, Rest
from eso.runtime.clock import Clock

TOKEN_REVIEWS: Final = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)
ACCESS_REVIEWS: Final = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)
ALLOWED_SECONDS: Final = 60.0  # for which an answer counts: a right that is taken away ends within this time
REFUSED_SECONDS: Final = 10.0
KEPT: Final = 1_000  # answers; refusals go first
ASKING: Final = 4  # questions at once
WAITING: Final = 64  # bearers that wait for an answer; later ones are sent away unless they were admitted before


@dataclass(frozen=True, slots=True)
class Allowed:
    user: str


@dataclass(frozen=True, slots=True)
class NotAllowed:
    """The API server knows the bearer, who lacks the right."""

    user: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """No token, or none that the API server knows."""


Verdict = Allowed | NotAllowed | Unknown


class Overrun(EsoError):
    """Too many bearers wait for an answer."""


class _User(msgspec.Struct):
    username: str = ""
    uid: str = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}


class _TokenStatus(msgspec.Struct):
    authenticated: bool = False
    user: _User = msgspec.field(default_factory=_User)


class _TokenReview(msgspec.Struct):
    status: _TokenStatus = msgspec.field(default_factory=_TokenStatus)


class _AccessStatus(msgspec.Struct):
    allowed: bool = False
    denied: bool = False


class _AccessReview(msgspec.Struct):
    status: _AccessStatus = msgspec.field(default_factory=_AccessStatus)


_token_review = msgspec.json.Decoder(_TokenReview)
_access_review = msgspec.json.Decoder(_AccessReview)


class Bearers:
    """For one verb on one URL path. Questions are bounded here: `rest` needs no turns."""

    def __init__(self, rest: Rest, clock: Clock, *, verb: str = "get", url_path: str = "/metrics") -> None:
        self._rest, self._clock, self._verb, self._path = rest, clock, verb, url_path
        self._key = secrets.token_bytes(32)
        self._kept: OrderedDict[bytes, tuple[float, Verdict]] = OrderedDict()
        self._asking = asyncio.Semaphore(ASKING)
        self._locks: dict[bytes, asyncio.Lock] = {}
        self._waiting = 0

    async def verdict(self, authorization: str) -> Verdict:
        """`authorization`: the header's value. Raises ApiError when the API server did not answer, Overrun."""
        token = bearer_token(authorization)
        if not token:
            return Unknown()
        name = hashlib.blake2b(token.encode(), key=self._key, digest_size=16).digest()
        if (known := self._known(name)) is not None:
            return known
        if self._waiting >= WAITING and not isinstance(self._last(name), Allowed):
            raise Overrun("too many bearers wait for the API server")
        lock = self._locks.setdefault(name, asyncio.Lock())
        self._waiting += 1
        try:
            async with lock:
                known = self._known(name)
                return known if known is not None else await self._asked(name, token)
        finally:
            self._waiting -= 1
            if not lock.locked() and self._locks.get(name) is lock:
                del self._locks[name]

    def _known(self, name: bytes) -> Verdict | None:
        until, verdict = self._kept.get(name, (0.0, None))
        return verdict if self._clock.monotonic() < until else None

    def _last(self, name: bytes) -> Verdict | None:
        """What was found last, whether or not it still counts."""
        return self._kept.get(name, (0.0, None))[1]

    async def _asked(self, name: bytes, token: str) -> Verdict:
        async with self._asking:
            verdict = await self._ask(token)
        seconds = ALLOWED_SECONDS if isinstance(verdict, Allowed) else REFUSED_SECONDS
        self._kept[name] = (self._clock.monotonic() + seconds, verdict)
        self._kept.move_to_end(name)
        if len(self._kept) > KEPT:
            refused = (one for one, (_, its) in self._kept.items() if not isinstance(its, Allowed))
            del self._kept[next(refused, next(iter(self._kept)))]
        return verdict

    async def _ask(self, token: str) -> Verdict:
        found = await self._review(TOKEN_REVIEWS, {"token": token}, _token_review)
        if not found.status.authenticated:
            return Unknown()
        user = found.status.user
        asked: dict[str, Any] = {
            "user": user.username,
            "uid": user.uid,
            "groups": user.groups,
            "extra": user.extra,
            "nonResourceAttributes": {"path": self._path, "verb": self._verb},
        }
        answer = (await self._review(ACCESS_REVIEWS, asked, _access_review)).status
        return Allowed(user.username) if answer.allowed and not answer.denied else NotAllowed(user.username)

    async def _review(self, resource: Resource, spec: dict[str, Any], decoder: msgspec.json.Decoder[Any]) -> Any:
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}
        raw = await self._rest.create(resource, "", body)
        try:
            return decoder.decode(raw)
        except msgspec.MsgspecError:
            raise ApiError(f"the API server sent no answer to a {resource.kind}") from None


def bearer_token(authorization: str) -> str:
    """The token of `Bearer <token>`, "" for every other scheme and for what no token can be."""
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.isascii() else ""
