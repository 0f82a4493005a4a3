"""Logs in to an `infisical` store.

Neighbours: stores.registry makes the Connector; spec.py has the rules, login.py gets the token, client.py uses it.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from eso.errors import EsoError
from eso.net.http import Pool, Timeouts, TlsError
from eso.providers.contract import CredentialReader, InvalidConfig, Plan, StoreView, prefixed
from eso.providers.env import Env
from eso.providers.infisical import refusal, spec
from eso.providers.infisical.client import Client, Connection
from eso.providers.infisical.login import LABEL, Login
from eso.providers.kit.http import Api
from eso.providers.kit.token import MOST_TOKEN

AGENT: Final = {"User-Agent": "k8-operator", "Accept": "application/json"}
TIMEOUTS: Final = Timeouts(total=30.0)


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if spec.referent(store) and not credentials.namespace:
            return Client(store, None)
        base = spec.base(store.provider_spec)
        pool = await self._pool(base, store, credentials)
        try:
            asking = Api(pool, LABEL, base, AGENT, refuse=refusal.of_login, timeouts=TIMEOUTS, max_body=MOST_TOKEN)
            token = await Login(self.env, asking, store, credentials).token()
        except BaseException:
            await pool.close()
            raise
        api = Api(pool, LABEL, base, AGENT, refuse=refusal.of_api, timeouts=TIMEOUTS)
        return Client(store, Connection(api, token, self.env.offload, self.env.log))

    async def _pool(self, base: str, store: StoreView, credentials: CredentialReader) -> Pool:
        """An authority of the store is trusted beside those of the system. Reading these takes 20 ms."""
        failed = "failed to get CA certificate: "
        try:
            ca = await credentials.ca_bundle(store.provider_spec)
        except EsoError as error:
            raise prefixed(failed, error) from error
        opened = partial(self.env.pools.open, base, ca=ca, beside_system=True)
        try:
            return await self.env.offload.run_for(credentials.namespace, opened)
        except TlsError as error:
            raise InvalidConfig(f"{failed}{error}", fix=error.fix) from error
