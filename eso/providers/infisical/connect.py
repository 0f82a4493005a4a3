"""Logs in to an `infisical` store.

Neighbours: stores.registry makes the Connector; spec.py has the rules, login.py gets the token, client.py uses it.
"""

from __future__ import annotations

from typing import Final

from eso.net.http import Timeouts
from eso.providers.contract import CredentialReader, Plan, StoreView
from eso.providers.env import Env
from eso.providers.infisical import refusal, spec
from eso.providers.infisical.client import Client, Connection
from eso.providers.infisical.login import LABEL, Login
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import nobody_asks
from eso.providers.kit.http import Api, worded
from eso.providers.kit.token import MOST_TOKEN

AGENT: Final = {"User-Agent": "k8-operator", "Accept": "application/json"}
TIMEOUTS: Final = Timeouts(total=30.0)
NO_CA: Final = "failed to get CA certificate: "


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        base = spec.base(store.provider_spec)
        ca = await worded(NO_CA, credentials.ca_bundle(store.provider_spec))
        pool = await worded(NO_CA, opened(self.env, credentials, base, ca=ca, beside_system=True))
        try:
            asking = Api(pool, LABEL, base, AGENT, refuse=refusal.of_login, timeouts=TIMEOUTS, max_body=MOST_TOKEN)
            token = await Login(self.env, asking, store, credentials).token()
        except BaseException:
            await pool.close()
            raise
        api = Api(pool, LABEL, base, AGENT, refuse=refusal.of_api, timeouts=TIMEOUTS)
        return Client(store, Connection(api, token, self.env.offload, self.env.log))
