"""A password at Keystone → a token, and where Barbican is.

Neighbours: connect.py brings the connections and the credentials, codec.py reads the replies.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from eso.net.http import place
from eso.providers.barbican import codec
from eso.providers.barbican.codec import Session
from eso.providers.contract import InvalidConfig
from eso.providers.kit.http import Api, decoded
from eso.runtime.offload import Offload

T = TypeVar("T")
VERSIONED: Final = re.compile(r"(?<!/)/v[0-9][0-9.]*/.*", re.ASCII)  # after the host, which may have such a name
MULTIPLE: Final = 300  # Keystone's list of versions comes with it
NO_DOMAIN: Final = "You must provide exactly one of DomainID or DomainName to authenticate by Username"


@dataclass(frozen=True, slots=True)
class User:
    """Who logs in, and to which project."""

    name: str
    password: str = field(repr=False)
    domain: str
    project: str
    region: str


@dataclass(frozen=True, slots=True)
class Keystone:
    """`api` sends no credential. `url`: as the store names it, with a slash at its end. `owner`: the namespace on whose
    behalf it is asked."""

    api: Api
    url: str
    offload: Offload
    owner: str

    async def log_in(self, user: User) -> Session:
        version, base = await self._version()
        return await (self._v3(base, user) if version == "v3" else self._v2(base, user))

    async def _version(self) -> tuple[str, str]:
        """The API that the address names; else the best one that Keystone lists. The password goes to the host that the
        store names, whichever host is in the list."""
        for version in codec.VERSIONS:
            if self.url.endswith(f"/{version}/"):
                return version, self.url
        reply = await self.api.send("GetVersions", "GET", VERSIONED.sub("/", self.url), ok=(MULTIPLE,))
        version, path = await self._decoded(reply.body, codec.version_of)
        scheme, host, port = place(self.url)
        shown = f"[{host}]" if ":" in host else host
        return version, f"{scheme}://{shown}:{port}{path}"

    async def _v3(self, base: str, user: User) -> Session:
        if not user.domain:
            raise InvalidConfig(NO_DOMAIN, fix="set domainName")
        domain = {"name": user.domain}
        named = {"name": user.name, "password": user.password, "domain": domain}
        auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": named}}}
        if user.project:
            auth["scope"] = {"project": {"name": user.project, "domain": domain}}
        reply = await self.api.send("CreateToken", "POST", f"{base}auth/tokens", json={"auth": auth})
        token = reply.headers.get("X-Subject-Token")
        return await self._decoded(reply.body, lambda body: codec.session_of_v3(body, token, user.region))

    async def _v2(self, base: str, user: User) -> Session:
        auth: dict[str, Any] = {"passwordCredentials": {"username": user.name, "password": user.password}}
        if user.project:
            auth["tenantName"] = user.project
        reply = await self.api.send("CreateToken", "POST", f"{base}tokens", json={"auth": auth})
        return await self._decoded(reply.body, lambda body: codec.session_of_v2(body, user.region))

    async def _decoded(self, body: bytes, decode: Callable[[bytes], T]) -> T:
        """A catalog may be long."""
        return await decoded(self.offload, self.owner, body, decode)
