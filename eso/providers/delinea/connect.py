"""Logs in to a `delinea` store with the id and the secret of a client.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

from typing import Final

from eso.net.http import Timeouts
from eso.providers.contract import CredentialReader, InvalidConfig, Plan, StoreView
from eso.providers.delinea import refusal, spec
from eso.providers.delinea.client import LABEL, Client
from eso.providers.env import Env
from eso.providers.kit import valueorref
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import Connection, nobody_asks
from eso.providers.kit.http import Api, bearer, object_of
from eso.providers.kit.selectors import part
from eso.providers.kit.token import MOST_TOKEN, token_from

AGENT: Final = {"User-Agent": "external-secrets", "Accept": "application/json"}
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
        body = {"grant_type": "client_credentials"}
        for member, name, shown in (
            ("clientId", "client_id", "ClientID"),
            ("clientSecret", "client_secret", "ClientSecret"),
        ):
            body[name] = await valueorref.read(credentials, part(block, member))
            if not body[name]:
                raise InvalidConfig(f"Credentials.{shown} must be set", fix=f"the value of {member} is empty")
        url = spec.address(block, "token")
        pool = await opened(self.env, credentials, url)
        try:
            asking = Api(pool, LABEL, "", AGENT, refusal.of_login, TIMEOUTS, MOST_TOKEN)
            reply = await asking.send("GetToken", "POST", url, json=body)
            token = token_from(object_of(reply.body), "accessToken", "expiresIn")
            api = Api(pool, LABEL, "", AGENT | bearer(token.value), refusal.of_api, TIMEOUTS)
        except BaseException:
            await pool.close()
            raise
        return Client(store, Connection(api, self.env.offload, token.lifetime))
