"""Logs in to an `ibm` store: an API key, or the token of the operator's own pod for a trusted profile, becomes an
access token.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

from typing import Final

from eso.net.http import Pool, Timeouts
from eso.providers.contract import CredentialReader, InvalidConfig, Plan, StoreView
from eso.providers.env import Env
from eso.providers.ibm import refusal, spec
from eso.providers.ibm.client import LABEL, Client
from eso.providers.kit.connected import Connection, nobody_asks
from eso.providers.kit.files import token_file
from eso.providers.kit.http import Api, bearer, object_of, worded
from eso.providers.kit.selectors import has, part
from eso.providers.kit.token import MOST_TOKEN, Token, token_from

AGENT: Final = {"User-Agent": "external-secrets", "Accept": "application/json"}
TIMEOUTS: Final = Timeouts(total=120.0)
GRANT: Final = "urn:ibm:params:oauth:grant-type:"


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        block = store.provider_spec
        form = await self._shown(store, credentials)
        # Both servers speak https; a pool without TLS would do for neither.
        secured = plan.endpoint if plan.endpoint.startswith("https") else spec.iam(block)
        pool = await self.env.offload.run_for(credentials.namespace, self.env.pools.open, secured)
        try:
            token = await granted(pool, spec.iam(block), form)
            api = Api(pool, LABEL, plan.endpoint, AGENT | bearer(token.value), refusal.of_api, TIMEOUTS)
        except BaseException:
            await pool.close()
            raise
        return Client(store, Connection(api, self.env.offload, token.lifetime))

    async def _shown(self, store: StoreView, credentials: CredentialReader) -> dict[str, str]:
        """What the login shows to the token server. Raises InvalidConfig, or the credential reader's error."""
        auth = part(store.provider_spec, "auth")
        if not has(auth, "containerAuth"):
            selector = part(auth, "secretRef", "secretApiKeySecretRef")
            key = (await credentials.secret(selector)).decode("utf-8", "replace")
            return {"grant_type": f"{GRANT}apikey", "response_type": "cloud_iam", "apikey": key}
        if not (store.cluster_scoped or spec.at_ibm(store.provider_spec)):
            raise InvalidConfig(
                "a SecretStore cannot show the operator's own identity to a server that it names",
                fix="use IBM's own hosts, an API key, or a ClusterSecretStore",
            )
        credentials.ambient()
        container = part(auth, "containerAuth")
        path = str(container.get("tokenLocation") or spec.TOKEN_FILE)
        reading = self.env.offload.run_for(credentials.namespace, token_file, path, "the file")
        text = await worded(f"cannot read container auth token {path}. ", reading)
        token = text.decode("utf-8", "replace").strip()
        return {"grant_type": f"{GRANT}cr-token", "cr_token": token, "profile_name": str(container.get("profile"))}


async def granted(pool: Pool, server: str, form: dict[str, str]) -> Token:
    """The access token. Raises AuthRejected, Unavailable, Throttled, Malformed."""
    api = Api(pool, LABEL, server, AGENT, refusal.of_login, TIMEOUTS, MOST_TOKEN)
    return token_from(object_of((await api.send("GetToken", "POST", "/identity/token", form=form)).body))
