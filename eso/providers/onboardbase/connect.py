"""Logs in to Onboardbase: the API key goes along with every call, nothing is asked; the passcode stays here.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

from typing import Final

from eso.net.http import Timeouts
from eso.providers.contract import CredentialReader, InvalidConfig, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import nobody_asks
from eso.providers.kit.http import Api, clean
from eso.providers.kit.selectors import part
from eso.providers.onboardbase.client import LABEL, Client, Login
from eso.providers.onboardbase.refusal import refuse
from eso.providers.onboardbase.spec import BASE, passcode

AGENT: Final = {"User-Agent": "onboardbase-external-secrets", "Content-Type": "application/json"}
TIMEOUTS: Final = Timeouts(total=20.0)


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        block = store.provider_spec
        given = await credentials.secret(part(block, "auth", "apiKeyRef"))
        code = await credentials.secret(passcode(block))
        for value, name in ((given, "API key"), (code, "passcode")):
            if not value:
                raise InvalidConfig(f"the {name} is empty", fix=f"store the {name} in the Secret of auth.apiKeyRef")
        key = clean(given.decode("utf-8", "replace"), "API key")
        pool = await opened(self.env, credentials, BASE)
        api = Api(pool, LABEL, BASE, AGENT | {"api_key": key}, refuse, TIMEOUTS)
        return Client(store, Login(api, self.env.offload, code))
