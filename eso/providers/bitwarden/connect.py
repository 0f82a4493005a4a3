"""Logs in to a `bitwardensecretsmanager` store: its token is read from a Secret, nothing is asked.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

from typing import Final

from eso.net.http import Timeouts
from eso.providers.bitwarden import spec
from eso.providers.bitwarden.client import LABEL, Client
from eso.providers.bitwarden.refusal import refuse
from eso.providers.contract import CredentialReader, InvalidConfig, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit.authority import ca_of, opened
from eso.providers.kit.connected import Connection, nobody_asks
from eso.providers.kit.http import Api, clean, worded
from eso.providers.kit.selectors import part

AGENT: Final = {"User-Agent": "external-secrets", "Accept": "application/json"}
TIMEOUTS: Final = Timeouts(total=10.0)
NO_CA: Final = "failed to append caBundle"


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        block, base = store.provider_spec, spec.base(store.provider_spec)
        value = await credentials.secret(part(block, *spec.TOKEN))
        token = clean(value.decode("utf-8", "replace"), "access token")
        ca = await ca_of(credentials, block)
        if not ca:
            raise InvalidConfig(NO_CA, fix="set caBundle or caProvider to the authority of the companion server")
        pool = await worded(f"{NO_CA}: ", opened(self.env, credentials, base, ca=ca))
        headers = AGENT | {"Warden-Access-Token": token} | spec.servers(block)
        return Client(store, Connection(Api(pool, LABEL, base, headers, refuse, TIMEOUTS), self.env.offload))
