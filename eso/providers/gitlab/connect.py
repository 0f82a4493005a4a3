"""Logs in to GitLab: its token is read from a Secret, nothing is asked.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

from typing import Final

from eso.net.http import Timeouts
from eso.providers.contract import CredentialReader, Plan, StoreView
from eso.providers.env import Env
from eso.providers.gitlab.client import LABEL, Client
from eso.providers.gitlab.refusal import refuse
from eso.providers.gitlab.spec import TOKEN, base
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import Connection
from eso.providers.kit.http import Api, clean, worded
from eso.providers.kit.selectors import part

AGENT: Final = {"User-Agent": "external-secrets", "Accept": "application/json"}
TIMEOUTS: Final = Timeouts(total=30.0)


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        block = store.provider_spec
        value = await credentials.secret(part(block, *TOKEN))
        token = clean(value.decode("utf-8", "replace"), "access token")
        ca = await worded("failed to read ca bundle: ", credentials.ca_bundle(block))
        pool = await worded("failed to append ca bundle: ", opened(self.env, credentials, base(block), ca=ca))
        headers = AGENT | {"PRIVATE-TOKEN": token}
        return Client(store, Connection(Api(pool, LABEL, base(block), headers, refuse, TIMEOUTS), self.env.offload))
