"""GCRAccessToken: an access token of Google Cloud, as a login for its registries.

Neighbours: registry.py names it; `eso.providers.gcpsm` logs in.
"""

from __future__ import annotations

from typing import ClassVar, Final

from eso.generators.contract import Generated, Json, Stateless, spec_of, view_of
from eso.providers.contract import CredentialReader
from eso.providers.env import Env
from eso.providers.gcpsm.connect import Connector
from eso.providers.gcpsm.login import Login

GOOGLE: Final = "https://secretmanager.googleapis.com"


class GCRAccessToken(Stateless):
    kind: ClassVar[str] = "GCRAccessToken"

    async def generate(self, resource: Json, credentials: CredentialReader, env: Env) -> Generated:
        """The end of every token is told, also where the reference does not know it (workload identity)."""
        pool = await env.offload.run_for(credentials.namespace, env.pools.open, GOOGLE)
        direct = Connector(env).direct()
        try:
            view = view_of(resource, credentials.namespace, "gcpsm", spec_of(resource))
            token = await Login(env, pool, direct, credentials).token(view)
        finally:
            await pool.close()
            await direct.close()
        ends = int(env.clock.now().timestamp() + token.seconds)
        values = {"username": b"oauth2accesstoken", "password": token.value.encode(), "expiry": str(ends).encode()}
        return Generated(values)


GENERATOR: Final = GCRAccessToken()
