"""Logs in to an `akeyless` store.

Neighbours: stores.registry makes the Connector; spec.py has the rules, login.py gets the token, client.py uses it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from eso.errors import EsoError
from eso.net.http import Pool, Timeouts
from eso.providers.akeyless import spec
from eso.providers.akeyless.client import Client, LoggedIn
from eso.providers.akeyless.login import LABEL, Login
from eso.providers.akeyless.refusal import of_api
from eso.providers.contract import CredentialReader, InvalidConfig, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import nobody_asks
from eso.providers.kit.http import Api
from eso.providers.kit.selectors import Json
from eso.providers.kit.token import MOST_TOKEN

SECONDS: Final = 3540.0  # of a token, which lasts an hour unless its auth method says otherwise, less a minute
PROBING: Final = Timeouts(total=10.0)
TIMEOUTS: Final = Timeouts(total=30.0)
EVERYTHING: Final = range(300, 600)  # statuses: whatever answers tells something


class Connector:
    """`direct` opens connections to the machine's own metadata services: no proxy may stand between."""

    def __init__(self, env: Env, direct: Callable[[], Pool] = Pool) -> None:
        self.env, self.direct = env, direct

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        block = store.provider_spec
        if nobody_asks(plan, credentials):
            return Client(store, None, self.env.pools)
        pool = await self._pool(plan.endpoint, store, credentials)
        direct = self.direct()
        try:
            base = await found_at(pool, block)
            api = Api(pool, LABEL, base, refuse=of_api, timeouts=TIMEOUTS)
            token = await Login(self.env, api, direct, store, credentials).token()
        except BaseException:
            await pool.close()
            raise
        finally:
            await direct.close()
        held = LoggedIn(api, self.env.offload, SECONDS, token)
        return Client(store, held, self.env.pools)

    async def _pool(self, url: str, store: StoreView, credentials: CredentialReader) -> Pool:
        ca = await credentials.ca_bundle(store.provider_spec)
        try:
            return await opened(self.env, credentials, url, ca=ca)
        except InvalidConfig as error:
            raise InvalidConfig("failed to append caBundle", fix=error.fix) from error


async def found_at(pool: Pool, block: Json) -> str:
    """Where the API is: a gateway serves it at the address itself or below /v2, and tells the first by not knowing an
    empty command. A gateway that does not answer is told by the login."""
    url = spec.address(block)
    if not block.get("akeylessGWApiURL") or url.endswith("/v2"):
        return url
    probe = Api(pool, LABEL, url, timeouts=PROBING, max_body=MOST_TOKEN)
    try:
        if b"unknown command" in (await probe.send("FindAPI", "POST", "", ok=EVERYTHING)).body:
            return url
    except EsoError:
        pass
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/v2"
