"""Logs in to a `secretserver` store: with a token, or as a user of Secret Server or of the Delinea Platform.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from eso.net.http import Timeouts
from eso.providers.contract import (
    AuthRejected,
    CredentialReader,
    InvalidConfig,
    Malformed,
    Plan,
    StoreView,
)
from eso.providers.env import Env
from eso.providers.kit import valueorref
from eso.providers.kit.address import parts_of
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import Connection, nobody_asks
from eso.providers.kit.http import Api, Reply, bearer, object_of
from eso.providers.kit.selectors import part
from eso.providers.kit.token import MOST_TOKEN, token_from
from eso.providers.secretserver import codec, refusal, spec
from eso.providers.secretserver.client import LABEL, Client

AGENT: Final = {"User-Agent": "external-secrets", "Accept": "application/json"}
TIMEOUTS: Final = Timeouts(total=30.0)
VERSION: Final = "/api/v1"
ELSE: Final = (400, 401, 403, 404, 405)  # what a server of another kind answers


@dataclass(frozen=True, slots=True)
class Token:
    """`lifetime` None: a token of the store's own. `server`: where it counts."""

    value: str = field(repr=False)
    server: str
    lifetime: float | None = None


class Health(Enum):
    GOOD = "a server of this kind"
    CLOSED = "it may not be asked"
    NONE = "no server of this kind"


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        block, base = store.provider_spec, spec.base(store.provider_spec)
        given = {name: await valueorref.read(credentials, part(block, name)) for name in spec.members(block)}
        pool = await opened(self.env, credentials, base, ca=await credentials.ca_bundle(block))
        try:
            if "token" in given:
                token = Token(given["token"], base)
            else:
                asking = Api(pool, LABEL, base, AGENT, refusal.of_login, TIMEOUTS, MOST_TOKEN)
                token = await logged_in(asking, given["username"], given["password"], str(block.get("domain") or ""))
            headers = AGENT | bearer(token.value)
            api = Api(pool, LABEL, f"{token.server}{VERSION}", headers, refusal.of_api, TIMEOUTS)
        except BaseException:
            await pool.close()
            raise
        return Client(store, Connection(api, self.env.offload, token.lifetime))


async def logged_in(api: Api, username: str, password: str, domain: str) -> Token:
    """The server says by its health which of the two it is. Raises InvalidConfig for neither."""
    first = await health(api, f"{VERSION}/healthcheck")
    if first is Health.GOOD:
        form = {"username": username, "password": password, "grant_type": "password"}
        if domain:
            form["domain"] = domain
        return token_of(await api.send("GetToken", "POST", "/oauth2/token", form=form), api.base)
    second = await health(api, "/health")
    if second is Health.GOOD:
        form = {
            "grant_type": "client_credentials",
            "client_id": username,
            "client_secret": password,
            "scope": "xpmheadless",
        }
        reply = await api.send("GetToken", "POST", "/identity/api/oauth2/token/xpmplatform", form=form)
        token = token_of(reply, api.base)
        return replace(token, server=await vault(api.with_headers(bearer(token.value))))
    if Health.CLOSED in (first, second):
        raise AuthRejected("invalid URL: its health is not for everybody", fix="is there something before the server?")
    raise InvalidConfig("invalid URL", fix="is serverURL that of Secret Server, or of the Delinea Platform?")


async def health(api: Api, path: str) -> Health:
    """Whether a server of this kind is there. Raises Unavailable or Throttled where nobody can tell."""
    reply = await api.send("GetHealth", "GET", path, ok=ELSE)
    if reply.status in ELSE:
        return Health.CLOSED if reply.status in (401, 403) else Health.NONE
    return Health.GOOD if codec.healthy(reply.body) else Health.NONE


async def vault(api: Api) -> str:
    """Where the platform keeps its secrets. The platform itself says it, so the token may go there; but not in the
    clear where it came over TLS."""
    url = codec.vault_of((await api.send("GetVaults", "GET", "/vaultbroker/api/vaults")).body)
    if not url:
        raise InvalidConfig("no configured vault found", fix="make a vault the default one of the platform")
    if parts_of(url) is None or (api.base.startswith("https:") and not url.startswith("https:")):
        raise Malformed("the platform names a vault at an address that cannot be used")
    return url


def token_of(reply: Reply, server: str) -> Token:
    found = token_from(object_of(reply.body))
    return Token(found.value, server, found.lifetime)
