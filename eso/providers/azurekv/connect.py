"""Logs in to an `azurekv` store.

Neighbours: stores.registry makes the Connector; spec.py has the rules, login.py gets the token, client.py uses it.
"""

from __future__ import annotations

from collections.abc import Callable

from eso.net.http import Pool
from eso.providers.azurekv import spec
from eso.providers.azurekv.client import Client
from eso.providers.azurekv.login import LABEL, Login
from eso.providers.azurekv.refusal import of_vault
from eso.providers.contract import CredentialReader, Plan, StoreClient, StoreView
from eso.providers.env import Env
from eso.providers.kit.connected import Connection
from eso.providers.kit.entra import AUTHORITIES
from eso.providers.kit.http import Api, bearer


class Connector:
    """`direct` opens connections to the machine's own metadata service: no proxy may stand between."""

    def __init__(self, env: Env, direct: Callable[[], Pool] = Pool) -> None:
        self.env, self.direct = env, direct

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> StoreClient:
        """The token is fetched here, once: when it ends, the store logs in again."""
        block = store.provider_spec
        if not credentials.namespace and spec.referent(store):
            return Client(store, None)
        # Reading the system's authorities takes 20 ms. The pool reaches the authority, too, which speaks https always.
        pool = await self.env.offload.run_for(credentials.namespace, self.env.pools.open, AUTHORITIES["PublicCloud"])
        direct = self.direct()
        try:
            token = await Login(self.env, pool, direct, credentials, block).token()
            api = Api(pool, LABEL, spec.vault(block), bearer(token.value), refuse=of_vault)
        except BaseException:
            await pool.close()
            raise
        finally:
            await direct.close()
        return Client(store, Connection(api, self.env.offload, token.lifetime))
