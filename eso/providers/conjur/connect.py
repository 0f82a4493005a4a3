"""Logs in to a `conjur` store: with an API key, a JWT or a client certificate.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

from typing import Final

from eso.net.http import Pool, Timeouts
from eso.providers.conjur import refusal, spec
from eso.providers.conjur.client import LABEL, Client
from eso.providers.conjur.codec import Token, token_of
from eso.providers.contract import CredentialReader, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit.authority import ca_of, opened
from eso.providers.kit.connected import Connection, nobody_asks
from eso.providers.kit.http import Api, segment
from eso.providers.kit.selectors import Json, has, part
from eso.providers.kit.token import MOST_TOKEN

AGENT: Final = {"User-Agent": "external-secrets"}
TIMEOUTS: Final = Timeouts(total=60.0, connect=10.0)
SECONDS: Final = 600  # of an account's token; it is exchanged at once


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        block, base = store.provider_spec, spec.base(store.provider_spec)
        pool = await self._pool(base, block, credentials)
        try:
            asking = Api(pool, LABEL, base, AGENT, refusal.of_login, TIMEOUTS, MOST_TOKEN)
            token = await self._token(asking, block, credentials)
            api = Api(pool, LABEL, base, AGENT | {"Authorization": token.header}, refusal.of_api, TIMEOUTS)
        except BaseException:
            await pool.close()
            raise
        return Client(store, Connection(api, self.env.offload, token.lifetime))

    async def _pool(self, base: str, block: Json, credentials: CredentialReader) -> Pool:
        """A client certificate is shown on connections of its own."""
        ca = await ca_of(credentials, block)
        certificate = key = None
        if spec.method(block) == "cert":
            given = part(block, "auth", "cert")
            certificate = await credentials.secret(part(given, "clientCertRef"))
            key = await credentials.secret(part(given, "clientKeyRef"))
        return await opened(self.env, credentials, base, ca=ca, certificate=certificate, key=key)

    async def _token(self, api: Api, block: Json, credentials: CredentialReader) -> Token:
        way = spec.method(block)
        given = part(block, "auth", way)
        account, service = segment(spec.account(block)), str(given.get("serviceID") or "")
        host = str(given.get("hostId") or "")
        headers, body = {"Content-Type": "application/x-www-form-urlencoded"}, b""
        match way:
            case "apikey":
                user = (await credentials.secret(part(given, "userRef"))).decode("utf-8", "replace")
                path, body = f"/authn/{account}/{segment(user)}", await credentials.secret(part(given, "apiKeyRef"))
                headers = {"Content-Type": "text/plain"}
            case "jwt":
                named = f"/{segment(host)}" if host else ""
                path = f"/authn-jwt/{segment(service)}/{account}{named}"
                body = b"jwt=" + await self._jwt(given, credentials)
            case _:
                named = f"/{segment(host if host.startswith('host/') else f'host/{host}')}" if host else ""
                path = f"/authn-cert/{segment(service)}/{account}{named}"
        reply = await api.send("Authenticate", "POST", f"{path}/authenticate", headers=headers, body=body or None)
        return token_of(reply.body)

    async def _jwt(self, given: Json, credentials: CredentialReader) -> bytes:
        if not has(given, "serviceAccountRef"):
            return await credentials.secret(part(given, "secretRef"), default_key="token")
        selector = part(given, "serviceAccountRef")
        audiences = tuple(str(audience) for audience in selector.get("audiences") or ())
        token = await credentials.service_account_token(selector, audiences=audiences, expiration_seconds=SECONDS)
        return token.encode()
