"""Logs in to a `delinea` store with the id and the secret of a client.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

from typing import Final

from eso.net.http import Timeouts
from eso.providers.contract import AuthRejected, CredentialReader, InvalidConfig, Malformed, Plan, StoreView
from eso.providers.delinea import refusal, spec
from eso.providers.delinea.client import LABEL, Client, Connection
from eso.providers.env import Env
from eso.providers.kit import valueorref
from eso.providers.kit.http import Api, bearer, object_of, text_in
from eso.providers.kit.selectors import part

AGENT: Final = {"User-Agent": "external-secrets", "Accept": "application/json"}
TIMEOUTS: Final = Timeouts(total=30.0)
MARGIN: Final = 60.0  # seconds before its end from which on a token is not used any more


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if spec.referent(store) and not credentials.namespace:
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
        pool = await self.env.offload.run_for(credentials.namespace, self.env.pools.open, url)
        try:
            asking = Api(pool, LABEL, "", AGENT, refusal.of_login, TIMEOUTS)
            token, lifetime = token_of((await asking.send("GetToken", "POST", url, json=body)).body)
            api = Api(pool, LABEL, "", AGENT | bearer(token), refusal.of_api, TIMEOUTS)
        except BaseException:
            await pool.close()
            raise
        return Client(store, Connection(api, lifetime, self.env.offload))


def token_of(body: bytes) -> tuple[str, float]:
    """The token, and how many seconds it can be used. Raises Malformed."""
    found = object_of(body)
    token, seconds = text_in(found, "accessToken"), found.get("expiresIn")
    if not token or not token.isascii() or not token.isprintable():
        raise Malformed("the server's reply has no usable accessToken")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds < 1 << 40:
        raise Malformed("the server's reply has no number in expiresIn")
    if seconds <= 0:
        raise AuthRejected("the access token has ended before it could be used", fix="are the clocks right?")
    return token, seconds - MARGIN if seconds > 2 * MARGIN else seconds / 2
