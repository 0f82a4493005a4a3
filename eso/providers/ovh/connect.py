"""Logs in to OKMS: a token goes along with every call, or every connection shows a client certificate.

Neighbours: stores.registry makes the Connector; spec.py has the rules, client.py makes the calls.
"""

from __future__ import annotations

from typing import Final

from eso.net.http import Timeouts
from eso.providers.contract import AuthRejected, CredentialReader, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import Connection, nobody_asks
from eso.providers.kit.http import Api, bearer
from eso.providers.kit.selectors import Json, part
from eso.providers.ovh import spec
from eso.providers.ovh.client import LABEL, Client
from eso.providers.ovh.refusal import refuse

AGENT: Final = {"User-Agent": "external-secrets", "Accept": "application/json"}
FAILED: Final = "failed to create new ovh provider client: "


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        block, url = store.provider_spec, spec.base(store.provider_spec)
        headers = dict(AGENT)
        if spec.method(block) == "token":
            token = await filled(credentials, part(block, "auth", "token", "tokenSecretRef"), "token")
            headers |= bearer(token.decode("utf-8", "replace"))
            pool = await opened(self.env, credentials, url)
        else:
            given: Json = part(block, "auth", "mtls")
            pool = await opened(
                self.env,
                credentials,
                url,
                ca=await credentials.ca_bundle(given),
                certificate=await filled(credentials, part(given, "certSecretRef"), "certificate"),
                key=await filled(credentials, part(given, "keySecretRef"), "key of the certificate"),
            )
        api = Api(pool, LABEL, url, headers, refuse, Timeouts(total=float(spec.seconds(block))))
        return Client(store, Connection(api, self.env.offload))


async def filled(credentials: CredentialReader, selector: Json, what: str) -> bytes:
    """Raises AuthRejected for an empty credential, besides the credential reader's error."""
    found = await credentials.secret(selector)
    if not found.strip():
        raise AuthRejected(f"{FAILED}the {what} is empty", fix="fill the Secret")
    return found
