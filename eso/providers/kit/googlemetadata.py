"""The metadata server of a Google machine: names of the cluster it belongs to, tokens of the identity it runs as.

Neighbours: logins ask. Its host comes from the operator's environment alone, never from a store; it is
reached without a proxy, and believed only when it names itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from eso.errors import EsoError
from eso.net.http import Pool, Reply, Timeouts
from eso.providers.contract import AuthRejected, Malformed, Throttled, Unavailable
from eso.providers.kit import http
from eso.providers.kit.http import Api, object_of

HOST: Final = "metadata.google.internal"
FLAVOR: Final = {"Metadata-Flavor": "Google"}
SECONDS: Final = 5.0
MOST: Final = 64 << 10  # bytes of a reply
TOKEN: Final = "instance/service-accounts/default/token"
IDENTITY: Final = "instance/service-accounts/default/identity"


class Metadata:
    """`environ`: what `credentials.ambient()` gave. `label`: the provider label of the metrics."""

    def __init__(self, pool: Pool, environ: Mapping[str, str], label: str) -> None:
        host = environ.get("GCE_METADATA_HOST") or HOST
        timeouts = Timeouts(total=SECONDS, connect=SECONDS / 2)
        base = f"http://{host}/computeMetadata/v1/"
        self._api = Api(pool, label, base, FLAVOR, refuse=refuse, timeouts=timeouts, max_body=MOST)

    async def project(self) -> str:
        return await self._text("project/project-id")

    async def attribute(self, name: str) -> str:
        """An attribute of the machine, such as cluster-name."""
        return await self._text(f"instance/attributes/{name}")

    async def token(self, scope: str) -> dict[str, Any]:
        """access_token and expires_in of the identity that the operator runs as."""
        return object_of((await self._get("GetAmbientToken", f"{TOKEN}?scopes={quote(scope, safe='')}")).body)

    async def identity(self, audience: str) -> str:
        """A JWT of the identity that the operator runs as, for `audience` alone."""
        query = f"audience={quote(audience, safe='')}&format=full"
        text = (await self._get("GetIdentityToken", f"{IDENTITY}?{query}")).body.decode("utf-8", "replace").strip()
        if not text or not text.isprintable():
            raise Malformed("the metadata server's reply is no token")
        return text

    async def _text(self, path: str) -> str:
        text = (await self._get("GetMetadata", path)).body.decode("utf-8", "replace").strip()
        if not text or not text.isprintable() or len(text) > 253:
            raise Malformed("the metadata server's reply is not of the form it promises")
        return text

    async def _get(self, call: str, path: str) -> Reply:
        reply = await self._api.send(call, "GET", path)
        if reply.headers.get("Metadata-Flavor") != "Google":
            raise Malformed(
                "what answers at the metadata server's address is no metadata server of Google",
                fix="name a credential below the store's auth",
            )
        return reply


def refuse(reply: Reply) -> EsoError:
    error = http.refusal(f"the metadata server answered {reply.status}", reply)
    if isinstance(error, Unavailable | Throttled | Malformed):
        return error
    return AuthRejected(str(error), fix="does the machine have a service account, and workload identity enabled?")
