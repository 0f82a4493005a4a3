"""Logs in to a `volcengine` store: static keys, or the role that the operator's pod may take.

Neighbours: stores.registry makes the Connector; spec.py has the rules, signing.py signs, client.py makes the calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from eso.net.http import Timeouts
from eso.providers.contract import AuthRejected, CredentialReader, InvalidConfig, Malformed, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit.connected import Connection, nobody_asks
from eso.providers.kit.files import read_if_there
from eso.providers.kit.http import Api, clean, object_of, text_in
from eso.providers.kit.selectors import has, part
from eso.providers.kit.token import MOST_TOKEN, usable
from eso.providers.volcengine import refusal, spec
from eso.providers.volcengine.client import LABEL, Client
from eso.providers.volcengine.signing import Keys, signing

AGENT: Final = {"User-Agent": "external-secrets", "Accept": "application/json"}
TIMEOUTS: Final = Timeouts(total=30.0)
SERVICE: Final = "kms"
STS: Final = "sts.volcengineapi.com"
STS_TIMEOUTS: Final = Timeouts(total=10.0)
ASSUME: Final = "/?Action=AssumeRoleWithOIDC&Version=2018-01-01"
SECONDS: Final = "3660"
PREFIX: Final = "VOLCENGINE_OIDC_"
NAMES: Final = ("AccessKeyId", "SecretAccessKey", "SessionToken")


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        block = store.provider_spec
        static = has(block, "auth", "secretRef")
        keys = await (self._static(store, credentials) if static else self._of_pod(credentials))
        lifetime = None
        if keys.expires is not None:
            seconds = (keys.expires - self.env.clock.now()).total_seconds()
            if not 0 < seconds < 1 << 40:
                raise AuthRejected("the role's keys have ended before they could be used", fix="compare the clocks")
            lifetime = usable(seconds)
        pool = await self.env.offload.run_for(credentials.namespace, self.env.pools.open, plan.endpoint)
        sign = signing(self.env, keys, spec.region(block), SERVICE)
        api = Api(pool, LABEL, plan.endpoint, AGENT, refusal.of_api, TIMEOUTS, sign=sign)
        return Client(store, Connection(api, self.env.offload, lifetime))

    async def _static(self, store: StoreView, credentials: CredentialReader) -> Keys:
        block = part(store.provider_spec, "auth", "secretRef")

        async def read(member: str) -> str:
            if not has(block, member):
                return ""
            return clean((await credentials.secret(part(block, member))).decode("utf-8", "replace"), member)

        keys = Keys(await read("accessKeyID"), await read("secretAccessKey"), await read("token"))
        if not keys.access_key or not keys.secret_key:
            raise InvalidConfig("accessKeyID or secretAccessKey is empty", fix="correct the Secret")
        return keys

    async def _of_pod(self, credentials: CredentialReader) -> Keys:
        """The operator's own identity. Its environment names the servers, a store does not."""
        environ = credentials.ambient()
        path, role = environ.get(f"{PREFIX}TOKEN_FILE"), environ.get(f"{PREFIX}ROLE_TRN")
        if not path or not role:
            raise InvalidConfig(
                f"{PREFIX}TOKEN_FILE and {PREFIX}ROLE_TRN must be set for the operator", fix="or set auth.secretRef"
            )
        token = await self.env.offload.run_for(credentials.namespace, read_if_there, path)
        if token is None:
            raise InvalidConfig(f"the file that {PREFIX}TOKEN_FILE names cannot be read", fix="mount it")
        named = environ.get(f"{PREFIX}ROLE_SESSION_NAME")
        form = {
            "RoleTrn": role,
            "OIDCToken": token.decode("utf-8", "replace").strip(),
            "RoleSessionName": named or f"credentials-go-{int(self.env.clock.now().timestamp() * 1e6)}",
            "DurationSeconds": SECONDS,
        }
        if policy := environ.get(f"{PREFIX}ROLE_POLICY"):
            form["Policy"] = policy
        base = f"https://{environ.get(f'{PREFIX}STS_ENDPOINT') or STS}"
        pool = await self.env.offload.run_for(credentials.namespace, self.env.pools.open, base)
        try:
            api = Api(pool, LABEL, base, AGENT, refusal.of_login, STS_TIMEOUTS, MOST_TOKEN)
            return keys_in((await api.send("AssumeRoleWithOIDC", "POST", ASSUME, form=form)).body)
        finally:
            await pool.close()


def keys_in(body: bytes) -> Keys:
    """Raises Malformed; no text holds a part of the reply."""
    found: Mapping[str, Any] = part(object_of(body), "Result", "Credentials")
    try:
        access, secret, token = (clean(text_in(found, name), name) for name in NAMES)
        expires = datetime.fromisoformat(text_in(found, "Expiration"))
    except (InvalidConfig, ValueError):
        raise Malformed("the server's reply has no usable keys") from None
    if not (access and secret and token) or expires.tzinfo is None:
        raise Malformed("the server's reply has no usable keys")
    return Keys(access, secret, token, expires)
