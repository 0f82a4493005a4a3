"""Signatures of requests at Chef Infra Server: mixlib-authentication 1.0.

Neighbours: connect.py gives `signing` to the Api of a login.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from eso.providers.contract import InvalidConfig
from eso.providers.env import Env
from eso.providers.kit.http import Unsigned

WIDTH: Final = 60  # characters of a header


@dataclass(frozen=True, slots=True)
class Signer:
    user: str
    key: rsa.RSAPrivateKey = field(repr=False)

    def headers(self, request: Unsigned, now: datetime) -> Mapping[str, str]:
        """The headers to add. Takes a millisecond. Raises InvalidConfig for a key that is too short."""
        sent = {
            "Method": request.method,
            "X-Ops-Content-Hash": hashed(request.body),
            "X-Ops-Timestamp": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "X-Ops-UserId": self.user,
            "X-Ops-Sign": "algorithm=sha1;version=1.0",
            "X-Ops-Request-Source": "",
        }
        try:
            # The text itself is padded and signed: no digest of it, and no word about one.
            raw = self.key.sign(canonical(sent, request.target), padding.PKCS1v15(), utils.NoDigestInfo())
        except ValueError:
            raise InvalidConfig("the private key is too short for the signature", fix="use 2048 bits") from None
        text = base64.b64encode(raw).decode()
        lines = [text[at : at + WIDTH] for at in range(0, len(text), WIDTH)]
        return sent | {f"X-Ops-Authorization-{at}": line for at, line in enumerate(lines, 1)}


def canonical(sent: Mapping[str, str], target: str) -> bytes:
    lines = (
        f"Method:{sent['Method']}",
        f"Hashed Path:{hashed(target.partition('?')[0].encode())}",
        f"X-Ops-Content-Hash:{sent['X-Ops-Content-Hash']}",
        f"X-Ops-Timestamp:{sent['X-Ops-Timestamp']}",
        f"X-Ops-UserId:{sent['X-Ops-UserId']}",
    )
    return "\n".join(lines).encode()


def hashed(text: bytes) -> str:
    return base64.b64encode(hashlib.sha1(text, usedforsecurity=False).digest()).decode()


def signing(env: Env, owner: str, signer: Signer) -> Callable[[Unsigned], Awaitable[Mapping[str, str]]]:
    """Signs in a thread, on behalf of the namespace `owner`."""

    async def sign(request: Unsigned) -> Mapping[str, str]:
        return await env.offload.run_for(owner, signer.headers, request, env.clock.now())

    return sign
