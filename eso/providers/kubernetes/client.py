"""One login at an API server: Secrets of one namespace read, searched and written.

Neighbours: connect.py makes it, codec.py turns Secrets into values and back. A missing Secret is an ordinary error for
`data` and a proven absence for `extract`, as in the reference.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Hashable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import orjson

from eso.api.labels import InvalidSelector, check_key, check_value
from eso.api.meta import SECRETS, Resource
from eso.errors import EsoError
from eso.kube import rest as kube
from eso.providers.contract import (
    Find,
    InvalidConfig,
    Push,
    Remote,
    RemoteRef,
    SecretNotFound,
    Source,
    Validation,
    ValidationFailed,
)
from eso.providers.kit import cluster
from eso.providers.kit.cluster import ClusterClient, Connection, next_page
from eso.providers.kit.http import climbs
from eso.providers.kit.search import Volume, Walk, Wanted, by_name
from eso.providers.kubernetes import codec
from eso.providers.kubernetes.spec import remote_namespace
from eso.values.convert import KeyRefused, convert_key

T = TypeVar("T")
LABEL: Final = "Kubernetes"
UNVERIFIED: Final = "could not verify if client is valid: "
RULES: Final = Resource(
    "authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", namespaced=False
)


@dataclass(frozen=True, slots=True)
class Asked:
    namespace: str
    name: str


class KubernetesClient(ClusterClient[Connection]):
    """A StoreClient with Writes."""

    @property
    def namespace(self) -> str:
        return remote_namespace(self.store.provider_spec)

    @property
    def rest(self) -> kube.Rest:
        return self.connection.rest

    # reading

    def request(self, ref: RemoteRef) -> Hashable:
        if ref.key in ("", ".") or "/" in ref.key or climbs(ref.key):
            raise InvalidConfig(f'"{ref.key}" is no name of a Secret', fix="remoteRef.key is the name of a Secret")
        return Asked(self.namespace, ref.key)

    async def fetch(self, request: Hashable) -> codec.Found:
        assert isinstance(request, Asked)
        raw = await call("GetSecret", self.rest.get(SECRETS, request.namespace, request.name))
        return codec.found(request.name, raw)

    def value(self, payload: codec.Found, ref: RemoteRef) -> bytes:
        if payload.secret is None:
            raise EsoError(f'secrets "{payload.name}" not found', fix="create it, or correct remoteRef.key")
        return codec.value(payload.secret, ref)

    def mapping(self, payload: codec.Found, ref: RemoteRef) -> dict[str, bytes]:
        if payload.secret is None:
            raise SecretNotFound
        return codec.mapping(payload.secret, ref)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """By labels where `tags` is there, even empty, else by name."""
        selector, matches = "", Wanted(None)
        if find.tags is not None:
            selector = label_selector(dict(find.tags))
        elif find.name_regexp is not None:
            matches = by_name(find)
        else:
            raise InvalidConfig(
                "unexpected find operator: neither name nor tags", fix="set find.name.regexp or find.tags"
            )
        seen: set[str] = set()
        walk, volume = Walk(), Volume()
        pages = self.rest.list_pages(SECRETS, self.namespace, label_selector=selector)
        async with aclosing(pages):
            while (page := await call("ListSecrets", next_page(pages), "unable to list secrets: ")) is not None:
                walk.enter()
                secrets = codec.listed(page)
                walk.found(secrets)
                values: dict[str, bytes] = {}
                chosen = await matches.these(secret.name for secret in secrets)
                for secret in secrets:
                    if secret.name not in chosen:
                        continue
                    name = convert_key(secret.name, find.conversion_strategy)
                    if name in seen:
                        raise KeyRefused(f"secret name collision during conversion: {name}")
                    seen.add(name)
                    values[name] = volume.counted(codec.whole(secret))
                yield values

    # the store's own validation

    async def validate(self) -> Validation:
        """What cannot be asked is not ready, with the cause: a wrong authority, token or address would fail every read.
        A referent store has nothing to ask with, and counts as ready, as in the reference."""
        if self._connection is None:
            return Validation.READY
        body = {"apiVersion": RULES.api_version, "kind": RULES.kind, "spec": {"namespace": self.namespace}}
        reply = await validating(call("CreateSelfSubjectRulesReview", self.rest.create(RULES, "", body), UNVERIFIED))
        if any(map(codec.reads_secrets, member(reply, "status", "resourceRules"))):
            return Validation.READY
        if not await validating(cluster.granted(LABEL, self.rest, "get", SECRETS, self.namespace, UNVERIFIED)):
            raise ValidationFailed(
                "client is not allowed to get secrets", fix=f"bind a Role with get on secrets in {self.namespace}"
            )
        return Validation.READY

    # writing

    def place(self, remote: Remote) -> Hashable:
        return self._where(remote), remote.key

    async def push(self, entry: Push, source: Source) -> None:
        """Writes only what differs. There is no mark of ownership: an existing Secret is overwritten."""
        metadata = codec.metadata(entry.metadata)
        if metadata.namespace and not self.store.cluster_scoped:
            raise InvalidConfig("remoteNamespace override is only supported with ClusterSecretStore")
        if entry.secret_key and not entry.remote.property:
            raise InvalidConfig(
                "requires property in RemoteRef to push secret value if secret key is defined",
                fix="set match.remoteRef.property",
            )
        namespace, name = metadata.namespace or self.namespace, entry.remote.key
        live = await self._live(namespace, name)
        desired = codec.desired(live, namespace, name, entry, source, metadata)
        if live is None:
            await call("CreateSecret", self.rest.create(SECRETS, namespace, desired))
        elif desired != live:
            await call("UpdateSecret", self.rest.replace(SECRETS, namespace, name, desired))

    async def delete(self, remote: Remote) -> None:
        namespace = self._where(remote)
        live = await self._live(namespace, remote.key)
        if live is None:
            return
        data = live.get("data") or {}
        meta = live["metadata"]
        version = {"uid": meta.get("uid", ""), "resource_version": meta.get("resourceVersion", "")}
        if remote.property and remote.property not in data:
            return
        if remote.property and len(data) > 1:
            left = {key: value for key, value in data.items() if key != remote.property}
            await call("UpdateSecret", self.rest.replace(SECRETS, namespace, remote.key, live | {"data": left}))
            return
        try:
            await call("DeleteSecret", self.rest.delete(SECRETS, namespace, remote.key, **version))
        except SecretNotFound:
            return

    async def exists(self, remote: Remote) -> bool:
        live = await self._live(self._where(remote), remote.key)
        return live is not None and (not remote.property or remote.property in (live.get("data") or {}))

    def _where(self, remote: Remote) -> str:
        """The namespace that the entry was pushed to."""
        return codec.metadata(remote.metadata).namespace or self.namespace

    async def _live(self, namespace: str, name: str) -> dict[str, Any] | None:
        raw = await call("GetSecret", self.rest.get(SECRETS, namespace, name))
        return codec.editable(raw) if raw is not None else None


async def validating(reply: Awaitable[T]) -> T:
    """Whatever keeps the review from an answer would keep reads from one too."""
    try:
        return await reply
    except EsoError as error:
        raise ValidationFailed(str(error), fix=error.fix) from error


async def call(name: str, request: Awaitable[T], failed: str = "") -> T:
    return await cluster.call(LABEL, name, request, failed)


def label_selector(tags: Mapping[str, str]) -> str:
    try:
        for key, value in sorted(tags.items()):
            check_key(key)
            check_value(key, value)
    except InvalidSelector as error:
        raise InvalidConfig(f"unable to validate selector tags: {error}", fix="tags are labels here") from error
    return ",".join(f"{key}={value}" for key, value in sorted(tags.items()))


def member(reply: bytes, *names: str) -> list[Any]:
    try:
        found: Any = orjson.loads(reply)
    except orjson.JSONDecodeError:
        raise ValidationFailed(f"{UNVERIFIED}the API server's review is not JSON") from None
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, list) else []
