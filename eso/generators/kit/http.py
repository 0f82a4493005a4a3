"""One call of a generator to its backend, over connections of its own: nothing of a generator is kept between calls.

Neighbours: kinds that ask a server. `net.http` has the connections; bodies and headers never get into an error's text.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import orjson

from eso.generators.contract import GeneratorFailed
from eso.net.http import Pool, Reply, Timeouts, TlsError
from eso.observe.echo import closed, told
from eso.providers.env import Env
from eso.providers.kit import http
from eso.providers.kit.http import exchanged

MOST: Final = 4 << 20  # bytes of a reply; a Secret takes 1 MiB
SHOWN: Final = 300  # characters of a server's message
WITHHELD: Final = "(message withheld: it repeats what was sent)"
SECRET: Final = ("token", "secret", "password", "key", "jwt", "assertion", "credential")  # in names of members
PLAIN: Final = frozenset({"accept", "content-type", "user-agent"})  # headers that hold no credential


@dataclass(frozen=True, slots=True)
class Answered(Reply):
    """A reply, and the credentials that the request carried."""

    sent: tuple[bytes, ...] = field(default=(), repr=False)


async def call(
    env: Env,
    method: str,
    url: str,
    headers: Mapping[str, str],
    *,
    json: Any = None,
    form: Mapping[str, str] | None = None,
    body: bytes | None = None,
    seconds: float | None = 30.0,
    ca: bytes | None = None,
    pool: Pool | None = None,
) -> Answered:
    """One exchange; any status is a reply. `pool`: connections for this call alone, instead of those that stores may
    open. Raises EsoError when there is no reply."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise GeneratorFailed("the url is neither http nor https", fix="write https://host")
    sent = dict(headers)
    if json is not None:
        body = orjson.dumps(json)
        sent.setdefault("Content-Type", "application/json")
    elif form is not None:
        body = urlencode(form).encode()
        sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
    try:
        pool = pool or env.pools.open(url, ca=ca)
    except TlsError as error:
        raise GeneratorFailed(str(error), fix=error.fix) from error
    try:
        reply = await exchanged(pool, method, url, sent, None, body, Timeouts(total=seconds), MOST)
    finally:
        await pool.close()
    return Answered(reply.status, reply.headers, reply.body, tuple(credentials_in(url, sent, form, body)))


def credentials_in(
    url: str, headers: Mapping[str, str], form: Mapping[str, str] | None, body: bytes | None
) -> Iterator[bytes]:
    """What a server could repeat of a request that is nobody else's business."""
    for name, value in headers.items():
        if name.lower() not in PLAIN:
            yield from (part.encode() for part in (value, *value.split()[1:]))
            yield from login_in(value)
    parts = urlsplit(url)
    yield from (value.encode() for _, value in parse_qsl(parts.query))
    yield from (unquote(value).encode() for value in (parts.username, parts.password) if value)
    if form is not None:
        yield from (value.encode() for value in form.values())
    elif body:
        yield from credentials_of(body)


def login_in(authorization: str) -> Iterator[bytes]:
    """Name and password of a basic login, which a server sees in clear."""
    scheme, _, packed = authorization.partition(" ")
    if scheme.lower() == "basic":
        with suppress(binascii.Error, ValueError):
            pair = base64.b64decode(packed, validate=True)
            yield from (pair, pair.partition(b":")[2])


def credentials_of(body: bytes) -> Iterator[bytes]:
    """The members of a JSON body whose name says so: the others are settings, which are in the spec as well. All of any
    other body."""
    try:
        waiting = [("", orjson.loads(body))]
    except orjson.JSONDecodeError:
        yield body
        return
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(name, one) for one in value]
        elif isinstance(value, str) and any(part in name.lower() for part in SECRET):
            yield value.encode()


def object_in(reply: Reply, failed: str) -> dict[str, Any]:
    """The JSON object of a reply. Raises GeneratorFailed, which shows none of it."""
    try:
        found = orjson.loads(reply.body)
    except (orjson.JSONDecodeError, RecursionError):
        raise GeneratorFailed(f"{failed}the reply is not JSON") from None
    if not isinstance(found, dict):
        raise GeneratorFailed(f"{failed}the reply is no JSON object")
    return found


def message_in(reply: Reply, *names: str) -> str:
    """The server's own words in one of these members, as far as they are known words; "" without any. A text that
    repeats a part of a credential is not shown at all."""
    try:
        found = orjson.loads(reply.body)
    except (orjson.JSONDecodeError, RecursionError):
        return ""
    for name in names if isinstance(found, dict) else ():
        value = found.get(name)
        if value:
            text = shown(value if isinstance(value, str) else orjson.dumps(value).decode())
            harmless = told(text, reply.sent) if isinstance(reply, Answered) else text
            return WITHHELD if harmless is None else closed(harmless)
    return ""


def shown(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text[:SHOWN])


def status_line(reply: Reply) -> str:
    """`404 Not Found`."""
    return http.status_line(reply.status)


def succeeded(reply: Reply) -> bool:
    return 200 <= reply.status < 300


def header(value: bytes, what: str) -> str:
    """A credential as a header carries it. Raises GeneratorFailed, which names it and never shows it."""
    try:
        text = value.decode().strip()
    except UnicodeDecodeError:
        text = "\0"
    if not text.isprintable() or not text.isascii():
        raise GeneratorFailed(f"the {what} holds a character that no header can carry", fix="store it as it is")
    return text
