"""Logs in to a `gcpsm` store.

Neighbours: stores.registry makes the Connector; spec.py has the rules, login.py gets the token, client.py uses it.
"""

from __future__ import annotations

from collections.abc import Callable

from eso.errors import EsoError
from eso.net.http import Pool
from eso.providers.contract import CredentialReader, InvalidConfig, Plan, StoreClient, StoreView, prefixed
from eso.providers.env import Env
from eso.providers.gcpsm import spec
from eso.providers.gcpsm.client import Client, Connection
from eso.providers.gcpsm.login import CREATE, Login
from eso.providers.gcpsm.refusal import LABEL, of_secrets
from eso.providers.kit.googlemetadata import Metadata
from eso.providers.kit.http import Api, bearer
from eso.providers.kit.token import Token


class Connector:
    """`direct` opens connections to the machine's own metadata service: no proxy may stand between."""

    def __init__(self, env: Env, direct: Callable[[], Pool] = Pool) -> None:
        self.env, self.direct = env, direct
        self.writing: set[str] = set()  # secrets that a push of this process changes right now

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> StoreClient:
        """The token is fetched here, once: when it ends, the store logs in again."""
        block = store.provider_spec
        base = f"https://{spec.host(block)}"
        # Reading the system's authorities takes 20 ms.
        pool = await self.env.offload.run_for(credentials.namespace, self.env.pools.open, base)
        try:
            project, token = await self._logged_in(store, pool, credentials)
        except BaseException:
            await pool.close()
            raise
        if token is None:
            await pool.close()
            return Client(store, None)
        api = Api(pool, LABEL, f"{base}/v1", bearer(token.value), refuse=of_secrets)
        return Client(store, Connection(api, self.env.offload, token.lifetime, project, self.writing))

    async def _logged_in(self, store: StoreView, pool: Pool, credentials: CredentialReader) -> tuple[str, Token | None]:
        """The project and the token; None where each consumer logs in by itself and none asks."""
        block, direct = store.provider_spec, self.direct()
        try:
            project = spec.project(block) or await asked_project(direct, credentials)
            if not credentials.namespace:
                if spec.referent(store):
                    return project, None
                if any(not named.namespace for named in spec.federated(block)):
                    text = f"{CREATE}cluster scope requires namespace"
                    raise InvalidConfig(text, fix="write the namespace of each reference of the federation")
            return project, await Login(self.env, pool, direct, credentials).token(store)
        finally:
            await direct.close()


async def asked_project(pool: Pool, credentials: CredentialReader) -> str:
    """The project of the machine that the operator runs on."""
    try:
        return await Metadata(pool, credentials.ambient(), LABEL).project()
    except EsoError as error:
        told = prefixed(f"{spec.NO_PROJECT}: ", error)
        told.fix = error.fix or "set projectID"
        raise told from error
