"""Logs in to a `keepersecurity` store: the keys of a device sign every call, nothing is asked.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

from typing import Final

from eso.net.http import MAX_BODY, Timeouts
from eso.providers.contract import CredentialReader, Plan, StoreView
from eso.providers.env import Env
from eso.providers.keepersecurity import refusal
from eso.providers.keepersecurity.client import LABEL, Client, Login
from eso.providers.keepersecurity.device import device_of
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import nobody_asks
from eso.providers.kit.http import Api
from eso.providers.kit.selectors import part

TIMEOUTS: Final = Timeouts(total=30.0)


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        secret = await credentials.secret(part(store.provider_spec, "authRef"))
        device = await self.env.offload.run_for(credentials.namespace, device_of, secret)
        base = f"https://{device.host}/api/rest/sm/v1"
        pool = await opened(self.env, credentials, base)
        api = Api(pool, LABEL, base, refuse=refusal.of_read, timeouts=TIMEOUTS, max_body=MAX_BODY)
        files = Api(pool, LABEL, "", refuse=refusal.of_file, timeouts=TIMEOUTS)
        return Client(store, Login(api, files, self.env.offload, device))
