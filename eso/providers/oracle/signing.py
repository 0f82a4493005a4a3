"""Signatures of requests at Oracle Cloud: draft-cavage-http-signatures with RSA and SHA-256.

Neighbours: connect.py gives `signer` to the Api of a login, principals.py signs one request with a certificate's key.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from eso.providers.env import Env
from eso.providers.kit import jwt
from eso.providers.kit.http import Unsigned

WITH_BODY: Final = ("POST", "PUT", "PATCH")
GENERAL: Final = ("date", "(request-target)", "host")
FEDERATION: Final = ("date", "(request-target)")  # what the token server of instances wants
OF_BODY: Final = ("content-length", "content-type", "x-content-sha256")


@dataclass(frozen=True, slots=True)
class Signer:
    """`key_id`: how the server finds the public key. `names`: what is signed of a request without a body."""

    key_id: str = field(repr=False)  # it may hold a token
    key: rsa.RSAPrivateKey = field(repr=False)
    names: Sequence[str] = GENERAL

    def headers(self, request: Unsigned, date: str) -> Mapping[str, str]:
        """The headers to add. Takes a millisecond."""
        values = {
            "date": date,
            "(request-target)": f"{request.method.lower()} {request.target}",
            "host": request.host,
        }
        sent = {"Date": date, "Host": request.host}
        names = list(self.names)
        if request.method in WITH_BODY:
            sent |= {
                "Content-Length": str(len(request.body)),
                "Content-Type": request.headers.get("Content-Type", "application/json"),
                "X-Content-Sha256": base64.b64encode(hashlib.sha256(request.body).digest()).decode(),
            }
            values |= {name.lower(): value for name, value in sent.items()}
            names += OF_BODY
        text = "\n".join(f"{name}: {values[name]}" for name in names)
        signature = base64.b64encode(jwt.signature(self.key, text.encode())).decode()
        sent["Authorization"] = (
            f'Signature version="1",headers="{" ".join(names)}",keyId="{self.key_id}",algorithm="rsa-sha256",'
            f'signature="{signature}"'
        )
        return sent


def signing(env: Env, owner: str, signer: Signer) -> Callable[[Unsigned], Awaitable[Mapping[str, str]]]:
    """Signs in a thread, on behalf of the namespace `owner`."""

    async def sign(request: Unsigned) -> Mapping[str, str]:
        return await env.offload.run_for(owner, signer.headers, request, format_datetime(env.clock.now(), usegmt=True))

    return sign
