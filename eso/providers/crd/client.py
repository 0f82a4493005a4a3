"""One login at an API server: objects of one kind read and searched, as far as the store's whitelist lets them through.

Neighbours: connect.py makes it, spec.py has the whitelist, codec.py turns objects into values.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import orjson

from eso.api.meta import Resource
from eso.gocompat.regexp import Allowance
from eso.gocompat.text import quote
from eso.kube.rest import Rest
from eso.providers.contract import (
    Denied,
    Find,
    InvalidConfig,
    Malformed,
    RemoteRef,
    SecretNotFound,
    StoreView,
    Validation,
)
from eso.providers.crd import codec
from eso.providers.crd.spec import Kind, lets, place_of, rules
from eso.providers.kit import cluster
from eso.providers.kit.cluster import ClusterClient, call, granted, next_page
from eso.providers.kit.http import LARGE, climbs, segment
from eso.providers.kit.search import MOST_STEPS, Volume, Walk, Wanted, by_name
from eso.runtime.offload import Offload
from eso.values.convert import convert_keys

LABEL: Final = "CRD"


@dataclass(frozen=True, slots=True)
class Connection(cluster.Connection):
    """`resource`: the kind as the API server serves it."""

    resource: Resource
    offload: Offload


@dataclass(frozen=True, slots=True)
class Asked:
    namespace: str
    name: str


class CrdClient(ClusterClient[Connection]):
    """A StoreClient."""

    def __init__(self, store: StoreView, connection: Connection | None) -> None:
        super().__init__(store, connection)
        self.rules = rules(store.provider_spec)

    async def validate(self) -> Validation:
        """The login has asked already whether the kind is there and may be read."""
        return Validation.UNKNOWN if self._connection is None else Validation.READY

    # reading

    def request(self, ref: RemoteRef) -> Hashable:
        """Raises InvalidConfig for a key of another form, Denied for what the whitelist does not let through."""
        name, given = place_of(self.store, ref.key)
        if not lets(self.rules, self.store, name, given or "", ref.property):
            raise Denied(
                f"crd: request for {quote(ref.key)} denied by whitelist rules",
                fix="add a rule to the store's whitelist",
            )
        return Asked(self._namespace(given), name)

    def _namespace(self, given: str | None) -> str:
        resource = self.connection.resource
        if not resource.namespaced:
            if given is not None:
                raise InvalidConfig(
                    f"crd: cluster-scoped resource kind {quote(resource.kind)} does not allow '/' in remoteRef.key (use"
                    " object name only)"
                )
            return ""
        if given is not None:
            return given
        if self.store.cluster_scoped:
            raise InvalidConfig(
                f"crd: namespaced resource kind {quote(resource.kind)} requires remoteRef.key in the form"
                " namespace/objectName when using ClusterSecretStore"
            )
        return self.store.namespace

    async def fetch(self, request: Hashable) -> codec.Found:
        assert isinstance(request, Asked)
        kind, namespace, name = self.connection.resource, request.namespace, request.name
        if "." in (name, namespace) or climbs(name) or climbs(namespace):
            raise InvalidConfig(f"{quote(name)} is no name of an object")
        place = f"{kind.kind} {namespace}/{name}" if namespace else f"{kind.kind}/{name}"
        raw = await call(
            LABEL, "GetObject", self.connection.rest.get(kind, namespace, name), f"crd: failed to get {place}: "
        )
        if raw is None or len(raw) <= LARGE:
            return codec.found(name, raw)
        return await self.connection.offload.run_for(self.store.namespace or namespace, codec.found, name, raw)

    def value(self, payload: codec.Found, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref)

    def mapping(self, payload: codec.Found, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(payload, ref)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """By name, which has the namespace before it in a ClusterSecretStore; rules for properties let nothing
        through. Tags and path are not used."""
        live, matches, steps = self.connection, by_name(find), Allowance(MOST_STEPS)
        kind = live.resource
        await allowed(live.rest, kind, "list", self.scope)
        walk, volume = Walk(), Volume()
        pages = live.rest.list_pages(kind, self.scope)
        async with aclosing(pages):
            failed = f"crd: failed to list {kind.kind}: "
            while (page := await call(LABEL, "ListObjects", next_page(pages), failed)) is not None:
                walk.enter()

                objects = await live.offload.run_for(self.store.namespace, codec.listed, page)
                walk.found(objects)
                whole = kind.namespaced and self.store.cluster_scoped
                keys = [f"{namespace}/{name}" if whole else name for namespace, name, _ in objects]
                wanted, let = await matches.these(keys), await self._let(objects, steps)

                def chosen(
                    objects: list[tuple[str, str, bytes]], keys: list[str], wanted: frozenset[str], let: list[bool]
                ) -> dict[str, bytes]:
                    values = {
                        key: volume.counted(document)
                        for key, (_, _, document), through in zip(keys, objects, let, strict=True)
                        if through and key in wanted
                    }
                    return convert_keys(values, find.conversion_strategy)

                yield await live.offload.run_for(self.store.namespace, chosen, objects, keys, wanted, let)

    async def _let(self, objects: Sequence[tuple[str, str, bytes]], steps: Allowance) -> list[bool]:
        """Whether the whitelist lets each object through as a whole: a rule for properties does not."""
        through = [not self.rules] * len(objects)
        for rule in self.rules:
            if rule.properties:
                continue
            asked = rule.namespace if self.store.cluster_scoped else None  # a SecretStore's namespace is fixed
            names = await Wanted(rule.name, steps).these(name for _, name, _ in objects)
            places = await Wanted(asked, steps).these(dict.fromkeys(namespace for namespace, _, _ in objects))
            if asked is not None:
                places -= {""}
            for at, (namespace, name, _) in enumerate(objects):
                through[at] = through[at] or (name in names and namespace in places)
        return through

    @property
    def scope(self) -> str:
        """The namespace of a search, "" for all."""
        return self.store.namespace if self.connection.resource.namespaced else ""


# what a login asks


async def discovered(rest: Rest, kind: Kind) -> Resource:
    """The kind as the API server serves it. Raises InvalidConfig."""
    group = f"/apis/{segment(kind.group)}" if kind.group else "/api"
    path = f"{group}/{segment(kind.version)}"
    unknown = f"crd: group/version {quote(kind.group_version)} is not registered in the cluster"
    try:
        reply = await call(LABEL, "Discover", rest.read(path), f"{unknown}: ")
    except (SecretNotFound, InvalidConfig) as error:
        raise InvalidConfig(unknown, fix="install its CustomResourceDefinition, or correct resource") from error
    for entry in entries(reply):
        name, found = str(entry.get("name") or ""), str(entry.get("kind") or "")
        if name and "/" not in name and found.lower() == kind.kind.lower():
            return Resource(kind.group, kind.version, name, found, namespaced=bool(entry.get("namespaced")))
    raise InvalidConfig(
        f"crd: kind {quote(kind.kind)} not found in group/version {quote(kind.group_version)}: it is not registered in"
        " the cluster",
        fix="install its CustomResourceDefinition, or correct resource.kind",
    )


def entries(reply: bytes) -> list[Mapping[str, Any]]:
    try:
        found: Any = orjson.loads(reply)
    except orjson.JSONDecodeError:
        raise Malformed("the API server's answer is not JSON") from None
    listed = found.get("resources") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise Malformed("the API server's list of kinds is none")
    return [entry for entry in listed if isinstance(entry, dict)]


async def allowed(rest: Rest, resource: Resource, verb: str, namespace: str) -> None:
    """Raises Denied unless the login may do `verb`."""
    failed = f"crd: failed to verify {quote(verb)} permission for resource {quote(resource.plural)}: "
    if not await granted(LABEL, rest, verb, resource, namespace, failed):
        raise Denied(
            f"crd: serviceaccount is not allowed to {quote(verb)} resource {quote(resource.plural)} in apiGroup"
            f" {quote(resource.group)}",
            fix=f"bind a Role with {verb} on {resource.plural}",
        )
