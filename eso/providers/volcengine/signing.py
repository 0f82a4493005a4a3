"""Signatures of requests at Volcengine: HMAC-SHA256 over a canonical form, with a key for a day, a region and a
service.

Neighbours: connect.py gives `signing` to the Api of a login.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from eso.providers.env import Env
from eso.providers.kit.http import Unsigned

ALGORITHM: Final = "HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Keys:
    """`expires`: None = they do not end by themselves. Secret parts never print."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)
    expires: datetime | None = None


def headers(keys: Keys, region: str, service: str, request: Unsigned, now: datetime) -> Mapping[str, str]:
    """The headers to add. The query of the request has to be sorted."""
    when = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(request.body).hexdigest()
    sent = {"Host": request.host, "X-Date": when, "X-Content-Sha256": digest}
    if keys.token:
        sent["X-Security-Token"] = keys.token
    covered = {name.lower(): value for name, value in {**request.headers, **sent}.items() if is_covered(name.lower())}
    names = ";".join(sorted(covered))
    path, _, query = request.target.partition("?")
    listed = "".join(f"{name}:{covered[name].strip()}\n" for name in sorted(covered))
    canonical = "\n".join((request.method, path, query, listed, names, digest))
    scope = f"{when[:8]}/{region}/{service}/request"
    text = "\n".join((ALGORITHM, when, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = keys.secret_key.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    sent["Authorization"] = (
        f"{ALGORITHM} Credential={keys.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return sent


def is_covered(name: str) -> bool:
    return name in ("content-type", "host") or name.startswith("x-")


def signing(env: Env, keys: Keys, region: str, service: str) -> Callable[[Unsigned], Awaitable[Mapping[str, str]]]:
    async def sign(request: Unsigned) -> Mapping[str, str]:
        return headers(keys, region, service, request, env.clock.now())

    return sign
