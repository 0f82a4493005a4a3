"""Logs in to a `passbolt` store with a user's private key and its passphrase.

Neighbours: stores.registry makes the Connector; spec.py has the rules, session.py logs in, client.py reads.
"""

from __future__ import annotations

from typing import Final

from eso.errors import EsoError
from eso.net.http import Timeouts
from eso.providers.contract import CredentialReader, InvalidConfig, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import nobody_asks
from eso.providers.kit.http import Api
from eso.providers.kit.selectors import part
from eso.providers.passbolt import refusal, spec
from eso.providers.passbolt.apart import Apart
from eso.providers.passbolt.client import LABEL, MOST, Client
from eso.providers.passbolt.pgp import Key
from eso.providers.passbolt.session import Session

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
        auth = part(store.provider_spec, "auth")
        armored = await credentials.secret(part(auth, "privateKeySecretRef"))
        try:
            passphrase = (await credentials.secret(part(auth, "passwordSecretRef"))).decode()
        except UnicodeDecodeError:
            raise InvalidConfig("the passphrase is no UTF-8 text", fix="store it again, as it is") from None
        url = spec.base(store.provider_spec)
        ca = await credentials.ca_bundle(store.provider_spec)
        pool = await opened(self.env, credentials, url, ca=ca)
        api = Api(pool, LABEL, url, AGENT, refusal.of_api, TIMEOUTS, MOST)
        # a login that every consumer of a cluster's store shares computes for none of them
        namespace = credentials.namespace if spec.referent(store) else store.namespace
        session = Session(api, self.env.offload, Apart(self.env, namespace), Key(armored, passphrase))
        try:
            await session.log_in()
        except EsoError:
            await session.close()  # a login may fail when the server has made its session already
            raise
        except BaseException:
            await pool.close()
            raise
        return Client(store, session)
