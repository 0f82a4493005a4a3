"""Logs in to Pulumi: with a token from a Secret, or with a ServiceAccount's token that Pulumi exchanges.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

from typing import Final

from eso.net.http import Timeouts
from eso.providers.contract import CredentialReader, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import Connection, nobody_asks
from eso.providers.kit.http import Api, bearer, object_of, worded
from eso.providers.kit.selectors import Json, part
from eso.providers.kit.token import MOST_TOKEN, Token, token_from
from eso.providers.pulumi import refusal, spec
from eso.providers.pulumi.client import LABEL, Client

AGENT: Final = {"User-Agent": "external-secrets", "Accept": "application/json"}
TIMEOUTS: Final = Timeouts(total=30.0)
EXCHANGE: Final = Timeouts(total=10.0)
SECONDS: Final = 600  # of an account's token, where the store does not say
FAILED: Final = "failed to get OIDC token: "


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        block, url = store.provider_spec, spec.base(store.provider_spec)
        way = spec.method(block)
        lifetime = None
        if way != spec.ACCOUNT:
            token = (await credentials.secret(part(block, *way, "secretRef"))).decode("utf-8", "replace")
            headers = bearer(token, "token")
            pool = await opened(self.env, credentials, url)
        else:
            pool = await opened(self.env, credentials, url)
            try:
                api = Api(pool, LABEL, spec.service(block), AGENT, refusal.of_login, EXCHANGE, MOST_TOKEN)
                exchanged = await worded(FAILED, by_account(api, part(block, *way), credentials))
                headers, lifetime = bearer(exchanged.value, "token"), exchanged.lifetime
            except BaseException:
                await pool.close()
                raise
        api = Api(pool, LABEL, url, AGENT | headers, refusal.of_api, TIMEOUTS)
        return Client(store, Connection(api, self.env.offload, lifetime))


async def by_account(api: Api, config: Json, credentials: CredentialReader) -> Token:
    """A ServiceAccount's token for one of the organization."""
    selector = part(config, "serviceAccountRef")
    given = config.get("expirationSeconds")
    seconds = given if isinstance(given, int) and given > 0 else SECONDS
    account = await credentials.service_account_token(
        selector,
        audiences=tuple(str(one) for one in selector.get("audiences") or ()) or (api.base,),
        expiration_seconds=seconds,
    )
    body = {
        "audience": f"urn:pulumi:org:{config.get('organization') or ''}",
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "requested_token_type": "urn:pulumi:token-type:access_token:organization",
        "subject_token": account,
        "expiration": seconds,
        "scope": "",
    }
    reply = await api.send("ExchangeToken", "POST", "/api/oauth/token", json=body)
    if reply.status != 200:
        raise refusal.of_login(reply)
    return token_from(object_of(reply.body))
