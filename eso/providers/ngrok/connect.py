"""Logs in to ngrok: the API key goes along with every call, nothing is asked.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

from typing import Final

from eso.net.http import Timeouts
from eso.providers.contract import CredentialReader, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import nobody_asks
from eso.providers.kit.http import Api, bearer
from eso.providers.kit.selectors import part
from eso.providers.kit.written import LoggedIn, Written
from eso.providers.ngrok import spec
from eso.providers.ngrok.client import LABEL, Client
from eso.providers.ngrok.refusal import refuse

AGENT: Final = {"User-Agent": "external-secrets", "Accept": "application/json", "Ngrok-Version": "2"}
TIMEOUTS: Final = Timeouts(total=10.0)


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env
        self.written = Written()  # of the process

    async def close(self) -> None:
        """Nothing else is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        block, url = store.provider_spec, spec.base(store.provider_spec)
        key = (await credentials.secret(part(block, *spec.KEY))).decode("utf-8", "replace")
        headers = AGENT | bearer(key)
        api = Api(await opened(self.env, credentials, url), LABEL, url, headers, refuse, TIMEOUTS)
        return Client(store, LoggedIn(api, self.env.offload, None, self.written))
