"""Logs in to Nebius: with a token that is there, or with one that a key of a service account is exchanged for.

Neighbours: stores.registry makes the Connector; spec.py has the rules, codec.py the messages, client.py makes the
calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from eso.gocompat.text import trim_space
from eso.providers.contract import AuthRejected, CredentialReader, InvalidConfig, Plan, StoreView
from eso.providers.env import Env
from eso.providers.kit import jwt
from eso.providers.kit.connected import nobody_asks
from eso.providers.kit.grpc import Grpc, GrpcConnection, opened
from eso.providers.kit.http import clean
from eso.providers.kit.selectors import part
from eso.providers.kit.token import MOST_TOKEN, Token
from eso.providers.nebius import codec, refusal, spec
from eso.providers.nebius.client import LABEL, Client

EXCHANGE: Final = "/nebius.iam.v1.TokenExchangeService/Exchange"


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> Client:
        block, place = store.provider_spec, spec.login(store.provider_spec)
        if nobody_asks(plan, credentials):
            return Client(store, None)
        ca = await credentials.secret(part(block, *spec.CA)) if part(block, *spec.CA) else None
        secret = await credentials.secret(part(block, *place))
        if place is spec.TOKEN:
            token, lifetime = trim_space(secret).decode("latin-1"), None
            if not token:
                raise InvalidConfig("the token is empty", fix="store an IAM token")
            clean(token, "token")
        else:
            made = await self._exchanged(codec.subject_of(secret), spec.host("tokens.iam", block), credentials, ca)
            token, lifetime = made.value, made.seconds * codec.USED
        api = Grpc(await opened(self.env, credentials, plan.endpoint, ca), LABEL, refuse=refusal.of_payload)
        return Client(store, GrpcConnection(api.with_token(token), self.env.offload, lifetime))

    async def _exchanged(
        self, subject: codec.Subject, address: str, credentials: CredentialReader, ca: bytes | None
    ) -> Token:
        """Raises AuthRejected for a key that is none, or that the server refuses."""
        claims = subject.claims(int(self.env.clock.now().timestamp()))
        try:
            signed = await self.env.offload.run_for(credentials.namespace, partial(assertion, subject, claims))
        except InvalidConfig as error:
            raise AuthRejected(
                f"invalid subject credentials: the private key is none: {error}", fix=error.fix
            ) from None
        channel = await opened(self.env, credentials, address, ca)
        try:
            asking = Grpc(channel, LABEL, refuse=refusal.of_login, most=MOST_TOKEN)
            return codec.token_of(await asking.unary("Auth", EXCHANGE, codec.exchange(signed)))
        finally:
            await channel.close()


def assertion(subject: codec.Subject, claims: Mapping[str, Any]) -> str:
    return jwt.signed(jwt.rsa_key(subject.pem), claims, subject.kid)
