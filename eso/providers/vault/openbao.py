"""The provider `openBao`: smaller than `vault`, reads keys literally, never proves a not-found.

Neighbours: stores.registry offers it under its own name; baospec.py has its rules; the login and the Connection are
those of `vault`. Texts are the reference's.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import hvac.exceptions

from eso.errors import EsoError
from eso.providers.contract import (
    Consumer,
    CredentialReader,
    Find,
    InvalidConfig,
    Malformed,
    Plan,
    RemoteRef,
    StoreClient,
    StoreView,
    Validation,
    ValidationFailed,
    prefixed,
)
from eso.providers.env import Env
from eso.providers.kit.authority import opened
from eso.providers.kit.connected import nobody_asks
from eso.providers.kit.http import decoded, without_user
from eso.providers.kit.search import Volume, Walk, by_name, every
from eso.providers.kit.selectors import has, part
from eso.providers.vault import codec
from eso.providers.vault.bridge import LoopSession
from eso.providers.vault.client import KvClient
from eso.providers.vault.connection import Connection
from eso.providers.vault.login import Context, Login, with_app_role, with_password, with_token
from eso.providers.vault.paths import url_path
from eso.providers.vault.spec import server_of
from eso.values import jsonmap

INTEGER: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)
VALIDATION_SECONDS: Final = 5.0
CA_FAILED: Final = "cannot set OpenBao CA certificate: "


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env

    async def close(self) -> None:
        """Nothing is shared between logins."""

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> StoreClient:
        block = store.provider_spec
        if nobody_asks(plan, credentials):
            return OpenBaoClient(store, None, referent=True)
        server = server_of(block)
        try:
            ca = await credentials.ca_bundle(block)
        except EsoError as error:
            raise prefixed(CA_FAILED, error) from error
        try:
            pool = await opened(self.env, credentials, server, ca=ca)
        except InvalidConfig as error:
            raise InvalidConfig(f"{CA_FAILED}failed add certificate to CertPool", fix=error.fix) from error
        try:
            session = LoopSession(pool, {}, label="OpenBao")
            namespace = str(block.get("namespace") or "")
            auth = part(block, "auth")
            given = auth.get("namespace")
            login_namespace = namespace if given is None else str(given)  # an empty one is the root namespace
            context = Context(self.env, server, login_namespace, credentials, session, ca)
            login = await log_in(context, auth) if has(block, "auth") else Login()
        except BaseException:
            await pool.close()
            raise
        connection = Connection(server, pool, session, namespace, login_namespace, login, self.env.offload)
        return OpenBaoClient(store, connection, referent=plan.consumer is Consumer.CREDENTIALS)


async def log_in(context: Context, auth: Mapping[str, Any]) -> Login:
    if has(auth, "tokenSecretRef"):
        return await with_token(context, part(auth, "tokenSecretRef"))
    if has(auth, "userPass"):
        block = part(auth, "userPass")
        return await with_password(context, block, str(block.get("username") or ""))
    if has(auth, "appRole"):
        return await with_app_role(context, part(auth, "appRole"))
    raise InvalidConfig("unsupported auth method", fix="set tokenSecretRef, userPass or appRole")


@dataclass(frozen=True, slots=True)
class Asked:
    path: str
    version: str
    v2: bool


class OpenBaoClient(KvClient):
    """A StoreClient of the provider `openBao`."""

    default_mount: ClassVar[str] = "kv"

    def request(self, ref: RemoteRef) -> Hashable:
        version = ref.version
        if version:
            if not self.v2:
                raise InvalidConfig("OpenBao KVv1 secrets do not support versioning (use KVv2)")
            if not INTEGER.fullmatch(version):
                raise InvalidConfig(f'invalid Ref.Version: strconv.Atoi: parsing "{version}": invalid syntax')
            version = str(int(version))
        path = f"{self.mount}/data/{ref.key}" if self.v2 else f"{self.mount}/{ref.key}"
        url_path(path)
        return Asked(path, version, self.v2)

    async def fetch(self, request: Hashable) -> codec.Payload:
        """A missing secret is an ordinary error here, never a proven not-found: deletion policies do not act on this
        provider."""
        assert isinstance(request, Asked)
        try:
            body = await self.live.get(request.path, **({"version": request.version} if request.version else {}))
        except EsoError as error:
            if request.version:
                raise
            raise prefixed(f"error encountered while reading secret at {request.path}: ", error) from error
        if body is None:
            where = f"for version {request.version} at {request.path}" if request.version else f"at {request.path}"
            raise EsoError(f"secret not found: {where}", fix="the key is used as it is written, below the mount")
        return await decoded(
            self.live.offload, self.store.namespace, body, lambda found: codec.payload_or_null(found, v2=request.v2)
        )

    def value(self, payload: codec.Payload, ref: RemoteRef) -> bytes:
        """Only an exact member: `a.b` is a name here, not a path."""
        return payload.member(ref.property)

    def mapping(self, payload: codec.Payload, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(payload.member(ref.property))

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        if find.tags is not None:
            raise InvalidConfig("tag based search is not implemented")
        if find.name_regexp is None:
            raise InvalidConfig("find.name is required", fix="set find.name.regexp")
        matches = by_name(find)
        folder = f"{find.path.strip('/')}/" if find.path else ""
        path = (f"{self.mount}/metadata/{folder}" if self.v2 else f"{self.mount}/{folder}").rstrip("/")
        try:
            listed = await self.live.list(path)
        except EsoError as error:
            raise prefixed(f"error listing secrets at {path}: ", error) from error
        Walk().found(listed)
        names = await matches.among(name for name in listed if not name.endswith("/"))
        volume = Volume()
        yield dict(zip(names, await every(names, lambda name: self._read(folder + name, volume)), strict=True))

    async def _read(self, key: str, volume: Volume) -> bytes:
        ref = RemoteRef(key)
        return volume.counted(self.value(await self.fetch(self.request(ref)), ref))

    async def validate(self) -> Validation:
        if self.store.cluster_scoped and self.referent:
            return Validation.UNKNOWN
        server = without_user(str(self.store.provider_spec.get("server")))
        failed = f'error while validating "{server}": '
        try:
            async with asyncio.timeout(VALIDATION_SECONDS):
                body = await self.live.get(f"sys/mounts/{self.mount}")
        except TimeoutError:
            raise ValidationFailed(f"{failed}context deadline exceeded") from None
        except EsoError as error:
            raise ValidationFailed(
                f"{failed}{error}", fix=error.fix or f"the policy needs read on sys/mounts/{self.mount}"
            ) from error
        except hvac.exceptions.VaultError:
            raise ValidationFailed(f"{failed}the server did not answer as expected") from None
        check_mount(body, failed, "2" if self.v2 else "1")
        return Validation.READY


def check_mount(body: bytes | None, failed: str, wanted: str) -> None:
    try:
        mount = codec.member(body, "data") if body is not None else None
    except Malformed as error:
        raise ValidationFailed(f"{failed}{error}") from error
    if not isinstance(mount, dict):
        raise ValidationFailed(f"{failed}there is no such mount", fix="check spec.provider.openBao.path")
    kind = jsonmap.typed_value(mount.get(b"type")).decode("utf-8", "replace")
    if kind != "kv":
        raise ValidationFailed(f'expected mount type "kv" found "{kind}"')
    options = mount.get(b"options")
    version = (
        jsonmap.typed_value(options.get(b"version")).decode("utf-8", "replace") if isinstance(options, dict) else ""
    )
    if version != wanted:
        raise ValidationFailed(f"expected kv engine version {wanted} found version {version}")
