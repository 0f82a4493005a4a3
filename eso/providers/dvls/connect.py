"""Logs in to a `dvls` store as an application, and looks its vault up.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from eso.net.http import Timeouts
from eso.providers.contract import CredentialReader, Plan, StoreView
from eso.providers.dvls import codec, refusal, spec
from eso.providers.dvls.client import LABEL, Client, Session, ended, vault_of
from eso.providers.env import Env
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import nobody_asks
from eso.providers.kit.http import Api, clean
from eso.providers.kit.selectors import part
from eso.providers.kit.token import MOST_TOKEN

AGENT: Final = {"User-Agent": "external-secrets", "Accept": "application/json"}
TIMEOUTS: Final = Timeouts(total=30.0)
FORM: Final = {"appId": "AppKey", "appSecret": "AppSecret"}


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        block = store.provider_spec
        form: dict[str, str] = {}
        for member, name in FORM.items():
            value = await credentials.secret(part(block, *spec.AUTH, member))
            form[name] = value.decode("utf-8", "replace")
        pool = await opened(self.env, credentials, spec.base(block))
        try:
            asking = Api(pool, LABEL, spec.base(block), AGENT, refusal.of_login, TIMEOUTS, MOST_TOKEN)
            token = codec.token_of((await asking.send("Login", "POST", "/api/v1/login", form=form)).body)
            headers = AGENT | {"tokenId": clean(token, "token"), "Content-Type": "application/json"}
        except BaseException:
            await pool.close()
            raise
        api = Api(pool, LABEL, spec.base(block), headers, refusal.of_api, TIMEOUTS)
        session = Session(api, self.env.offload)
        try:
            vault = await vault_of(session, spec.vault(block), credentials.namespace) if spec.vault(block) else ""
        except BaseException:  # a store with a wrong vault logs in again and again
            await ended(api)
            raise
        return Client(store, replace(session, vault=vault))
