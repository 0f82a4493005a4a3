"""Logs in to Vault or OpenBao: the store's auth block → a token, with the reference's texts for what goes wrong.

Neighbours: connect.py and openbao.py open the connection and call here, bridge.py carries hvac's requests, spec.py says
which method is meant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import hvac
import hvac.adapters
import hvac.exceptions
import orjson
import requests

from eso.errors import EsoError
from eso.providers.contract import (
    AuthRejected,
    CredentialReader,
    InvalidConfig,
    Malformed,
    NotYet,
    Throttled,
    Unavailable,
    prefixed,
)
from eso.providers.env import Env
from eso.providers.kit.authority import opened
from eso.providers.kit.http import clean
from eso.providers.kit.selectors import Json, has, part
from eso.providers.vault.bridge import LoopSession, drive
from eso.providers.vault.paths import url_path
from eso.providers.vault.spec import method

DEFAULT_AUDIENCE: Final = "vault"
FAILED: Final = "unable to log in to auth method: unable to log in with "
NO_TOKEN: Final = "login response from auth method did not return ClientToken, client token not set"


@dataclass(frozen=True, slots=True)
class Login:
    """What a login brought. `lifetime` in seconds, None = the token does not end by itself; `owned`: ours to renew and
    revoke."""

    token: str = ""
    lifetime: float | None = None
    renewable: bool = False
    owned: bool = False

    def __repr__(self) -> str:
        return f"Login(lifetime={self.lifetime}, renewable={self.renewable}, owned={self.owned})"


def blocking(server: str, session: LoopSession, namespace: str, token: str = "") -> Any:
    """A stock hvac client over `session`. Nothing is taken from the environment."""
    return hvac.Client(
        url=server,
        token=token,
        verify=False,
        session=session,  # type: ignore[arg-type]  # it has all that hvac uses of one
        adapter=hvac.adapters.RawAdapter,
        namespace=namespace or None,
        allow_redirects=False,
    )


@dataclass(frozen=True, slots=True)
class Context:
    """Where a login is made and what it may use. `namespace`: of the login at the server."""

    env: Env
    server: str
    namespace: str
    credentials: CredentialReader
    session: LoopSession
    ca: bytes | None = field(default=None, repr=False)

    def client(self, session: LoopSession | None = None) -> Any:
        return blocking(self.server, session or self.session, self.namespace)


async def log_in(context: Context, auth: Json) -> Login:
    """Follows the first configured method. Raises AuthRejected, Unavailable, Throttled, InvalidConfig, or the
    credential's error."""
    name = method(auth)
    block = part(auth, name)
    match name:
        case "tokenSecretRef":
            return await with_token(context, block)
        case "appRole":
            return await with_app_role(context, block)
        case "kubernetes":
            return await with_kubernetes(context, block)
        case "ldap":
            return await with_ldap(context, block)
        case "userPass":
            return await with_password(context, block, str(block.get("username") or "").strip())
        case "jwt":
            return await with_jwt(context, block)
        case "cert":
            return await with_certificate(context, block)
        case "iam":
            from eso.providers.vault.iam import with_iam  # few stores log in with a cloud's identity

            return await with_iam(context, block)
        case "gcp":
            from eso.providers.vault.gcp import with_gcp  # as above

            return await with_gcp(context, block)
    raise InvalidConfig(
        "cannot initialize Vault client: no valid auth method specified",
        fix="set one method below spec.provider.vault.auth",
    )


async def with_token(context: Context, selector: Json) -> Login:
    """A token of the store's own: neither renewed nor revoked."""
    return Login(clean((await context.credentials.secret(selector)).decode("utf-8", "replace"), "token"))


async def with_kubernetes(context: Context, block: Json) -> Login:
    jwt = await kubernetes_token(block, context.credentials)
    role, mount = str(block.get("role") or ""), mount_of(block, "kubernetes", "mountPath")
    client = context.client()
    return await attempt(
        f"{FAILED}kubernetes auth: ", lambda: client.auth.kubernetes.login(role=role, jwt=jwt, mount_point=mount)
    )


async def with_ldap(context: Context, block: Json) -> Login:
    username, password = await name_and_password(block, context.credentials, "LDAP")
    mount, client = mount_of(block, "ldap"), context.client()
    return await attempt(f"{FAILED}LDAP auth: ", lambda: client.auth.ldap.login(username, password, mount_point=mount))


async def with_jwt(context: Context, block: Json) -> Login:
    jwt = await jwt_of(block, context.credentials)
    role, mount = str(block.get("role") or "").strip(), mount_of(block, "jwt")
    client = context.client()
    return await attempt(
        "",
        lambda: client.auth.jwt.jwt_login(role=role, jwt=jwt, path=mount),
        missing="cannot parse Vault authentication token: ",
    )


async def with_app_role(context: Context, block: Json) -> Login:
    credentials, client = context.credentials, context.client()
    role_id = str(block.get("roleId") or "").strip()
    if not role_id:
        if not has(block, "roleRef"):
            raise InvalidConfig("neither `roleId` nor `roleRef` was supplied", fix="set auth.appRole.roleId")
        role_id = (await credentials.secret(part(block, "roleRef"))).decode("utf-8", "replace")
    secret_id = (await credentials.secret(part(block, "secretRef"))).decode("utf-8", "replace")
    if not role_id or not secret_id:
        missing = "role ID" if not role_id else "secret ID"
        raise InvalidConfig(f"{FAILED}app role auth: no {missing} provided for login", fix=f"the {missing} is empty")
    mount = mount_of(block, "approle")
    return await attempt(
        f"{FAILED}app role auth: ", lambda: client.auth.approle.login(role_id, secret_id, mount_point=mount)
    )


async def with_password(context: Context, block: Json, username: str) -> Login:
    username, password = await name_and_password(block, context.credentials, "userpass", username)
    mount, client = mount_of(block, "userpass"), context.client()
    return await attempt(
        f"{FAILED}userpass auth: ", lambda: client.auth.userpass.login(username, password, mount_point=mount)
    )


async def name_and_password(
    block: Json, credentials: CredentialReader, shown: str, username: str | None = None
) -> tuple[str, str]:
    name = str(block.get("username") or "").strip() if username is None else username
    password = (await credentials.secret(part(block, "secretRef"))).decode("utf-8", "replace")
    if not name or not password:
        missing = "user name" if not name else "password"
        raise InvalidConfig(f"{FAILED}{shown} auth: no {missing} provided for login", fix=f"the {missing} is empty")
    if "/" in name or name in (".", ".."):
        raise InvalidConfig(
            f"{FAILED}{shown} auth: the user name cannot be part of a path", fix="use a user name without '/'"
        )
    return name, password


async def with_certificate(context: Context, block: Json) -> Login:
    """The certificate is shown on a connection of its own: it must not travel on the pool of another login."""
    certificate = await context.credentials.secret(part(block, "clientCert"), default_key="tls.crt")
    key = await context.credentials.secret(part(block, "secretRef"), default_key="tls.key")
    try:
        trust = {"ca": context.ca, "certificate": certificate, "key": key}
        pool = await opened(context.env, context.credentials, context.server, **trust)
    except InvalidConfig as error:
        raise InvalidConfig(f'error from Client TLS Auth: "{error}"', fix=error.fix) from error
    try:
        client = context.client(LoopSession(pool, context.session.headers, label=context.session.label))
        role = str(block.get("vaultRole") or "")
        url = url_path(f"auth/{mount_of(block, 'cert')}/login")
        return await attempt(
            "error from Vault request: ",
            lambda: client.adapter.login(url, json={"name": role} if role else None),
            missing="cannot parse Vault authentication token: ",
        )
    finally:
        await pool.close()


async def kubernetes_token(block: Json, credentials: CredentialReader) -> str:
    if has(block, "serviceAccountRef"):
        selector = part(block, "serviceAccountRef")
        audiences = tuple(selector.get("audiences") or ())
        try:
            return await credentials.service_account_token(selector, audiences=audiences, expiration_seconds=600)
        except EsoError as refused:
            try:
                return await credentials.legacy_service_account_token(selector)
            except EsoError as error:
                name = selector.get("name")
                text = f'cannot request Kubernetes service account token for service account "{name}": {error}'
                raise type(error)(text, fix=f"TokenRequest said: {refused}") from error
    if has(block, "secretRef"):
        return (await credentials.secret(part(block, "secretRef"), default_key="token")).decode("utf-8", "replace")
    return await credentials.own_token()


async def jwt_of(block: Json, credentials: CredentialReader) -> str:
    if has(block, "secretRef"):
        return (await credentials.secret(part(block, "secretRef"))).decode("utf-8", "replace")
    source = part(block, "kubernetesServiceAccountToken")
    if not source:
        raise InvalidConfig(
            "neither `secretRef` nor `kubernetesServiceAccountToken` was supplied"
            " as token source for jwt authentication",
            fix="set one of the two below auth.jwt",
        )
    selector = part(source, "serviceAccountRef")
    extra = source.get("audiences")
    audiences = (*(selector.get("audiences") or ()), *(extra if extra is not None else (DEFAULT_AUDIENCE,)))
    return await credentials.service_account_token(
        selector, audiences=audiences, expiration_seconds=int(source.get("expirationSeconds") or 600)
    )


def mount_of(block: Json, default: str, member: str = "path") -> str:
    """The auth mount, without slashes at its ends. Raises InvalidConfig for one that would leave `auth/`."""
    mount = str(block.get(member) or default).strip("/")
    if ".." in mount.split("/"):
        raise InvalidConfig(f"cannot use auth mount {mount}: '..' is not allowed in a path")
    return mount


async def attempt(prefix: str, call: Callable[[], requests.Response], missing: str = "") -> Login:
    """One login request. Every refusal but a full or dead server is AuthRejected."""
    try:
        reply = await drive(call)
    except (Unavailable, Throttled, NotYet) as error:
        raise prefixed(prefix, error) from error
    except hvac.exceptions.VaultError:
        # Only a 404 gets here: the mount does not exist. hvac's error holds the body, so it is not chained.
        raise AuthRejected(
            f"{prefix}the auth method is not enabled at this path", fix="check the mount path of the auth method"
        ) from None
    except (KeyError, TypeError, ValueError):
        raise AuthRejected(f"{missing or prefix}{NO_TOKEN}") from None
    except EsoError as error:
        raise AuthRejected(f"{prefix}{error}", fix=error.fix) from error
    auth = orjson.loads(reply.content)["auth"]  # hvac has read the token of it
    token = auth["client_token"]
    if not isinstance(token, str) or not token:  # a method that wants a second factor sends an empty one
        raise AuthRejected(f"{missing or prefix}{NO_TOKEN}")
    return login_of(auth, token)


def login_of(auth: Json, token: str) -> Login:
    seconds = auth.get("lease_duration") or 0
    if not isinstance(seconds, int | float):
        raise Malformed("the login's lease_duration is no number")
    return Login(
        token=clean(token, "token of the login"),
        lifetime=float(seconds) if seconds > 0 else None,
        renewable=bool(auth.get("renewable")),
        owned=auth.get("token_type") != "batch",
    )
