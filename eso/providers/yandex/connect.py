"""Logs in to Yandex Cloud: with an authorized key of a service account, or as the machine that the operator runs on.

Neighbours: lockbox.py and certificates.py derive their Connectors; spec.py has the rules, codec.py the messages. The
server at `apiEndpoint` says where the others are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar, Final, Generic, TypeVar

from eso.errors import EsoError
from eso.net.http import Pool, Timeouts
from eso.providers.contract import AuthRejected, CredentialReader, InvalidConfig, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit import http, jwt
from eso.providers.kit.connected import Connected, nobody_asks
from eso.providers.kit.grpc import Grpc, GrpcConnection, Status, opened
from eso.providers.kit.http import Api, Reply, object_of
from eso.providers.kit.protobuf import text
from eso.providers.kit.refusals import rejected
from eso.providers.kit.selectors import part
from eso.providers.kit.token import MOST_TOKEN, Token, token_from
from eso.providers.yandex import codec, refusal, spec

ENDPOINT: Final = "/yandex.cloud.endpoint.ApiEndpointService/Get"
TOKEN: Final = "/yandex.cloud.iam.v1.IamTokenService/Create"
METADATA: Final = "169.254.169.254"
TOKEN_PATH: Final = "/computeMetadata/v1/instance/service-accounts/default/token"
METADATA_TIMEOUTS: Final = Timeouts(total=5.0, connect=2.5)
C = TypeVar("C", bound=Connected[GrpcConnection])


class Connector(Generic[C]):
    """`direct` opens connections to the machine's own metadata service: no proxy may stand between."""

    label: ClassVar[str]  # of the metrics
    service: ClassVar[str]  # its id among the vendor's endpoints
    refuse: Callable[[Status], EsoError]
    client: Callable[[StoreView, GrpcConnection | None], C]

    def __init__(self, env: Env, direct: Callable[[], Pool] = Pool) -> None:
        self.env, self.direct = env, direct

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> C:
        if nobody_asks(plan, credentials):
            return self.client(store, None)
        block, ca = store.provider_spec, None
        if part(block, *spec.CA).get("name"):
            ca = await credentials.secret(part(block, *spec.CA))
        login = Login(self.env, credentials, self.label, ca)
        if spec.keyed(block):
            key = codec.key_of(await credentials.secret(part(block, *spec.KEY)))
            token = await login.exchanged(key, await login.address(plan.endpoint, "iam"))
            address = await login.address(plan.endpoint, self.service)
        else:
            environ = credentials.ambient()
            address = await login.address(plan.endpoint, self.service)
            if not (spec.is_own(plan.endpoint) and spec.is_own(address)):
                words = "the machine's own service account may be used at addresses of Yandex Cloud only"
                raise InvalidConfig(words, fix="name an authorized key in auth.authorizedKeySecretRef")
            token = await self._of_machine(environ)
        api = Grpc(await opened(self.env, credentials, address, ca), self.label, refuse=self.refuse)
        return self.client(store, GrpcConnection(api.with_token(token.value), self.env.offload, token.lifetime))

    async def _of_machine(self, environ: Mapping[str, str]) -> Token:
        base = f"http://{environ.get('YC_METADATA_ADDR') or METADATA}"
        api = Api(self.direct(), self.label, base, {"Metadata-Flavor": "Google"}, refuse, METADATA_TIMEOUTS, MOST_TOKEN)
        try:
            return token_from(object_of((await api.send("GetAmbientToken", "GET", TOKEN_PATH)).body))
        finally:
            await api.close()


class Login:
    """The questions of one login, each over a connection of its own: every answer may name another server."""

    def __init__(self, env: Env, credentials: CredentialReader, label: str, ca: bytes | None) -> None:
        self.env, self.credentials, self.label, self.ca = env, credentials, label, ca

    async def address(self, endpoint: str, service: str) -> str:
        reply = await self._asked(endpoint, "GetEndpoint", ENDPOINT, text(1, service), refusal.of_discovery)
        return codec.address_of(reply)

    async def exchanged(self, key: codec.Key, address: str) -> Token:
        """A token for what `key` signs. Raises AuthRejected for a key that is none."""
        claims = key.claims(int(self.env.clock.now().timestamp()))
        try:
            signed = await self.env.offload.run_for(self.credentials.namespace, partial(assertion, key, claims))
        except InvalidConfig as error:
            raise AuthRejected(
                f"unable to parse the private key of the authorized key: {error}", fix=error.fix
            ) from None
        reply = await self._asked(address, "CreateToken", TOKEN, text(2, signed), refusal.of_login)
        return codec.token_of(reply, self.env.clock.now().timestamp())

    async def _asked(
        self, address: str, call: str, method: str, message: bytes, refuse: Callable[[Status], EsoError]
    ) -> bytes:
        channel = await opened(self.env, self.credentials, address, self.ca)
        try:
            return await Grpc(channel, self.label, refuse=refuse, most=MOST_TOKEN).unary(call, method, message)
        finally:
            await channel.close()


def assertion(key: codec.Key, claims: Mapping[str, object]) -> str:
    return jwt.signed(jwt.rsa_key(key.pem), claims, key.id, "PS256")


def refuse(reply: Reply) -> EsoError:
    error = http.refusal(f"the metadata server answered {reply.status}", reply)
    return rejected(error, "does the machine have a service account?")
