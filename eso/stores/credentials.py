"""Reads the credentials a store names: bound to one store and one consumer's namespace, for one login.

Neighbours: sessions.py makes one per login, providers ask it, `kube.rest` fetches. What was read lives as long as the
login takes, no longer.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from eso.api.meta import CONFIG_MAPS, SECRETS, SERVICE_ACCOUNTS, Resource
from eso.api.wellknown import LABEL_TYPE
from eso.errors import EsoError
from eso.kube.rest import Rest
from eso.kube.tokens import service_account_token
from eso.providers.contract import InvalidConfig, Place, SecretObject, ServiceAccount, StoreView

OWN_TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"
KINDS: Final = {"Secret": SECRETS, "ConfigMap": CONFIG_MAPS, "ServiceAccount": SERVICE_ACCOUNTS}
PROCESS_KEY: Final = secrets.token_bytes(32)  # digests of credentials mean nothing outside this process
WRONG_NAMESPACE: Final = (
    "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"
)


class CredentialMissing(EsoError):
    """A credential that the store names is not there, or cannot be read."""


@dataclass(frozen=True, slots=True)
class Ambient:
    """The operator's own cloud identity, and which stores may use it: all, cluster (ClusterSecretStores only) or
    none."""

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    stores: str = "all"


class Credentials:
    """The CredentialReader of one login. Each object is read once. `namespace`: the consumer's; "" while a
    ClusterSecretStore is validated."""

    def __init__(
        self,
        rest: Rest,
        store: StoreView,
        namespace: str,
        *,
        own_token: str = OWN_TOKEN,
        ambient: Ambient | None = None,
    ) -> None:
        self._rest, self._store, self._namespace, self._own_token = rest, store, namespace, own_token
        self._ambient = ambient or Ambient()
        self._objects: dict[Place, dict[str, Any] | None] = {}
        self.used: set[Place] = set()  # where the login comes from, whether or not the store's spec names it
        self.trailing: list[str] = []  # Secrets and keys whose value ends in a line break, and is one line
        self.unread = False  # an object could not be read: it may be there or not
        self.as_operator = False  # the login uses the operator's own cloud identity

    @property
    def namespace(self) -> str:
        return self._namespace

    def resolved(self, selector: Mapping[str, Any]) -> str:
        """The namespace that `selector` is read in: an explicit one counts in a ClusterSecretStore only."""
        return namespace_of(self._store, str(selector.get("namespace") or ""), self._namespace)

    async def secret(self, selector: Mapping[str, Any], *, default_key: str = "") -> bytes:
        """Raises CredentialMissing with the reference's text."""
        namespace, name = self.resolved(selector), str(selector.get("name") or "")
        key = str(selector.get("key") or "") or default_key
        try:
            found = await self._object("Secret", namespace, name)
        except EsoError as error:
            raise CredentialMissing(
                f'cannot get Kubernetes secret "{name}" from namespace "{namespace}": {error}', fix=error.fix
            ) from error
        value = (found.get("data") or {}).get(key)
        if value is None:
            raise CredentialMissing(
                f'cannot find secret data for key: "{key}"',
                fix=f'add the key to secret "{name}" in namespace "{namespace}"',
            )
        found_value = base64.b64decode(value)
        if one_line(found_value):
            self.trailing.append(f'key "{key}" of secret "{name}"')
        return found_value

    async def service_account_token(
        self, selector: Mapping[str, Any], *, audiences: tuple[str, ...] = (), expiration_seconds: int | None = 600
    ) -> str:
        namespace, name = self.resolved(selector), str(selector.get("name") or "")
        self.used.add(("ServiceAccount", namespace, name))
        return await service_account_token(self._rest, namespace, name, audiences, expiration_seconds)

    async def legacy_service_account_token(self, selector: Mapping[str, Any]) -> str:
        namespace, name = self.resolved(selector), str(selector.get("name") or "")
        try:
            account = await self._object("ServiceAccount", namespace, name)
        except EsoError as error:
            raise CredentialMissing(f'cannot get Kubernetes service account "{name}": {error}') from error
        listed = [str(ref.get("name") or "") for ref in account.get("secrets") or ()]
        if not listed:
            raise CredentialMissing(f'cannot find secrets bound to service account: "{name}"')
        for secret_name in listed:
            try:
                return (await self.secret({"name": secret_name, "namespace": namespace, "key": "token"})).decode()
            except EsoError:
                continue
        raise CredentialMissing(f'cannot find token in secrets bound to service account: "{name}"')

    async def own_token(self) -> str:
        """Raises InvalidConfig for a SecretStore: its author also chooses the server, and would learn who may read
        every Secret of the cluster."""
        if not self._store.cluster_scoped:
            text = "a SecretStore cannot log in with the controller's own ServiceAccount"
            raise InvalidConfig(text, fix="set serviceAccountRef or secretRef, or use a ClusterSecretStore")
        try:
            # A projected file in memory: reading it does not wait for a disk.
            return Path(self._own_token).read_text().strip()  # noqa: ASYNC240  # see above
        except OSError as error:
            reason = f"open {self._own_token}: {(error.strerror or 'failed').lower()}"
            raise CredentialMissing(
                f"cannot read Kubernetes service account token from file system: {reason}"
            ) from error

    async def service_account(self, selector: Mapping[str, Any]) -> ServiceAccount:
        namespace, name = self.resolved(selector), str(selector.get("name") or "")
        try:
            meta = (await self._object("ServiceAccount", namespace, name)).get("metadata") or {}
        except EsoError as error:
            raise CredentialMissing(
                f'cannot get Kubernetes service account "{name}": {error}', fix=error.fix
            ) from error
        annotations = {str(key): str(value) for key, value in (meta.get("annotations") or {}).items()}
        return ServiceAccount(name, namespace, str(meta.get("uid") or ""), annotations)

    async def secret_object(self, selector: Mapping[str, Any]) -> SecretObject:
        namespace, name = self.resolved(selector), str(selector.get("name") or "")
        try:
            found = await self._object("Secret", namespace, name)
        except EsoError as error:
            text = f'cannot get Kubernetes secret "{name}" from namespace "{namespace}": {error}'
            raise CredentialMissing(text, fix=error.fix) from error
        meta = found.get("metadata") or {}
        data = {str(key): base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
        self.trailing += [f'key "{key}" of secret "{name}"' for key, value in data.items() if one_line(value)]
        return SecretObject(data, dict(meta.get("labels") or {}), dict(meta.get("annotations") or {}))

    async def config_map(self, selector: Mapping[str, Any]) -> Mapping[str, str]:
        found = await self._object("ConfigMap", self.resolved(selector), str(selector.get("name") or ""))
        return {str(key): str(value) for key, value in (found.get("data") or {}).items()}

    def ambient(self) -> Mapping[str, str]:
        if self._ambient.stores == "all" or (self._ambient.stores == "cluster" and self._store.cluster_scoped):
            self.as_operator = True
            return self._ambient.environ
        raise InvalidConfig(
            "this store may not use the operator's own cloud identity",
            fix="name credentials below the provider's auth, or start the operator with --ambient-credentials=all",
        )

    async def ca_bundle(self, spec: Mapping[str, Any]) -> bytes | None:
        bundle = spec.get("caBundle")
        if bundle:
            return decoded_bundle(bundle if isinstance(bundle, str) else str(bundle))
        provider = spec.get("caProvider")
        if not provider:
            return None
        namespace, name, key = (
            str(provider.get("namespace") or ""),
            str(provider.get("name") or ""),
            str(provider.get("key") or ""),
        )
        if self._store.cluster_scoped:
            if not namespace:
                raise InvalidConfig("missing namespace on caProvider secret", fix="set caProvider.namespace")
        elif namespace and namespace != self._namespace:
            raise InvalidConfig(WRONG_NAMESPACE, fix="leave caProvider.namespace out")
        match provider.get("type"):
            case "Secret":
                try:
                    return await self.secret({"name": name, "namespace": namespace, "key": key})
                except EsoError as error:
                    raise CredentialMissing(
                        f"failed to get cert from secret: failed to resolve secret key ref: {error}", fix=error.fix
                    ) from error
            case "ConfigMap":
                try:
                    found = await self._object("ConfigMap", namespace or self._namespace, name)
                except EsoError as error:
                    raise CredentialMissing(
                        f"failed to get cert from configmap: failed to get caProvider secret {name}: {error}"
                    ) from error
                value = (found.get("data") or {}).get(key)
                if value is None:
                    raise CredentialMissing(
                        f"failed to get cert from configmap: failed to get caProvider configMap {name} -> {key}"
                    )
                return str(value).encode()
            case other:
                raise InvalidConfig(f"unsupported CA provider type: {other}", fix="use Secret or ConfigMap")

    async def digest(self, references: Sequence[Place]) -> bytes:
        """What the credentials are, without showing them: equal for equal content. What cannot be read is equal to
        nothing of another place: the login will tell, and if it succeeds after all, nobody else may share it. `unread`
        tells afterwards whether something could not be read, as opposed to not being there."""
        digest = hashlib.blake2b(key=PROCESS_KEY, digest_size=16)
        for kind, namespace, name in references:
            where = namespace_of(self._store, namespace, self._namespace)
            if kind == "ServiceAccount":
                # Its tokens differ at every request; the account is the credential. Another account of the same name
                # is another one, and a role in its annotations is part of the login.
                try:
                    meta = (await self._object(kind, where, name)).get("metadata") or {}
                    content: Any = [where, name, meta.get("uid"), meta.get("annotations")]
                except EsoError:
                    content = [where, name]
            else:
                # A webhook uses a Secret only while its label says so.
                try:
                    found = await self._object(kind, where, name)
                    labels = (found.get("metadata") or {}).get("labels") or {}
                    content = [found.get("data"), labels.get(LABEL_TYPE)]
                except EsoError:
                    content = [where, name]
            digest.update(orjson.dumps([kind, content], option=orjson.OPT_SORT_KEYS))
        return digest.digest()

    async def _object(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        resource: Resource = KINDS[kind]
        place = (kind, namespace, name)
        self.used.add(place)
        if place not in self._objects:
            try:
                raw = await self._rest.get(resource, namespace, name)
            except EsoError:
                self.unread = True
                raise
            self._objects[place] = None if raw is None else orjson.loads(raw)
        found = self._objects[place]
        if found is None:
            raise CredentialMissing(f'{resource.plural} "{name}" not found')
        return found


def one_line(value: bytes) -> bool:
    """Whether the value is a single line with a line break at its end: most tools that make a file add one. PEM, JSON
    and the like have more lines, or may end as they want."""
    bare = value.rstrip(b"\r\n")
    return len(bare) < len(value) and b"\n" not in bare and not bare.startswith((b"{", b"-----"))


def namespace_of(store: StoreView, explicit: str, consumer: str) -> str:
    return explicit if store.cluster_scoped and explicit else consumer


def decoded_bundle(text: str) -> bytes:
    """PEM out of a byte field; somebody may have encoded it twice. Raises InvalidConfig with the reference's text."""
    try:
        once = base64.b64decode(text, validate=False)
    except binascii.Error:
        once = text.encode()
    fault = pem_fault(once)
    if not fault:
        return once
    for decode in (base64.b64decode, base64.urlsafe_b64decode):
        try:
            twice = decode(once)
        except (binascii.Error, ValueError):
            continue
        second = pem_fault(twice)
        if not second:
            return twice
        if second != NOT_PEM:
            fault = second
    raise InvalidConfig(f"failed to decode ca bundle: {fault}", fix="caBundle is base64 of PEM certificates")


NOT_PEM: Final = "failed to parse the new certificate, not valid pem data"


def pem_fault(data: bytes) -> str:
    """Only the first block has to be a certificate."""
    from cryptography.x509 import InvalidVersion, load_pem_x509_certificate  # only stores with a bundle need it

    if b"-----BEGIN " not in data or b"-----END " not in data:
        return NOT_PEM
    start = data.index(b"-----BEGIN ")
    end = data.find(b"-----", data.find(b"-----END ", start) + 9)
    try:
        load_pem_x509_certificate(data[start : end + 5])
    except (ValueError, InvalidVersion):
        return "failed to validate certificate: x509: malformed certificate"
    return ""
