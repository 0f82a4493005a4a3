"""Keeps the Secret with the CA and the webhook's certificate: read, judged, filled where something is missing.

Neighbours: mint.py says what is missing and makes it, passes.py hands the CA on. Two replicas may both find something
missing: the one that is later meets a conflict and takes what the other one made.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from datetime import datetime
from typing import Any, Final

import orjson
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from eso.api.meta import SECRETS
from eso.certs.inject import version_of
from eso.certs.mint import CA_CERT, KEY_BITS, Data, Kept, NewAuthority, NewServer, authority, needed, server
from eso.errors import EsoError
from eso.kube.rest import Conflict, Rest
from eso.observe.log import Log
from eso.runtime.clock import Clock
from eso.runtime.offload import Offload

TRIES: Final = 3
FIELD_MANAGER: Final = "external-secrets-cert-controller"


class NoSecret(EsoError):
    """The Secret is not there."""


class Contended(EsoError):
    """Others write the Secret all the time."""


class Keeper:
    def __init__(
        self, rest: Rest, namespace: str, name: str, dns_name: str, clock: Clock, offload: Offload, log: Log
    ) -> None:
        self._rest, self._namespace, self._name, self._dns_name = rest, namespace, name, dns_name
        self._clock, self._offload, self._log = clock, offload, log
        self._turn = asyncio.Lock()  # passes run side by side, and one of them is enough to make what is missing

    async def ca(self) -> bytes:
        """The CA that signed the webhook's certificate. What is missing is made first. Raises EsoError."""
        async with self._turn:
            for _ in range(TRIES):
                found = await self._read()
                data = decoded(found)
                match needed(data, self._dns_name, self._clock.now()):
                    case Kept():
                        return data[CA_CERT]
                    case NewServer(reason) as need:
                        self._log.info("the webhook gets a new certificate", reason=reason)
                    case NewAuthority(reason) as need:
                        self._log.info("the webhook gets a new CA and a new certificate", reason=reason)
                # RSA keys take a tenth of a second each.
                made = await self._offload.run(minted, need, data, self._dns_name, self._clock.now())
                try:
                    await self._write(found, made)
                except Conflict:
                    continue  # another replica was faster: look at what it made
                return {**data, **made}[CA_CERT]
        raise Contended(f"secret {self._namespace}/{self._name} is written by others all the time")

    async def _read(self) -> dict[str, Any]:
        raw = await self._rest.get(SECRETS, self._namespace, self._name)
        if raw is None:
            raise NoSecret(
                f'secrets "{self._name}" not found in namespace {self._namespace}',
                fix="create it empty: the cert-controller fills it, and may create none",
            )
        found: dict[str, Any] = orjson.loads(raw)
        return found

    async def _write(self, found: dict[str, Any], made: Data) -> None:
        body = {
            "metadata": {"resourceVersion": version_of(found)},
            "data": {name: base64.b64encode(value).decode() for name, value in made.items()},
        }
        await self._rest.patch(SECRETS, self._namespace, self._name, body, field_manager=FIELD_MANAGER)


def decoded(secret: dict[str, Any]) -> dict[str, bytes]:
    """The data; what is no base64 counts as missing."""
    found = {}
    for name, value in (secret.get("data") or {}).items():
        try:
            found[name] = base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError, ValueError):
            continue
    return found


def minted(need: NewServer | NewAuthority, data: Data, dns_name: str, now: datetime) -> dict[str, bytes]:
    """What has to be written. Takes tenths of a second: for a thread."""
    made = authority(new_key(), x509.random_serial_number(), now) if isinstance(need, NewAuthority) else {}
    return made | server({**data, **made}, new_key(), x509.random_serial_number(), dns_name, now)


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
