"""One login at an API server that a store names: `auth` or a kubeconfig → a Rest of its own; calls in their turn.

Neighbours: connectors of the providers whose backend is an API server; clusterspec.py has the rules, kubeconfig.py
reads a kubeconfig. The operator's own identity is never used.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Generic, Self, TypeVar

import orjson
from cryptography import x509
from cryptography.x509.oid import NameOID

from eso.api.meta import Resource
from eso.errors import EsoError
from eso.kube import rest as kube
from eso.net.http import Forbidden, Pool, TimedOut, TransportError, Unsendable
from eso.providers.contract import (
    AuthExpired,
    Busy,
    CredentialReader,
    Denied,
    InvalidConfig,
    Malformed,
    NotYet,
    SecretNotFound,
    StoreView,
    Throttled,
    Timeout,
    Unavailable,
    prefixed,
    turn,
)
from eso.providers.env import Env
from eso.providers.kit.authority import opened
from eso.providers.kit.clusterspec import METHODS, server_of
from eso.providers.kit.kubeconfig import Reached, kubeconfig
from eso.providers.kit.selectors import Json, has, part

T = TypeVar("T")
PREPARE: Final = "failed to prepare auth: "
CONFIGURE: Final = "error configuring clientset: "
TOKEN_SECONDS: Final = 3600
ACCESS: Final = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)


class OneServer:
    """The `rest.Access` of one login: nothing about it changes until it is closed."""

    def __init__(self, server: str, token: str, pool: Pool) -> None:
        self.server = server
        self._authorization, self._pool = f"Bearer {token}" if token else "", pool

    async def pool(self) -> Pool:
        return self._pool

    async def authorization(self) -> str:
        return self._authorization

    async def refused(self, authorization: str) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Connection:
    """One login. `lifetime`: seconds from the login until it ends, None for one that does not end by itself."""

    rest: kube.Rest
    pool: Pool
    lifetime: float | None


C = TypeVar("C", bound=Connection)


class ClusterClient(Generic[C]):
    """The part of a StoreClient that holds a login at an API server. `connection` None: the store's credential belongs
    to each consumer, and there is none."""

    def __init__(self, store: StoreView, connection: C | None) -> None:
        self.store, self._connection = store, connection

    @property
    def connection(self) -> C:
        if self._connection is None:
            raise InvalidConfig("the store's credentials belong to a namespace: it cannot be read without one")
        return self._connection

    @property
    def lifetime(self) -> float | None:
        return None if self._connection is None else self._connection.lifetime

    async def renew(self) -> bool:
        return False  # another token is another login

    def bind(self, store: StoreView) -> Self:
        return self if store is self.store else type(self)(store, self._connection)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.pool.close()


async def logged_in(env: Env, store: StoreView, credentials: CredentialReader, prepare: str = PREPARE) -> Connection:
    """The API server as the store's identity sees it. `prepare`: the words before what is wrong with the
    credentials."""
    try:
        reached = await reach(store.provider_spec, credentials)
    except EsoError as error:
        # an address that is none is found by the client library, behind the preparation
        raise error if str(error).startswith(CONFIGURE) else prefixed(prepare, error) from error
    trust = {"ca": reached.ca, "certificate": reached.certificate, "key": reached.key}
    try:
        pool = await opened(env, credentials, reached.server, **trust)
    except InvalidConfig as error:
        raise InvalidConfig(f"{CONFIGURE}{worded(error, reached)}", fix=error.fix) from error
    rest = kube.Rest(
        OneServer(reached.server, reached.token, pool), tries=1, turns=None, clock=env.clock, names=users_of(reached)
    )
    return Connection(rest, pool, reached.lifetime)


def users_of(reached: Reached) -> tuple[str, ...]:
    """Who the login is, as far as it says so itself: the server tells it of a refusal."""
    users = [subject_of(reached.token)]
    if reached.certificate is not None:
        with suppress(ValueError):
            subject = x509.load_pem_x509_certificate(reached.certificate).subject
            users += [str(part.value) for part in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return tuple(user for user in users if user)


def subject_of(token: str) -> str:
    """The subject of a token that is a JWT, "" for any other."""
    _, _, rest = token.partition(".")
    claims = rest.partition(".")[0]
    try:
        found = orjson.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    except (ValueError, binascii.Error):
        return ""
    subject = found.get("sub") if isinstance(found, dict) else None
    return subject if isinstance(subject, str) else ""


async def reach(block: Json, credentials: CredentialReader) -> Reached:
    """Raises InvalidConfig or the credential's error, with the reference's texts."""
    if has(block, "authRef"):
        if has(block, "auth"):
            raise InvalidConfig("authRef and inline auth cannot both be set", fix="keep one of them")
        return kubeconfig(await credentials.secret(part(block, "authRef")))
    auth = part(block, "auth")
    if not has(block, "auth"):
        raise InvalidConfig("no auth provider given", fix="set auth or authRef")
    methods = [name for name in METHODS if has(auth, name)]
    if len(methods) > 1:
        raise InvalidConfig("multiple auth methods provided: set exactly one of Token, ServiceAccount, or Cert")
    ca = await credentials.ca_bundle(part(block, "server"))
    match methods:
        case ["token"]:
            token = await named(
                "could not fetch Auth.Token.BearerToken: ", credentials, part(auth, "token", "bearerToken")
            )
            return Reached(server_of(block), ca, text(token))
        case ["serviceAccount"]:
            selector = part(auth, "serviceAccount")
            audiences = tuple(str(one) for one in selector.get("audiences") or ())
            try:
                account_token = await credentials.service_account_token(
                    selector, audiences=audiences, expiration_seconds=TOKEN_SECONDS
                )
            except EsoError as error:
                failed = 'could not fetch Auth.ServiceAccount: cannot create service account token: "'
                worded = prefixed(failed, error)
                worded.message = f'{worded.message}"'
                worded.args = (worded.message,)
                raise worded from error
            return Reached(server_of(block), ca, account_token, lifetime=float(TOKEN_SECONDS))
        case ["cert"]:
            failed = "could not fetch client key and cert: unable to fetch client "
            certificate = await named(f"{failed}certificate: ", credentials, part(auth, "cert", "clientCert"))
            key = await named(f"{failed}key: ", credentials, part(auth, "cert", "clientKey"))
            return Reached(server_of(block), ca, certificate=certificate, key=key)
    raise InvalidConfig("no auth provider given", fix="set one of auth.token, auth.serviceAccount, auth.cert")


async def named(failed: str, credentials: CredentialReader, selector: Json) -> bytes:
    try:
        return await credentials.secret(selector)
    except EsoError as error:
        raise prefixed(failed, error) from error


def text(token: bytes) -> str:
    """The token as a header takes it; a line break at its end comes with many files."""
    return token.decode("utf-8", "replace").strip()


def worded(error: InvalidConfig, reached: Reached) -> str:
    if reached.certificate is not None and b"-----BEGIN" not in reached.certificate:
        return "tls: failed to find any PEM data in certificate input"
    return str(error)


async def granted(provider: str, rest: kube.Rest, verb: str, resource: Resource, namespace: str, failed: str) -> bool:
    """Whether the login may do `verb`. Raises the typed error, and Malformed for a review that says nothing."""
    attributes = {"group": resource.group, "version": resource.version, "resource": resource.plural}
    attributes |= {"verb": verb, "namespace": namespace}
    body = {"apiVersion": ACCESS.api_version, "kind": ACCESS.kind, "spec": {"resourceAttributes": attributes}}
    reply = await call(provider, "CreateSelfSubjectAccessReview", rest.create(ACCESS, "", body), failed)
    try:
        return orjson.loads(reply)["status"]["allowed"] is True
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        raise Malformed(f"{failed}the API server's review is none") from None


async def next_page(pages: Any) -> bytes | None:
    return await anext(pages, None)


async def call(provider: str, name: str, request: Awaitable[T], failed: str = "") -> T:
    """One request, in its turn: `provider` and `name` are the metric's labels. Raises the typed error; its text is the
    API server's as far as no word of it can hold what was sent, `failed` before it."""
    async with turn(provider, name):
        try:
            return await request
        except kube.ApiError as error:
            raise typed(error, failed) from error


def typed(error: kube.ApiError, failed: str) -> EsoError:
    text, fix = f"{failed}{error}", error.fix
    match error:
        case kube.NotFound():
            return SecretNotFound(text)
        case kube.Unauthorized():
            return AuthExpired(text, fix=fix)
        case kube.Forbidden():
            return Denied(text, fix=fix)
        case kube.TooMany():
            return Throttled(text, retry_after=error.retry_after, fix=fix)
        case kube.Conflict() | kube.AlreadyExists():
            return Busy(text, fix=fix)
        case kube.Gone():
            return NotYet(text, fix=fix)
        case kube.Unavailable():
            return Unavailable(text, answered=True, fix=fix)
        case kube.Unreachable() if isinstance(error.__cause__, Forbidden | Unsendable):
            return InvalidConfig(text, fix=fix)
        case kube.Unreachable():
            cause = error.__cause__
            kind = Timeout if isinstance(cause, TimedOut) else Unavailable
            return kind(text, connected=isinstance(cause, TransportError) and cause.connected, fix=fix)
        case kube.Invalid() | kube.UnknownResource():
            return InvalidConfig(text, fix=fix)
    if 300 <= error.status < 400:
        return Unavailable(f"{text}: it redirects where it should answer", answered=True, fix="correct server.url")
    return Malformed(text, fix=fix)
