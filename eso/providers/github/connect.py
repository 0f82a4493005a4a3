"""Logs in to GitHub as an installation of an App.

Neighbours: stores.registry makes the Connector; kit.githubapp has the login, client.py makes the calls.
"""

from __future__ import annotations

from typing import Any, Final

from eso.errors import EsoError
from eso.net.http import Timeouts
from eso.providers.contract import CredentialReader, Plan, StoreView, prefixed
from eso.providers.env import Env
from eso.providers.github import refusal, spec
from eso.providers.github.client import LABEL, Client
from eso.providers.kit import githubapp
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import nobody_asks
from eso.providers.kit.http import Api, bearer, object_of, text_in
from eso.providers.kit.selectors import Json, part
from eso.providers.kit.token import Token, checked
from eso.providers.kit.written import LoggedIn, Written

AGENT: Final = {"User-Agent": "external-secrets"} | githubapp.ACCEPT
TIMEOUTS: Final = Timeouts(total=10.0)
FAILED: Final = "could not get private key: "


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env
        self.written = Written()  # of the process: a login lives for an hour

    async def close(self) -> None:
        """Nothing else is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        block, base = store.provider_spec, spec.base(store.provider_spec)
        signed = await self._signed(block, credentials)
        pool = await opened(self.env, credentials, base)
        try:
            asking = Api(pool, LABEL, base, AGENT | githubapp.headers(signed), refusal.of_login, TIMEOUTS)
            reply = await asking.send("CreateInstallationToken", "POST", githubapp.path(block.get("installationID")))
            token = self._token(object_of(reply.body))
            api = Api(pool, LABEL, base, AGENT | bearer(token.value), refusal.of_api, TIMEOUTS)
        except BaseException:
            await pool.close()
            raise
        return Client(store, LoggedIn(api, self.env.offload, token.lifetime, self.written))

    async def _signed(self, block: Json, credentials: CredentialReader) -> str:
        try:
            pem = await credentials.secret(part(block, *spec.KEY))
        except EsoError as error:
            words = f"{FAILED}couldn't get private key from secret: resolvers.SecretKeyRef failed with error "
            raise prefixed(words, error) from error
        app, now = str(block.get("appID") or ""), self.env.clock.now()
        try:
            return await self.env.offload.run_for(credentials.namespace, githubapp.assertion, pem, app, now)
        except EsoError as error:
            raise prefixed(f"{FAILED}could not instantiate new installation transport: ", error) from error

    def _token(self, reply: dict[str, Any]) -> Token:
        left = (githubapp.ends(reply) - self.env.clock.now()).total_seconds()
        return checked(text_in(reply, "token"), left)
