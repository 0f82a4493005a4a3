"""One call to a backend's HTTP API: its turn at the gate, its pool, the typed error for a reply that is no success.

Neighbours: providers send through an `Api`; `net.http` has the connections. No text made here holds a header, a query,
a body or a path: a provider adds the words of the reference by `refuse`.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode, urljoin, urlsplit

import orjson

from eso.errors import EsoError
from eso.net.http import (
    Forbidden,
    Pool,
    TimedOut,
    Timeouts,
    TooLarge,
    TransportError,
    Unsendable,
    origin,
    place,
    target,
)
from eso.net.http import Reply as Reply  # for refusals, which may not import what waits
from eso.providers.contract import (
    AuthExpired,
    Denied,
    InvalidConfig,
    Malformed,
    Throttled,
    Timeout,
    Unavailable,
    prefixed,
    turn,
)
from eso.runtime.offload import Offload

T = TypeVar("T")
TIMEOUTS: Final = Timeouts(total=30.0)
MAX_REPLY: Final = 4 << 20  # bytes; a Secret takes 1 MiB
LARGE: Final = 64 << 10  # bytes of JSON from which on decoding takes longer than the loop should wait
MOST_CREDENTIAL: Final = 64 << 10  # bytes; a login keeps it for as long as it lasts, and no server takes such headers
REDIRECTS: Final = 3
MOVED: Final = frozenset({301, 302, 303, 307, 308})
LONGEST_WAIT: Final = 24 * 3600.0  # seconds of a Retry-After that are believed


class NothingThere(EsoError):
    """404 without a word of the engine: the path or the server's API is not there. It proves no absence of a secret."""


def refusal(shown: str, reply: Reply) -> EsoError:
    """The typed error for `reply`, with `shown` as its text. 401 ends the login, 403 does not; 404 proves nothing."""
    match reply.status:
        case 401:
            return AuthExpired(shown)
        case 403:
            return Denied(shown)
        case 404:
            return NothingThere(shown)
        case 408 | 504:
            return Timeout(shown, answered=True)
        case 429:
            return Throttled(shown, retry_after=retry_after(reply.headers))
        case status if status >= 500:
            return Unavailable(shown, answered=True)
        case status if 400 <= status < 500:
            return InvalidConfig(shown)
    return Malformed(shown)


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A request just before it is sent. `target`: path and query exactly as they are sent."""

    method: str
    host: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


Sign = Callable[[Unsigned], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class Api:
    """A backend's API as one login sees it.

    `provider`: label of the metric. `base`: URL before every path, without a slash at its end. `headers`: sent with
    every call, credentials included. `refuse(reply)`: the error for a status that is neither 2xx nor in `ok`; it may
    read the body for words known to be harmless, and never quote it otherwise. `sign`: headers that only this one
    request has, made when its turn has come, since signatures hold the time.
    """

    pool: Pool
    provider: str
    base: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    refuse: Callable[[Reply], EsoError] | None = None
    timeouts: Timeouts = TIMEOUTS
    max_body: int = MAX_REPLY
    sign: Sign | None = None

    def with_headers(self, headers: Mapping[str, str]) -> Api:
        """The same connections with other standing headers: after a login, say."""
        return replace(self, headers={**self.headers, **headers})

    async def send(
        self,
        call: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        ok: Collection[int] = (),
    ) -> Reply:
        """One exchange. `call`: its name in the metric. Raises a typed error for every status but 2xx and those in
        `ok`.

        A redirect is followed for GET and HEAD without a body, and only to the same scheme, host and port, so that
        the server cannot hand the credential to another one.
        """
        url = f"{self.base}{path}"
        sent = {**self.headers, **(headers or {})}
        if json is not None:
            body = orjson.dumps(json)
            sent.setdefault("Content-Type", "application/json")
        elif form is not None:
            body = urlencode(form).encode()
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        params: Mapping[str, str] | None = query
        async with turn(self.provider, call):
            for _ in range(REDIRECTS + 1):
                signed = sent if self.sign is None else {**sent, **await self.sign(unsigned(method, url, sent, body))}
                reply = await exchanged(self.pool, method, url, signed, params, body, self.timeouts, self.max_body)
                if reply.status not in MOVED:
                    break
                url, params = followed(method, url, reply, bool(body)), None
            else:
                raise Unavailable(f"{origin(url)} redirects too often", answered=True)
            if 200 <= reply.status < 300 or reply.status in ok:
                return reply
            raise self.refuse(reply) if self.refuse is not None else refusal(words(url, reply.status), reply)

    async def close(self) -> None:
        await self.pool.close()


def unsigned(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Unsigned:
    """What there is to sign of a request, whose query stands in its URL."""
    return Unsigned(method, urlsplit(url).netloc.lower(), target(url), headers, body or b"")


async def exchanged(
    pool: Pool,
    method: str,
    url: str,
    headers: Mapping[str, str],
    params: Mapping[str, str] | None,
    body: bytes | None,
    timeouts: Timeouts = TIMEOUTS,
    max_body: int = MAX_REPLY,
) -> Reply:
    """One exchange without a turn: any status is a reply. Raises Timeout, Malformed, InvalidConfig, Unavailable."""
    try:
        return await pool.request(
            method, url, headers=headers, params=params or None, body=body, timeouts=timeouts, max_body=max_body
        )
    except TransportError as error:
        raise typed(error) from error


def typed(error: TransportError) -> EsoError:
    """What a failed exchange means to `stores`."""
    match error:
        case TimedOut():
            return Timeout(str(error), connected=error.connected, fix=error.fix)
        case TooLarge():
            return Malformed(str(error), fix=error.fix)
        case Unsendable() | Forbidden():
            return InvalidConfig(str(error), fix=error.fix)
    return Unavailable(str(error), connected=error.connected, fix=error.fix)


def unaddressed(failed: str, error: EsoError) -> EsoError:
    """The error without its text: that names a host, which here may have been made of a value. To be raised from
    None."""
    hidden = prefixed("", error)
    hidden.message = f"{failed}the address is not shown, for it may hold a value ({type(error).__name__})"
    hidden.args, hidden.fix = (hidden.message,), ""
    return hidden


def followed(method: str, url: str, reply: Reply, has_body: bool) -> str:
    """The address of the next hop. Raises Unavailable for one that may not be followed, without showing it."""
    if method not in ("GET", "HEAD") or has_body:
        raise Unavailable(
            f"{origin(url)} redirects (status {reply.status}) where it should answer",
            answered=True,
            fix="write the address that answers",
        )
    target = urljoined(url, reply.headers.get("Location", ""))
    if not same_origin(url, target):
        raise Unavailable(
            f"{origin(url)} redirects to another server: not followed, for the credential would go along",
            answered=True,
            fix="write the address that answers",
        )
    return target


def urljoined(url: str, location: str) -> str:
    """Raises Unavailable for a Location that is none, or brings a user."""
    try:
        target = urljoin(url, location)
        if location and place(target) and "@" not in urlsplit(target).netloc:
            return target
    except ValueError:
        pass
    raise Unavailable(f"{origin(url)} redirects to an address that is none", answered=True)


def same_origin(one: str, other: str) -> bool:
    """Whether both lead to one scheme, host and port."""
    try:
        return place(one) == place(other)
    except ValueError:
        return False


def without_user(url: str) -> str:
    """A user in it comes with a password, as a rule."""
    return re.sub("//[^/?#]*@", "//", url, count=1)


def words(url: str, status: int) -> str:
    """The plain text for a refusal: `https://host answered 502 Bad Gateway`."""
    return f"{origin(url)} answered {status_line(status)}"


def status_line(status: int) -> str:
    """`502 Bad Gateway`; the number alone where it has no name."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """Seconds to wait that the backend asks for, as a number or as a date; None when it does not say. A date counts
    from the server's own clock where it tells the time."""
    text = headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        until = date(text)
        if until is None:
            return None
        told = date(headers.get("Date", ""))
        seconds = until - (told if told is not None else now())
    return min(max(0.0, seconds), LONGEST_WAIT) if math.isfinite(seconds) else None


def date(text: str) -> float | None:
    """An HTTP date as seconds since the epoch."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def bearer(token: str, scheme: str = "Bearer") -> dict[str, str]:
    """The Authorization header. Raises InvalidConfig for a token that no header can hold."""
    return {"Authorization": f"{scheme} {clean(token, 'token')}"}


def clean(value: str, name: str) -> str:
    """A credential for a header. Raises InvalidConfig, which names the fault and never the value."""
    if value.endswith(("\n", "\r")):
        raise InvalidConfig(f"the {name} ends in a line break", fix="store it without the line break at its end")
    if len(value) > MOST_CREDENTIAL:
        raise InvalidConfig(f"the {name} is longer than {MOST_CREDENTIAL} bytes", fix="is it the right one?")
    if not value.isprintable() or not value.isascii():
        raise InvalidConfig(f"the {name} holds a character that no header can carry", fix="store it again, as it is")
    return value


def climbs(path: str) -> bool:
    """Whether a part of it is `..`, also for a server that reads an escaped slash, or a backslash, as a slash."""
    return ".." in re.split(r"[/\\]", path)


def segment(text: str) -> str:
    """`text` as one segment of a path. Raises InvalidConfig for one that would leave its place."""
    if text in ("", ".") or climbs(text):
        raise InvalidConfig(f'cannot use "{text}" as a part of a path')
    return quote(text, safe="")


def json_of(body: bytes) -> Any:
    """The JSON of a reply; texts are `str`. Raises Malformed without the text it could not read."""
    try:
        return orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError):
        raise Malformed(
            "the server's reply is not JSON",
            fix="is the address really that of the server, and not of something before it?",
        ) from None


def object_of(body: bytes) -> dict[str, Any]:
    """The JSON object of a reply. Raises Malformed for anything else."""
    found = json_of(body)
    if not isinstance(found, dict):
        raise Malformed("the server's reply is not of the form it promises")
    return found


def list_of(body: bytes) -> list[Any]:
    """The JSON array of a reply. Raises Malformed for anything else."""
    found = json_of(body)
    if not isinstance(found, list):
        raise Malformed("the server's reply is not of the form it promises")
    return found


def lowered(found: Mapping[str, Any]) -> dict[str, Any]:
    """The members by their names in small letters, for servers whose clients compare them without case; the last of
    equal ones counts."""
    return {name.lower(): value for name, value in found.items()}


def text_in(found: Mapping[str, Any], name: str) -> str:
    """A member that has to be text. Raises Malformed."""
    value = found.get(name)
    if not isinstance(value, str):
        raise Malformed(f"the server's reply has no text in {name}")
    return value


async def worded(failed: str, call: Awaitable[T]) -> T:
    """What `call` brings; `failed` stands before the text of its error, whose type stays."""
    try:
        return await call
    except EsoError as error:
        raise prefixed(failed, error) from error


async def decoded(offload: Offload, owner: str, body: bytes, decode: Callable[[bytes], T]) -> T:
    """`decode(body)`, in a thread where it takes a while. `owner`: the namespace on whose behalf."""
    return decode(body) if len(body) <= LARGE else await offload.run_for(owner, decode, body)
