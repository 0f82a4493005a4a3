"""Logs in to an API server, looks up the kind of the store, and asks whether it may be read.

Neighbours: stores.registry makes the Connector; spec.py has the rules, `kit.cluster` logs in, client.py makes the
calls.
"""

from __future__ import annotations

from typing import Final

from eso.providers.contract import CredentialReader, Plan, StoreClient, StoreView
from eso.providers.crd.client import Connection, CrdClient, allowed, discovered
from eso.providers.crd.spec import kind_of
from eso.providers.env import Env
from eso.providers.kit.cluster import logged_in
from eso.providers.kit.connected import nobody_asks

PREPARE: Final = "crd: failed to prepare api connection: "


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> StoreClient:
        if nobody_asks(plan, credentials):
            return CrdClient(store, None)
        login = await logged_in(self.env, store, credentials, PREPARE)
        try:
            resource = await discovered(login.rest, kind_of(store.provider_spec))
            await allowed(login.rest, resource, "get", store.namespace if resource.namespaced else "")
        except BaseException:
            await login.pool.close()
            raise
        return CrdClient(store, Connection(login.rest, login.pool, login.lifetime, resource, self.env.offload))
