"""Logs in to a `previder` store: the token of an environment goes along with every call, nothing is asked.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

from typing import Final

from eso.net.http import Timeouts
from eso.providers.contract import CredentialReader, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import Connection, nobody_asks
from eso.providers.kit.http import Api, clean
from eso.providers.kit.selectors import part
from eso.providers.previder import spec
from eso.providers.previder.client import LABEL, Client
from eso.providers.previder.refusal import refuse

JSON: Final = "application/json; charset=utf-8"
AGENT: Final = {"User-Agent": "external-secrets", "Accept": JSON, "Content-Type": JSON}
TIMEOUTS: Final = Timeouts(total=30.0)


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        block = store.provider_spec
        token = (await credentials.secret(part(block, *spec.TOKEN))).decode("utf-8", "replace")
        headers = AGENT | {"X-API-Key": clean(token, "token")}
        pool = await opened(self.env, credentials, spec.base(block))
        api = Api(pool, LABEL, spec.base(block), headers, refuse, TIMEOUTS)
        return Client(store, Connection(api, self.env.offload))
