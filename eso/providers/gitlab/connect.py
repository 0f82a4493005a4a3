"""Logs in to GitLab: its token is read from a Secret, nothing is asked.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from eso.errors import EsoError
from eso.net.http import Pool, Timeouts, TlsError
from eso.providers.contract import CredentialReader, InvalidConfig, Plan, StoreView, prefixed
from eso.providers.env import Env
from eso.providers.gitlab.client import LABEL, Client
from eso.providers.gitlab.refusal import refuse
from eso.providers.gitlab.spec import TOKEN, base
from eso.providers.kit.connected import Connection
from eso.providers.kit.http import Api, clean
from eso.providers.kit.selectors import part

AGENT: Final = {"User-Agent": "external-secrets", "Accept": "application/json"}
TIMEOUTS: Final = Timeouts(total=30.0)


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        block = store.provider_spec
        value = await credentials.secret(part(block, *TOKEN))
        token = clean(value.decode("utf-8", "replace"), "access token")
        pool = await self._pool(base(block), store, credentials)
        headers = AGENT | {"PRIVATE-TOKEN": token}
        return Client(store, Connection(Api(pool, LABEL, base(block), headers, refuse, TIMEOUTS), self.env.offload))

    async def _pool(self, url: str, store: StoreView, credentials: CredentialReader) -> Pool:
        try:
            ca = await credentials.ca_bundle(store.provider_spec)
        except EsoError as error:
            raise prefixed("failed to read ca bundle: ", error) from error
        try:
            return await self.env.offload.run_for(credentials.namespace, partial(self.env.pools.open, url, ca=ca))
        except TlsError as error:
            raise InvalidConfig(f"failed to append ca bundle: {error}", fix=error.fix) from error
