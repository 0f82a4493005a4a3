"""Logs in to BeyondTrust Workload Credentials: the token goes along with every call, nothing is asked.

Neighbours: stores.registry makes the Connector; kit.workloadcredentials reads the token, client.py makes the calls.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from eso.net.http import Timeouts
from eso.providers.beyondtrustworkloadcredentials.client import LABEL, Client
from eso.providers.beyondtrustworkloadcredentials.refusal import refuse
from eso.providers.contract import CredentialReader, InvalidConfig, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit import workloadcredentials
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import Connection, nobody_asks
from eso.providers.kit.http import Api
from eso.providers.kit.selectors import part

TIMEOUTS: Final = Timeouts(total=30.0)
MAX_REPLY: Final = 10 << 20  # bytes


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        block = store.provider_spec
        base = workloadcredentials.base(block)
        if not part(block, *workloadcredentials.TOKEN).get("key"):
            raise InvalidConfig("auth.apikey.token.key is required", fix="set auth.apikey.token.key")
        headers = await workloadcredentials.headers(block, credentials)
        pool = await opened(self.env, credentials, base, ca=await credentials.ca_bundle(block))
        api = Api(pool, LABEL, base, headers, partial(refuse, ""), TIMEOUTS, MAX_REPLY)
        return Client(store, Connection(api, self.env.offload))
