"""VaultDynamicSecret: one call to a Vault or OpenBao server, and the members of its answer.

Neighbours: registry.py names it; `eso.providers.vault` logs in. The login's token is not revoked after the call,
because the server would end the lease of the answer with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

import requests

from eso.errors import EsoError
from eso.generators.contract import Generated, GeneratorFailed, Json, spec_of, view_of
from eso.gocompat.duration import DurationError
from eso.providers.contract import CredentialReader, Denied
from eso.providers.env import Env
from eso.providers.vault.client import KvClient
from eso.providers.vault.connect import Connector
from eso.providers.vault.connection import Connection
from eso.providers.vault.paths import url_path
from eso.providers.vault.spec import SPEC
from eso.values import jsonmap

SETUP: Final = "unable to setup Vault client: "
REVOKE: Final = "/v1/sys/leases/revoke"
EMPTY: Final = "unable to get dynamic secret: empty response from Vault"


class VaultDynamicSecret:
    kind: ClassVar[str] = "VaultDynamicSecret"

    async def generate(self, resource: Json, credentials: CredentialReader, env: Env) -> Generated:
        spec = spec_of(resource)
        block = spec.get("provider")
        if not isinstance(block, Mapping):
            raise GeneratorFailed("no Vault provider config in spec", fix="set spec.provider")
        connection = await connected(resource, block, credentials, env)
        try:
            reply = await connection.call(call_of(spec))
        finally:
            await connection.pool.close()
        if reply.status_code == 404 or not reply.content.strip():
            return nothing(spec)
        return Generated(values_of(reply.content, str(spec.get("resultType") or "Data")), lease_of(reply.content))

    async def clean_up(self, resource: Json, state: Any, credentials: CredentialReader, env: Env) -> None:
        """Revokes the lease. A login that may not do so leaves it to its own end."""
        lease = state.get("leaseID") if isinstance(state, Mapping) else None
        block = spec_of(resource).get("provider") if resource else None
        if not isinstance(lease, str) or not lease or not isinstance(block, Mapping):
            return
        connection = await connected(resource, block, credentials, env)
        try:
            await connection.call(
                lambda client: client.adapter.put(REVOKE, json={"lease_id": lease}, raise_exception=False)
            )
        except Denied:
            env.log.debug("this login may not revoke its leases", namespace=credentials.namespace)
        finally:
            await connection.pool.close()


async def connected(resource: Json, block: Json, credentials: CredentialReader, env: Env) -> Connection:
    """Raises EsoError with the reference's words."""
    view = view_of(resource, credentials.namespace, SPEC.name, block)
    auth = block.get("auth")
    try:
        if isinstance(auth, Mapping) and "kubernetes" in auth and not (auth["kubernetes"] or {}).get("role"):
            raise GeneratorFailed("no role name was provided", fix="set auth.kubernetes.role")
        client = await Connector(env).open(view, SPEC.plan(view), credentials)
    except (EsoError, DurationError) as error:
        raise GeneratorFailed(f"{SETUP}{error}", fix=getattr(error, "fix", "")) from error
    assert isinstance(client, KvClient)
    return client.live


def call_of(spec: Json) -> Callable[[Any], requests.Response]:
    """The request as hvac sends it. Methods compare as they are written: `get` is no GET."""
    path = url_path(str(spec.get("path") or ""))
    body: Any = spec.get("parameters") or {}
    match str(spec.get("method") or "GET"):
        case "GET":
            asked: Mapping[str, Any] = spec.get("getParameters") or {}
            query = urlencode([(name, value) for name, values in sorted(asked.items()) for value in values or ()])
            where = f"{path}?{query}" if query else path
            return lambda client: client.adapter.get(where, raise_exception=False)
        case "LIST":
            return lambda client: client.adapter.get(path, params={"list": "true"}, raise_exception=False)
        case "DELETE":
            return lambda client: client.adapter.delete(path, raise_exception=False)
    return lambda client: client.adapter.put(path, json=body, raise_exception=False)


def lease_of(body: bytes) -> dict[str, str] | None:
    """What it takes to revoke the lease; None for an answer without one."""
    lease = jsonmap.object_in(body).get(b"lease_id")
    return {"leaseID": lease.decode()} if isinstance(lease, bytes) and lease else None


def nothing(spec: Json) -> Generated:
    if spec.get("allowEmptyResponse"):
        return Generated({})
    raise GeneratorFailed(EMPTY, fix="check the path and what the login may do; or set allowEmptyResponse")


def values_of(body: bytes, result_type: str) -> dict[str, bytes]:
    """The members of the part that is asked for. Raises EsoError, which shows none of it."""
    found = jsonmap.object_in(body, keep_numbers=True)
    if result_type == "Auth":
        login = part_of(found.get(b"auth"))
        found = {name: login.get(name, empty) for name, empty in LOGIN.items()} if login else {}
    elif result_type != "Raw":
        found = part_of(found.get(b"data"))
    else:
        found = {name: value for name, value in found.items() if value is not None or name not in OPTIONAL}
    return {name.decode(errors="replace"): jsonmap.typed_value(value) for name, value in found.items()}


# What the server's own client knows of a login, with what it gives for a member that the server leaves out.
LOGIN: Final[Mapping[bytes, Any]] = {
    b"client_token": b"",
    b"accessor": b"",
    b"policies": None,
    b"token_policies": None,
    b"identity_policies": None,
    b"metadata": None,
    b"orphan": False,
    b"entity_id": b"",
    b"lease_duration": 0,
    b"renewable": False,
    b"mfa_requirement": None,
}
OPTIONAL: Final = frozenset({b"auth", b"wrap_info", b"mount_type"})


def part_of(value: Any) -> dict[bytes, Any]:
    return value if isinstance(value, dict) else {}


GENERATOR: Final = VaultDynamicSecret()
