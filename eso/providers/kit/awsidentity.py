"""Keys of AWS, and where the operator's own come from: environment, web identity, shared file, container, EC2 metadata.

Neighbours: logins ask where a store names no credentials; `CredentialReader.ambient` says whether they may. The order
is the one of AWS's Go SDK. Nothing here is asked for a store that names credentials.
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import orjson

from eso.errors import EsoError
from eso.net.http import Pool, Reply, Timeouts, TransportError
from eso.providers.contract import AuthRejected, turn

TIMEOUTS: Final = Timeouts(total=5.0, connect=1.0)
LONGEST_REPLY: Final = 64 * 1024  # bytes
TASK_HOST: Final = "http://169.254.170.2"
# Where container credentials may come from without TLS: this machine, ECS, EKS Pod Identity.
LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23")
METADATA: Final = "http://169.254.169.254"
METADATA_IPV6: Final = "http://[fd00:ec2::254]"
TOKEN_SECONDS: Final = "21600"


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials of AWS. `expires`: None = they do not end by themselves; `principal`: the ARN that a role has for us,
    "" = the access key says it. Secret parts never print."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)
    expires: datetime | None = None
    principal: str = ""


class WebIdentity(Protocol):
    """AssumeRoleWithWebIdentity."""

    async def __call__(self, role: str, token: str, session_name: str) -> Keys: ...


async def ambient_keys(environ: Mapping[str, str], web_identity: WebIdentity) -> Keys:
    """Raises AuthRejected where there is no identity, or its source does not give it out."""
    if environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
        token = environ.get("AWS_SESSION_TOKEN", "")
        return Keys(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], token)
    if environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        token = from_file(environ["AWS_WEB_IDENTITY_TOKEN_FILE"])
        return await web_identity(environ.get("AWS_ROLE_ARN", ""), token, environ.get("AWS_ROLE_SESSION_NAME", ""))
    if (shared := shared_keys(environ)) is not None:
        return shared
    pool = Pool()  # without proxies: all of these are on this machine or its link
    try:
        if environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") or environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
            return await container_keys(environ, pool)
        return await metadata_keys(environ, pool)
    finally:
        await pool.close()


def from_file(path: str) -> str:
    try:
        # A projected file in memory: reading it does not wait for a disk.
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or "failed").lower() if isinstance(error, OSError) else "not a text"
        raise AuthRejected(f"failed to read {path}: {reason}", fix="mount the token into the operator's pod") from None


def shared_keys(environ: Mapping[str, str]) -> Keys | None:
    """Static keys of the shared credentials file; other kinds of profile are not read."""
    home = environ.get("HOME", "")
    path = environ.get("AWS_SHARED_CREDENTIALS_FILE") or (f"{home}/.aws/credentials" if home else "")
    if not path or not Path(path).is_file():
        return None
    parser = configparser.RawConfigParser()
    profile = environ.get("AWS_PROFILE") or "default"
    try:
        parser.read_string(from_file(path))
        found = parser[profile]
    except (configparser.Error, KeyError):
        return None
    access, secret = found.get("aws_access_key_id", ""), found.get("aws_secret_access_key", "")
    return Keys(access, secret, found.get("aws_session_token", "")) if access and secret else None


async def container_keys(environ: Mapping[str, str], pool: Pool) -> Keys:
    """ECS tasks and EKS Pod Identity."""
    relative = environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "")
    url = f"{TASK_HOST}{relative}" if relative else environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in LOCAL_HOSTS:
        raise AuthRejected(f"invalid endpoint host, {parts.hostname}, only loopback, ECS and EKS hosts are allowed")
    headers = {}
    if path := environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
        headers["Authorization"] = from_file(path)
    elif token := environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN"):
        headers["Authorization"] = token
    reply = await asked(pool, "AWS/ContainerCredentials", "GetCredentials", "GET", url, headers)
    if reply.status != 200:
        raise AuthRejected(f"failed to load credentials, the container's endpoint answered {reply.status}")
    return decoded(reply.body)


async def metadata_keys(environ: Mapping[str, str], pool: Pool) -> Keys:
    """The role of an EC2 instance."""
    base, headers = await metadata_session(environ, pool)
    roles = f"{base}/meta-data/iam/security-credentials/"
    listed = await asked(pool, "AWS/IMDS", "GetMetadata", "GET", roles, headers)
    role = listed.body.decode("latin-1").split("\n")[0].strip()
    if listed.status != 200 or not role:
        raise AuthRejected(f"no EC2 IMDS role found: answered {listed.status}", fix="give the instance a role")
    found = await asked(pool, "AWS/IMDS", "GetMetadata", "GET", f"{roles}{role}", headers)
    if found.status != 200:
        raise AuthRejected(f"failed to get the credentials of the instance's role: answered {found.status}")
    return decoded(found.body)


async def region_of(environ: Mapping[str, str]) -> str:
    """The region that the operator runs in: AWS_REGION, AWS_DEFAULT_REGION, the instance's. Raises AuthRejected."""
    named = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if named:
        return named
    pool = Pool()  # as in ambient_keys
    try:
        base, headers = await metadata_session(environ, pool)
        found = await asked(pool, "AWS/IMDS", "GetMetadata", "GET", f"{base}/meta-data/placement/region", headers)
    finally:
        await pool.close()
    if found.status != 200:
        raise AuthRejected(f"no EC2 IMDS region found: answered {found.status}", fix="set AWS_REGION of the operator")
    return found.body.decode("latin-1").strip()


async def metadata_session(environ: Mapping[str, str], pool: Pool) -> tuple[str, dict[str, str]]:
    """The address of EC2's metadata service and the headers that it wants: version 2, version 1 where the instance has
    no other."""
    if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        raise AuthRejected("no credentials: access disabled to EC2 IMDS via environment variable", fix=NOWHERE)
    ipv6 = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "").lower() == "ipv6"
    default = METADATA_IPV6 if ipv6 else METADATA
    base = (environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or default).rstrip("/") + "/latest"
    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": TOKEN_SECONDS}
    token = await asked(pool, "AWS/IMDS", "GetToken", "PUT", f"{base}/api/token", lifetime)
    if token.status == 200:
        return base, {"X-aws-ec2-metadata-token": token.body.decode("latin-1")}
    if token.status not in (403, 404, 405) or environ.get("AWS_EC2_METADATA_V1_DISABLED", "").lower() == "true":
        raise AuthRejected(f"no EC2 IMDS role found: the token request was answered {token.status}", fix=NOWHERE)
    return base, {}


NOWHERE: Final = "name credentials below the store's auth, or give the operator's pod a cloud identity"


async def asked(pool: Pool, label: str, call: str, method: str, url: str, headers: Mapping[str, str]) -> Reply:
    async with turn(label, call):
        try:
            return await pool.request(method, url, headers=headers, timeouts=TIMEOUTS, max_body=LONGEST_REPLY)
        except TransportError as error:
            # The identity is what is missing, not the service that the store reads from.
            raise AuthRejected(f"no credentials: {error}", fix=NOWHERE) from error


def decoded(body: bytes) -> Keys:
    """Raises AuthRejected; no text holds a part of the reply."""
    try:
        found: Any = orjson.loads(body)
        if found.get("Code") not in (None, "Success"):
            raise AuthRejected("failed to get credentials: the metadata service has none now")
        expires = datetime.fromisoformat(found["Expiration"]) if found.get("Expiration") else None
        keys = found["AccessKeyId"], found["SecretAccessKey"], found.get("Token") or found.get("SessionToken") or ""
        if not all(isinstance(key, str) for key in keys) or (expires is not None and expires.tzinfo is None):
            raise TypeError
        return Keys(*keys, expires)
    except EsoError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError):
        raise AuthRejected("failed to get credentials: the reply cannot be read") from None
