"""Logs in to Vault or OpenBao: the store's auth block → a token, with the reference's texts for what goes wrong.

Neighbours: provider.py opens the connection and calls here, bridge.py carries hvac's requests, spec.py says which
method is meant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import hvac
import hvac.adapters
import hvac.exceptions
import orjson
import requests

from eso.errors import EsoError
from eso.net.http import Pool, TlsError, tls_context
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
from eso.providers.vault.bridge import LoopSession, drive
from eso.providers.vault.paths import url_path
from eso.providers.vault.spec import Json, has, method, part

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


async def log_in(
    server: str, namespace: str, auth: Json, credentials: CredentialReader, session: LoopSession, ca: bytes | None
) -> Login:
    """Follows the first configured method. Raises AuthRejected, Unavailable, Throttled, InvalidConfig, or the
    credential's error."""
    client = blocking(server, session, namespace)
    match method(auth):
        case "tokenSecretRef":
            return Login((await credentials.secret(part(auth, "tokenSecretRef"))).decode("utf-8", "replace"))
        case "appRole":
            return await with_app_role(client, part(auth, "appRole"), credentials)
        case "kubernetes":
            block = part(auth, "kubernetes")
            jwt = await kubernetes_token(block, credentials)
            role, mount = str(block.get("role") or ""), mount_of(block, "kubernetes", "mountPath")
            return await attempt(
                f"{FAILED}kubernetes auth: ",
                lambda: client.auth.kubernetes.login(role=role, jwt=jwt, mount_point=mount),
            )
        case "ldap":
            block = part(auth, "ldap")
            username, password = await name_and_password(block, credentials, "LDAP")
            mount = mount_of(block, "ldap")
            return await attempt(
                f"{FAILED}LDAP auth: ", lambda: client.auth.ldap.login(username, password, mount_point=mount)
            )
        case "userPass":
            block = part(auth, "userPass")
            return await with_password(client, block, credentials, str(block.get("username") or "").strip())
        case "jwt":
            block = part(auth, "jwt")
            jwt = await jwt_of(block, credentials)
            role, mount = str(block.get("role") or "").strip(), mount_of(block, "jwt")
            return await attempt(
                "",
                lambda: client.auth.jwt.jwt_login(role=role, jwt=jwt, path=mount),
                missing="cannot parse Vault authentication token: ",
            )
        case "cert":
            return await with_certificate(server, namespace, part(auth, "cert"), credentials, session, ca)
        case "iam" | "gcp" as name:
            raise InvalidConfig(
                f"vault auth method {name} is not supported by this version", fix="use another auth method of the store"
            )
    raise InvalidConfig(
        "cannot initialize Vault client: no valid auth method specified",
        fix="set one method below spec.provider.vault.auth",
    )


async def with_app_role(client: Any, block: Json, credentials: CredentialReader) -> Login:
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


async def with_password(client: Any, block: Json, credentials: CredentialReader, username: str) -> Login:
    username, password = await name_and_password(block, credentials, "userpass", username)
    mount = mount_of(block, "userpass")
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


async def with_certificate(
    server: str, namespace: str, block: Json, credentials: CredentialReader, session: LoopSession, ca: bytes | None
) -> Login:
    """The certificate is shown on a connection of its own: who we are must not travel on the pool of another login."""
    certificate = await credentials.secret(part(block, "clientCert"), default_key="tls.crt")
    key = await credentials.secret(part(block, "secretRef"), default_key="tls.key")
    try:
        tls = tls_context(ca_pem=ca, cert_pem=certificate, key_pem=key)
    except TlsError as error:
        raise InvalidConfig(f'error from Client TLS Auth: "{error}"', fix=error.fix) from error
    pool = Pool(tls=tls)
    try:
        client = blocking(server, LoopSession(pool, session.headers, label=session.label), namespace)
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
                text = f'cannot request Kubernetes service account token for service account "{selector.get("name")}": {error}'
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
            "neither `secretRef` nor `kubernetesServiceAccountToken` was supplied as token source for jwt authentication"
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
    return login_of(reply)


def login_of(reply: requests.Response) -> Login:
    auth = orjson.loads(reply.content).get("auth") or {}
    seconds = auth.get("lease_duration") or 0
    if not isinstance(seconds, int | float):
        raise Malformed("the login's lease_duration is no number")
    return Login(
        token=str(auth["client_token"]),
        lifetime=float(seconds) if seconds > 0 else None,
        renewable=bool(auth.get("renewable")),
        owned=auth.get("token_type") != "batch",
    )
