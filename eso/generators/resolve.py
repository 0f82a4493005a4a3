"""A generatorRef → the object that it names, read from the API server when it is needed.

Neighbours: front.py asks before it makes values. Generators are passive: no informer follows them, and an edit is seen
at the next refresh.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson

from eso.api.externalsecret import GeneratorRef
from eso.api.wellknown import GENERATORS_API_VERSION, GENERATORS_GROUP
from eso.errors import EsoError, Terminal
from eso.generators.contract import Json
from eso.generators.registry import CLUSTER_GENERATORS, VERSION, Registry, Row
from eso.kube.rest import ApiError, NotFound, Rest

UNRESOLVED: Final = "unable to get generator: "


class Unresolved(EsoError):
    """The reference leads to no generator now; it may later."""


class NoGenerator(Terminal):
    """The reference leads to no generator before it, or the ClusterGenerator, is edited."""

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(f"{UNRESOLVED}terminal error: {message}", fix=fix)


@dataclass(frozen=True, slots=True)
class Resolved:
    """`resource`: the object with apiVersion, kind, metadata and spec; its name and namespace are all of its metadata,
    so that a snapshot shows no more."""

    row: Row
    resource: Json

    @property
    def controller(self) -> str:
        """The controller class, "" for any."""
        spec = self.resource.get("spec") or {}
        return str(spec.get("controller") or "") if self.row.classed else ""


async def resolve(ref: GeneratorRef, namespace: str, rest: Rest, registry: Registry) -> Resolved:
    """Raises Unresolved or NoGenerator with the reference's text."""
    check(ref, registry)
    if ref.kind == CLUSTER_GENERATORS.kind:
        return of_cluster(await read(CLUSTER_GENERATORS, "", ref.name, rest), registry)
    row = registry.row(ref.kind)
    assert row is not None
    found = await read(row.resource, namespace, ref.name, rest)
    return Resolved(row, virtual(row, found.get("spec"), ref.name, namespace))


def check(ref: GeneratorRef, registry: Registry) -> None:
    """Is it a kind that is served here? Raises NoGenerator."""
    api_version = ref.api_version or GENERATORS_API_VERSION
    if api_version.count("/") > 1:
        text = f"generatorRef has invalid APIVersion: unexpected GroupVersion string: {api_version}"
        raise NoGenerator(text, fix=f"write {GENERATORS_API_VERSION}")
    group, _, version = api_version.rpartition("/")
    if group != GENERATORS_GROUP:
        text = f"generatorRef may only reference the generators group, but got {group}"
        raise NoGenerator(text, fix=f"write {GENERATORS_API_VERSION}")
    if version != VERSION or (ref.kind != CLUSTER_GENERATORS.kind and registry.row(ref.kind) is None):
        raise NoGenerator(f"generatorRef references unknown GVK {group}/{version}, Kind={ref.kind}", fix=UNSERVED)


UNSERVED: Final = f"use a kind of {GENERATORS_API_VERSION} that this version serves"


def of_cluster(found: dict[str, Any], registry: Registry) -> Resolved:
    """The generator that a ClusterGenerator describes: without a name and a namespace. Raises NoGenerator."""
    spec = found.get("spec") or {}
    kind = str(spec.get("kind") or "")
    row = registry.row(kind)
    if row is None:
        raise NoGenerator(f"invalid ClusterGenerator: unknown kind {kind}", fix=UNSERVED)
    block = (spec.get("generator") or {}).get(row.block)
    if block is None:
        # The reference names its own field there, which is spelled like the kind.
        text = f"invalid ClusterGenerator: when kind is {kind}, {kind}Spec must be set"
        raise NoGenerator(text, fix=f"write spec.generator.{row.block}")
    return Resolved(row, virtual(row, block, "", ""))


async def read(resource: Any, namespace: str, name: str, rest: Rest) -> dict[str, Any]:
    try:
        raw = await rest.get(resource, namespace, name)
    except NotFound:
        raw = None
    except ApiError as error:
        raise Unresolved(f"{UNRESOLVED}{error}", fix=error.fix) from error
    if raw is None:
        where = f" in namespace {namespace}" if namespace else ""
        text = f'{UNRESOLVED}{resource.kind}.{resource.group} "{name}" not found'
        raise Unresolved(text, fix=f"create the {resource.kind}{where}")
    found: dict[str, Any] = orjson.loads(raw)
    return found


def virtual(row: Row, spec: Any, name: str, namespace: str) -> Json:
    metadata = {key: text for key, text in (("name", name), ("namespace", namespace)) if text}
    resource = {"apiVersion": GENERATORS_API_VERSION, "kind": row.kind, "metadata": metadata}
    return resource | ({"spec": spec} if spec is not None else {})
