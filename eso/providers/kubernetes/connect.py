"""Logs in to another cluster (or to this one again).

Neighbours: stores.registry makes the Connector; spec.py has the rules, `kit.cluster` logs in, client.py makes the
calls.
"""

from __future__ import annotations

from eso.providers.contract import CredentialReader, Plan, StoreClient, StoreView
from eso.providers.env import Env
from eso.providers.kit.cluster import logged_in
from eso.providers.kit.connected import nobody_asks
from eso.providers.kubernetes.client import KubernetesClient


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> StoreClient:
        if nobody_asks(plan, credentials):
            return KubernetesClient(store, None)
        return KubernetesClient(store, await logged_in(self.env, store, credentials))
