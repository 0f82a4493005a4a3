"""Logs in to a Connect server: its token is read from a Secret, nothing is asked.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

from typing import Final

from eso.net.http import Timeouts
from eso.providers.contract import CredentialReader, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import Connection
from eso.providers.kit.http import Api, bearer
from eso.providers.kit.selectors import part
from eso.providers.onepassword.client import LABEL, Client
from eso.providers.onepassword.refusal import refuse
from eso.providers.onepassword.spec import TOKEN, host

HEADERS: Final = {"User-Agent": "external-secrets", "Content-Type": "application/json"}
TIMEOUTS: Final = Timeouts(total=30.0, connect=10.0)


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        base = host(store.provider_spec)
        token = await credentials.secret(part(store.provider_spec, *TOKEN))
        headers = HEADERS | bearer(token.decode("utf-8", "replace"))
        pool = await opened(self.env, credentials, base)
        api = Api(pool, LABEL, base, headers, refuse=refuse, timeouts=TIMEOUTS)
        return Client(store, Connection(api, self.env.offload))
