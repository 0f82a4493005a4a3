"""Logs in to Scaleway: the secret key goes along with every call, nothing is asked.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

import re
from typing import Final

from eso.net.http import Timeouts
from eso.providers.contract import AuthRejected, CredentialReader, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit import valueorref
from eso.providers.kit.connected import Connection
from eso.providers.kit.http import Api
from eso.providers.kit.selectors import part
from eso.providers.scaleway import spec
from eso.providers.scaleway.client import LABEL, Client
from eso.providers.scaleway.refusal import refuse

AGENT: Final = {"User-Agent": "external-secrets", "Accept": "application/json"}
TIMEOUTS: Final = Timeouts(total=30.0)
ACCESS_KEY: Final = re.compile(rf"SCW[A-Z0-9]{{17}}(?:@{spec.UUID.pattern})?", re.ASCII)


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if spec.referent(store) and not credentials.namespace:
            return Client(store, None)
        block = store.provider_spec
        access = await valueorref.read(credentials, part(block, "accessKey"))
        secret = await valueorref.read(credentials, part(block, "secretKey"))
        if not ACCESS_KEY.fullmatch(access):
            raise AuthRejected("the access key is none: SCW and 17 letters or digits", fix="correct accessKey")
        if not spec.UUID.fullmatch(secret):
            raise AuthRejected("the secret key is none: a UUID", fix="correct secretKey")
        url = spec.base(block)
        pool = await self.env.offload.run_for(credentials.namespace, self.env.pools.open, url)
        api = Api(pool, LABEL, url, AGENT | {"X-Auth-Token": secret}, refuse, TIMEOUTS)
        return Client(store, Connection(api, self.env.offload))
