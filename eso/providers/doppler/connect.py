"""Logs in to Doppler: with a token from a Secret, or with a ServiceAccount's token that Doppler exchanges.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from eso.errors import EsoError
from eso.net.http import Timeouts
from eso.providers.contract import AuthRejected, CredentialReader, InvalidConfig, Malformed, Plan, StoreView, prefixed
from eso.providers.doppler import refusal
from eso.providers.doppler.client import LABEL, Client
from eso.providers.doppler.spec import audience, by_account
from eso.providers.env import Env
from eso.providers.kit.address import parts_of
from eso.providers.kit.authority import opened, unverified
from eso.providers.kit.connected import Connection
from eso.providers.kit.http import Api, clean, object_of, text_in
from eso.providers.kit.selectors import Json, part
from eso.providers.kit.token import usable

BASE: Final = "https://api.doppler.com"
AGENT: Final = {"User-Agent": "doppler-external-secrets", "Accept": "application/json"}
TIMEOUTS: Final = Timeouts(total=10.0)
SECONDS: Final = 600  # of an account's token, where the store does not say
EXCHANGED: Final = 1 << 20  # bytes of a reply
TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        base = base_of(self.env.environ)
        trusting = (
            opened(self.env, credentials, base) if verifies(self.env.environ) else unverified(self.env, credentials)
        )
        pool = await trusting
        try:
            api = Api(pool, LABEL, base, AGENT, refuse=refusal.of_api, timeouts=TIMEOUTS)
            token, lifetime = await self._token(store, api, credentials)
        except BaseException:
            await pool.close()
            raise
        connection = Connection(api.with_headers(basic(token)), self.env.offload, lifetime)
        return Client(store, connection)

    async def _token(self, store: StoreView, api: Api, credentials: CredentialReader) -> tuple[str, float | None]:
        """The token, and how many seconds it can be used; None for one that does not end by itself."""
        block = store.provider_spec
        if not by_account(block):
            selector = part(block, "auth", "secretRef", "dopplerToken")
            value = await credentials.secret(selector, default_key="dopplerToken")
            return clean(value.decode("utf-8", "replace"), "Doppler token"), None
        try:
            return await self._exchanged(store, part(block, "auth", "oidcConfig"), api, credentials)
        except EsoError as error:
            raise prefixed("failed to get OIDC token: ", error) from error

    async def _exchanged(
        self, store: StoreView, config: Json, api: Api, credentials: CredentialReader
    ) -> tuple[str, float]:
        selector = part(config, "serviceAccountRef")
        first = tuple(str(one) for one in selector.get("audiences") or ()) or (api.base,)
        seconds = config.get("expirationSeconds")
        account = await credentials.service_account_token(
            selector,
            audiences=(*first, audience(store, credentials.namespace)),
            expiration_seconds=seconds if isinstance(seconds, int) and seconds > 0 else SECONDS,
        )
        asking = Api(api.pool, LABEL, api.base, AGENT, refuse=refusal.of_login, timeouts=TIMEOUTS, max_body=EXCHANGED)
        body = {"identity": str(config.get("identity") or ""), "token": account}
        reply = await asking.send("ExchangeToken", "POST", "/v3/auth/oidc", json=body)
        if reply.status != 200:
            raise refusal.of_login(reply)
        found = object_of(reply.body)
        if found.get("success") is not True:
            raise AuthRejected("Doppler OIDC auth failed", fix="does the identity trust this cluster and the account?")
        ends = moment(text_in(found, "expires_at"))
        left = (ends - self.env.clock.now()).total_seconds()
        if left <= 0:
            raise Malformed("Doppler's token has ended already", fix="are the clocks right?")
        return clean(text_in(found, "token"), "Doppler token"), usable(left)


def basic(token: str) -> dict[str, str]:
    """The token is the user's name, and there is no password."""
    return {"Authorization": f"Basic {base64.b64encode(f'{token}:'.encode()).decode()}"}


def moment(text: str) -> datetime:
    """Raises Malformed for a time that is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Malformed("the server's reply has no time in expires_at") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def base_of(environ: Mapping[str, str]) -> str:
    """DOPPLER_BASE_URL, https where no scheme is written. Raises InvalidConfig."""
    text = environ.get("DOPPLER_BASE_URL") or BASE
    url = (text if "://" in text else f"https://{text}").removesuffix("/")
    if parts_of(url) is None:
        raise InvalidConfig("DOPPLER_BASE_URL of the operator is no address", fix="write https://host")
    return url


def verifies(environ: Mapping[str, str]) -> bool:
    """DOPPLER_VERIFY_TLS. Raises InvalidConfig for a value that is neither true nor false."""
    text = environ.get("DOPPLER_VERIFY_TLS") or "true"
    if text not in TRUE | FALSE:
        raise InvalidConfig("DOPPLER_VERIFY_TLS of the operator is neither true nor false", fix="write true")
    return text in TRUE
