"""Logs in to a `barbican` store: Keystone gives a token, and names the address of Barbican.

Neighbours: stores.registry makes the Connector; spec.py has the rules, login.py asks Keystone, client.py reads.
"""

from __future__ import annotations

from typing import Final

from eso.net.http import Timeouts
from eso.providers.barbican import refusal, spec
from eso.providers.barbican.client import LABEL, Client
from eso.providers.barbican.codec import Session
from eso.providers.barbican.login import Keystone, User
from eso.providers.contract import CredentialReader, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import Connection, nobody_asks
from eso.providers.kit.http import Api, clean, worded
from eso.providers.kit.selectors import Json, part

AGENT: Final = {"User-Agent": "external-secrets", "Accept": "application/json"}
TIMEOUTS: Final = Timeouts(total=30.0)
FAILED: Final = "barbican provider authentication failed: "


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        user = await user_of(credentials, store.provider_spec)
        session = await worded(FAILED, self._session(user, spec.identity(store.provider_spec), credentials))
        headers = AGENT | {"X-Auth-Token": clean(session.token, "token")}
        pool = await opened(self.env, credentials, session.endpoint)
        api = Api(pool, LABEL, session.endpoint, headers, refusal.of_api, TIMEOUTS)
        return Client(store, Connection(api, self.env.offload, session.lifetime))

    async def _session(self, user: User, url: str, credentials: CredentialReader) -> Session:
        """Keystone is asked once: its connections are not kept."""
        pool = await opened(self.env, credentials, url)
        try:
            api = Api(pool, LABEL, "", AGENT, refusal.of_login, TIMEOUTS)
            return await Keystone(api, url, self.env.offload, credentials.namespace).log_in(user)
        finally:
            await pool.close()


async def user_of(credentials: CredentialReader, block: Json) -> User:
    """A name that is written down counts before one in a Secret. Raises the credential reader's error."""
    username = part(block, "auth", "username")
    name = str(username.get("value") or "")
    if not name:
        name = (await credentials.secret(part(username, "secretRef"))).decode("utf-8", "replace")
    password = await credentials.secret(part(block, "auth", "password", "secretRef"))
    domain, project, region = (str(block.get(member) or "") for member in ("domainName", "tenantName", "region"))
    return User(name, password.decode("utf-8", "replace"), domain, project, region)
