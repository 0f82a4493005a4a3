"""Logs in to a `senhasegura` store with the id and the secret of an OAuth client.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

from typing import Final

from eso.net.http import Timeouts
from eso.providers.contract import CredentialReader, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit.authority import opened, unverified
from eso.providers.kit.connected import Connection, nobody_asks
from eso.providers.kit.http import Api, bearer, object_of
from eso.providers.kit.selectors import part
from eso.providers.kit.token import MOST_TOKEN, token_from
from eso.providers.senhasegura import refusal, spec
from eso.providers.senhasegura.client import LABEL, Client

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
        secret = await credentials.secret(part(block, *spec.SECRET))
        form = {
            "grant_type": "client_credentials",
            "client_id": str(part(block, "auth").get("clientId")),
            "client_secret": secret.decode("utf-8", "replace"),
        }
        base = spec.base(block)
        blind = block.get("ignoreSslCertificate") is True
        pool = await (unverified(self.env, credentials) if blind else opened(self.env, credentials, base))
        try:
            asking = Api(pool, LABEL, base, AGENT, refusal.of_login, TIMEOUTS, MOST_TOKEN)
            reply = await asking.send("GetToken", "POST", "/iso/oauth2/token", form=form)
            token = token_from(object_of(reply.body))
            api = Api(pool, LABEL, base, AGENT | bearer(token.value), refusal.of_api, TIMEOUTS)
        except BaseException:
            await pool.close()
            raise
        return Client(store, Connection(api, self.env.offload, token.lifetime))
