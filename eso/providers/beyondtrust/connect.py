"""Signs in to Password Safe with an API key or an OAuth client, over connections that may show a certificate.

Neighbours: stores.registry makes the Connector; spec.py has the rules, session.py signs in, client.py makes the calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from eso.net.http import Pool, Timeouts, TlsError, tls_context
from eso.providers.beyondtrust import refusal, spec
from eso.providers.beyondtrust.client import Client
from eso.providers.beyondtrust.session import LABEL, Session, signed_in
from eso.providers.contract import AuthRejected, CredentialReader, InvalidConfig, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit import valueorref
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import nobody_asks
from eso.providers.kit.http import Api
from eso.providers.kit.selectors import part

AGENT: Final = {"User-Agent": "external-secrets", "Accept": "application/json"}
MOST_FILE: Final = 5_000_000  # bytes of a file, and so of a reply
MOST_PEM: Final = 4096  # characters
MARKERS: Final = {"certificate": "CERTIFICATE", "certificateKey": "PRIVATE KEY"}


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        block, url = store.provider_spec, spec.base(store.provider_spec)
        given = {}
        for member in spec.members(block):
            given[member] = await valueorref.read(credentials, part(block, "auth", member))
        refuse_unusable(given)
        pool = await self._pool(url, given, credentials, verify=spec.verifies(block))
        try:
            limit = Timeouts(total=float(spec.seconds(block)))
            asking = Api(pool, LABEL, url, AGENT, refusal.of_login, limit)
            signed, user = await signed_in(asking, given)
            api = Api(pool, LABEL, url, signed.headers, refusal.of_api, limit, MOST_FILE)
        except BaseException:
            await pool.close()
            raise
        return Client(store, Session(api, self.env.offload, None, user, self.env.pools))

    async def _pool(self, url: str, given: Mapping[str, str], credentials: CredentialReader, *, verify: bool) -> Pool:
        certificate = key = None
        if "certificate" in given:
            certificate, key = given["certificate"].encode(), given["certificateKey"].encode()
        if verify:
            return await opened(self.env, credentials, url, certificate=certificate, key=key)
        made = partial(tls_context, verify=False, cert_pem=certificate, key_pem=key)
        try:
            return self.env.pools.pool(tls=await self.env.offload.run_for(credentials.namespace, made))
        except TlsError as error:
            raise InvalidConfig(str(error), fix=error.fix) from error


def refuse_unusable(given: dict[str, str]) -> None:
    """What can be told of credentials without asking the server. Raises AuthRejected, which shows none of them."""
    for member, (least, most) in spec.LENGTHS.items():
        if member in given and not least <= len(given[member]) <= most:
            shown = f"{spec.INPUTS}{member} does not have {least} to {most} characters"
            raise AuthRejected(shown, fix=f"store {member} as it was given")
    for member, kind in MARKERS.items():
        if member not in given:
            continue
        text = given[member] = given[member].strip()
        framed = text.startswith(f"-----BEGIN {kind}-----") and text.endswith(f"-----END {kind}-----")
        if not framed or len(text) > MOST_PEM:
            shown = f"{spec.INPUTS}{member} is no PEM of at most {MOST_PEM} characters"
            raise AuthRejected(shown, fix=f"begin with -----BEGIN {kind}-----")
