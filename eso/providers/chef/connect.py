"""Logs in to a `chef` store: the key of a user or a client signs every call, nothing is asked.

Neighbours: stores.registry makes the Connector; spec.py has the rules, signing.py signs, client.py makes the calls.
"""

from __future__ import annotations

from typing import Final

from eso.net.http import Timeouts
from eso.providers.chef import refusal, spec
from eso.providers.chef.client import LABEL, Client
from eso.providers.chef.signing import Signer, signing
from eso.providers.contract import CredentialReader, InvalidConfig, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit import jwt
from eso.providers.kit.connected import Connection, nobody_asks
from eso.providers.kit.http import Api, worded
from eso.providers.kit.selectors import part

AGENT: Final = {
    "User-Agent": "external-secrets",
    "Accept": "application/json",
    "X-Chef-Version": "14.0.0",
    "X-Ops-Server-API-Version": "1",
}
TIMEOUTS: Final = Timeouts(total=25.0)


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        block, owner = store.provider_spec, credentials.namespace
        selector = part(block, "auth", "secretRef", "privateKeySecretRef")
        pem = await worded("could not fetch SecretKey Secret: ", credentials.secret(selector))
        if not pem:
            raise InvalidConfig("missing Secret Key", fix="store the private key of the user")
        try:
            key = await self.env.offload.run_for(owner, jwt.rsa_key, pem)
        except InvalidConfig as error:
            text = "unable to create chef client: the private key is no RSA key in PEM"
            raise InvalidConfig(text, fix=error.fix) from None
        pool = await self.env.offload.run_for(owner, self.env.pools.open, plan.endpoint)
        sign = signing(self.env, owner, Signer(spec.username(block), key))
        api = Api(pool, LABEL, plan.endpoint, AGENT, refusal.refuse, TIMEOUTS, sign=sign)
        return Client(store, Connection(api, self.env.offload))
