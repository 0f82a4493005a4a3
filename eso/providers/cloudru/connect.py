"""Logs in to Cloud.ru with an access key of a service account.

Neighbours: stores.registry makes the Connector; spec.py has the rules, codec.py the messages, client.py makes the
calls.
"""

from __future__ import annotations

from typing import Final

from eso.net.http import Timeouts
from eso.providers.cloudru import codec, refusal, spec
from eso.providers.cloudru.client import LABEL, Client
from eso.providers.contract import CredentialReader, InvalidConfig, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit.address import target_of
from eso.providers.kit.connected import nobody_asks
from eso.providers.kit.grpc import Grpc, GrpcConnection, opened
from eso.providers.kit.http import Api
from eso.providers.kit.selectors import part
from eso.providers.kit.token import MOST_TOKEN, Token

AGENT: Final = {"User-Agent": "external-secrets", "Accept": "application/json"}
TIMEOUTS: Final = Timeouts(total=30.0)
MOST_LISTED: Final = 1 << 20  # bytes of the list of all services
TOKEN: Final = "/sbercloud.cp.iam.api.v1.auth.AuthService/GetToken"
VARIABLES: Final = ("CLOUDRU_IAM_ADDRESS", "CLOUDRU_CSM_ADDRESS")  # of the operator's own surroundings


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        if nobody_asks(plan, credentials):
            return Client(store, None)
        keys = [await self._key(store, credentials, member) for member in spec.KEYS]
        if not all(keys):
            raise InvalidConfig("keyID and secret must be provided", fix="one of them is empty")
        iam, manager = self._named() or await self._discovered(credentials)
        token = await self._token(iam, keys, credentials)
        api = Grpc(await opened(self.env, credentials, manager), LABEL, refuse=refusal.of_secret)
        return Client(store, GrpcConnection(api.with_token(token.value), self.env.offload, token.lifetime))

    async def _key(self, store: StoreView, credentials: CredentialReader, member: str) -> str:
        raw = await credentials.secret(part(store.provider_spec, "auth", "secretRef", member))
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise InvalidConfig(f"the value of {member} is no text", fix="store the access key again") from None

    def _named(self) -> tuple[str, ...] | None:
        """The addresses that the operator's surroundings name, where they name both."""
        written = [self.env.environ.get(name) or "" for name in VARIABLES]
        if not all(written):
            return None
        found = tuple(address for address in map(target_of, written) if address is not None)
        if len(found) != len(written):
            raise InvalidConfig(f"{' or '.join(VARIABLES)} is no host and port", fix="correct the environment")
        return found

    async def _discovered(self, credentials: CredentialReader) -> tuple[str, ...]:
        pool = await self.env.offload.run_for(credentials.namespace, self.env.pools.open, spec.DISCOVERY)
        api = Api(pool, LABEL, spec.DISCOVERY, AGENT, refusal.of_discovery, TIMEOUTS, MOST_LISTED)
        try:
            reply = await api.send("GetEndpoints", "GET", "/endpoints")
        finally:
            await api.close()
        return codec.addresses_of(reply.body, "iam", "secret-manager")

    async def _token(self, address: str, keys: list[str], credentials: CredentialReader) -> Token:
        channel = await opened(self.env, credentials, address)
        try:
            asking = Grpc(channel, LABEL, refuse=refusal.of_login, most=MOST_TOKEN)
            return codec.token_of(await asking.unary("GetToken", TOKEN, codec.login(*keys)))
        finally:
            await channel.close()
