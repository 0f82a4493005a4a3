"""Spec → the reads it asks for, in the order in which their results are merged.

Neighbours: gather.py runs the plan; triggers.py builds the reverse index from it; plan and why print it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from eso.api.externalsecret import DataFrom, ExternalSecret, ExternalSecretSpec, GeneratorRef, RemoteRefSpec, StoreRef
from eso.providers.contract import Find, RemoteRef


class One(msgspec.Struct, frozen=True, gc=False):
    """`data[index]`: one value under `secret_key`. A pass may keep thousands of them until it ends, so the collector
    of garbage does not count them."""

    index: int
    store: StoreRef
    secret_key: str
    spec: RemoteRefSpec

    @property
    def remote(self) -> RemoteRef:
        return remote(self.spec)


@dataclass(frozen=True, slots=True)
class Extract:
    index: int
    store: StoreRef
    remote: RemoteRef
    entry: DataFrom


@dataclass(frozen=True, slots=True)
class FindAll:
    index: int
    store: StoreRef
    find: Find
    entry: DataFrom


@dataclass(frozen=True, slots=True)
class Generate:
    index: int
    ref: GeneratorRef
    entry: DataFrom


Read = One | Extract | FindAll | Generate


def remote(spec: RemoteRefSpec) -> RemoteRef:
    return RemoteRef(spec.key, spec.property, spec.version, spec.metadata_policy)


def read_plan(es: ExternalSecret) -> tuple[Read, ...]:
    """`dataFrom` first, then `data`: later results overwrite earlier ones. Within one entry find beats extract beats
    generator."""
    return tuple(reads_of(es))


def reads_of(es: ExternalSecret) -> Iterator[Read]:
    """The same one by one: an object may name thousands."""
    default = es.spec.secret_store_ref or StoreRef()
    for i, entry in enumerate(es.spec.data_from):
        store = (entry.source_ref.store_ref if entry.source_ref else None) or default
        generator = entry.source_ref.generator_ref if entry.source_ref else None
        if entry.find is not None:
            find = Find(
                entry.find.path,
                entry.find.name.regexp if entry.find.name else None,
                None if entry.find.tags is None else tuple(sorted(entry.find.tags.items())),
                entry.find.conversion_strategy,
            )
            yield FindAll(i, store, find, entry)
        elif entry.extract is not None:
            yield Extract(i, store, remote(entry.extract), entry)
        elif generator is not None:
            yield Generate(i, generator, entry)
    for i, item in enumerate(es.spec.data):
        store = (item.source_ref.store_ref or StoreRef()) if item.source_ref else default
        yield One(i, store, item.secret_key, item.remote_ref)


def stores_of(spec: ExternalSecretSpec) -> tuple[StoreRef, ...]:
    """Every store the spec names, each once, in order."""
    refs = [spec.secret_store_ref] if spec.secret_store_ref and spec.secret_store_ref.name else []
    refs += [d.source_ref.store_ref for d in spec.data if d.source_ref and d.source_ref.store_ref]
    refs += [d.source_ref.store_ref for d in spec.data_from if d.source_ref and d.source_ref.store_ref]
    return tuple(dict.fromkeys(refs))


def generators_of(spec: ExternalSecretSpec) -> tuple[GeneratorRef, ...]:
    """Every generator the spec uses, each once, in order."""
    refs = [d.source_ref.generator_ref for d in spec.data_from if d.source_ref and d.source_ref.generator_ref]
    return tuple(dict.fromkeys(refs))


def primary_key(es: ExternalSecret) -> str:
    """The remote key that decides the object's place inside its interval: objects that read it fall due together."""
    for read in reads_of(es):
        match read:
            case One(remote=r) | Extract(remote=r):
                return r.key
            case FindAll(find=f):
                return f"find:{f.path}:{f.name_regexp}"
    return es.metadata.uid


def sources_of(spec: ExternalSecretSpec) -> tuple[tuple[str, str], ...]:
    """(kind, name) of every ConfigMap and Secret that `templateFrom` reads, each once."""
    template = spec.target.template
    found: list[tuple[str, str]] = []
    for source in template.template_from if template else ():
        if source.config_map:
            found.append(("ConfigMap", source.config_map.name))
        if source.secret:
            found.append(("Secret", source.secret.name))
    return tuple(dict.fromkeys(found))
