"""Reads what is pushed: a Secret by name, Secrets by label, or a generator's values; and what the template refers to.

Neighbours: reconcile.py reads in every pass that has something to send. Values live for one pass.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol

import msgspec
import orjson

from eso.api.externalsecret import GeneratorRef, Template
from eso.api.labels import LabelSelector, check
from eso.api.meta import CONFIG_MAPS, SECRETS
from eso.api.pushsecret import PushSecret, PushSelector
from eso.errors import EsoError, Terminal
from eso.kube.rest import Rest
from eso.providers.contract import Source
from eso.reconcile.kit.texts import Texts
from eso.runtime.loopshare import on_loop
from eso.runtime.memory import decoded, reserve, scratch, volume
from eso.template.apply import Sources as TemplateSources

MOST_BYTES: Final = 16 << 20  # of all sources of one object, and of all of its template's
NEVER: Final = datetime.min.replace(tzinfo=UTC)
GENERATED: Final = "___generated-secret"
Json = dict[str, Any]
Version = tuple[str, str, str]  # name, uid, resourceVersion


class Values(Protocol):
    """The generators, as far as pushing needs them."""

    async def make(self, ps: PushSecret, ref: GeneratorRef) -> Mapping[str, bytes]:
        """Fresh values. Raises EsoError."""

    async def superseded(self, ps: PushSecret) -> None:
        """A Secret was pushed: of the values that a generator made before, all but the latest expire."""


class NoSource(EsoError):
    """The source cannot be read. `gone`: the API server proved that the Secret of that name does not exist."""

    def __init__(self, message: str, *, gone: bool = False, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.gone = gone


class NoTemplateSource(EsoError):
    """An object that templateFrom names is not there, or all of them are too much."""


class NoGenerators(Terminal):
    """This process makes no values."""


class Refused:
    """The Values of a process without generators."""

    async def make(self, ps: PushSecret, ref: GeneratorRef) -> Mapping[str, bytes]:
        what = f"{ref.kind} {ref.name}"
        raise NoGenerators(f"unable to resolve generator: {what}: generators are not served by this version")

    async def superseded(self, ps: PushSecret) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Read:
    """The sources in the order of their names. `newest`: when one of them was written last, None for unknown."""

    sources: tuple[Source, ...] = field(repr=False)
    versions: tuple[Version, ...] = ()
    newest: datetime | None = None


class Reader:
    """`values` makes a generator's values."""

    def __init__(self, rest: Rest, values: Values | None = None) -> None:
        self.rest, self.values = rest, values or Refused()

    async def read(self, ps: PushSecret) -> Read:
        """Raises NoSource, or the API server's errors."""
        selector, namespace = ps.spec.selector, ps.namespace
        secret = selector.secret
        if secret is not None and secret.name:
            with scratch():
                raw = await self.rest.get(SECRETS, namespace, secret.name)
                if raw is None:
                    raise NoSource(
                        f'secrets "{secret.name}" not found',
                        gone=True,
                        fix=f"create the Secret in namespace {namespace}",
                    )
                found = await taken(raw, namespace)
            await reserve(volume(found.source.data))
            return gathered([found])
        if selector.generator_ref is not None:
            try:
                values = await self.values.make(ps, selector.generator_ref)
            except EsoError as error:
                ref = selector.generator_ref
                raise NoSource(
                    f"could not resolve secret from generator ref {ref.kind}/{ref.name}: {error}", fix=error.fix
                ) from error
            return Read((Source(values, name=GENERATED, namespace=namespace),))
        if secret is not None and secret.selector is not None:
            return gathered(await self._labelled(namespace, secret.selector))
        raise NoSource("no secret selector provided", fix="set spec.selector.secret.name, or a selector")

    async def templates(self, ps: PushSecret) -> tuple[TemplateSources, tuple[Version, ...]]:
        """Contents of the ConfigMaps and Secrets that `templateFrom` names, and their versions. Raises
        NoTemplateSource."""
        found: dict[tuple[str, str], Mapping[str, str]] = {}
        versions: list[Version] = []
        size = 0
        for kind, name in template_sources(ps.spec.template):
            resource = CONFIG_MAPS if kind == "ConfigMap" else SECRETS
            with scratch() as spare:
                raw = await self.rest.get(resource, ps.namespace, name)
                if raw is None:
                    raise NoTemplateSource(
                        f'{resource.plural} "{name}" not found', fix=f"create the {kind} in namespace {ps.namespace}"
                    )
                size += len(raw)
                if size > MOST_BYTES:
                    raise NoTemplateSource(f"the sources of templateFrom are more than {MOST_BYTES} bytes")
                live = orjson.loads(raw)
                data = live.get("data") or {}
                kept = Texts.of(data) if kind == "ConfigMap" else Texts.of(texts(data))
                found[kind, name] = kept
                versions.append(version(live))
                spare.keep(volume(kept.contents))
        return found, tuple(sorted(versions))

    async def _labelled(self, namespace: str, selector: LabelSelector) -> list[Found]:
        size, found = 0, list[Found]()
        async for page in self.rest.list_pages(SECRETS, namespace, label_selector=selector_text(selector)):
            size += len(page)
            if size > MOST_BYTES:
                raise NoSource(f"the Secrets that the selector matches are more than {MOST_BYTES} bytes")
            for item in _list.decode(page).items:
                with scratch():
                    one = await taken(item, namespace)
                await reserve(volume(one.source.data))
                found.append(one)
        return found


class _List(msgspec.Struct):
    items: list[msgspec.Raw] = []


_list: Final = msgspec.json.Decoder(_List)


@dataclass(frozen=True, slots=True)
class Found:
    """A Secret that was read. `written`: when anybody wrote it last, as the API server noted it; None when it did
    not."""

    source: Source = field(repr=False)
    version: Version
    written: datetime | None


async def taken(raw: bytes | msgspec.Raw, namespace: str) -> Found:
    """The Secret. What it takes to read it is reserved."""
    body = bytes(raw)
    await reserve(await on_loop(namespace, partial(decoded, body)))
    return await on_loop(namespace, partial(read, body))


def read(body: bytes) -> Found:
    live = orjson.loads(body)
    return Found(source(live), version(live), written(live))


def gathered(found: list[Found]) -> Read:
    ordered = sorted(found, key=lambda one: one.version)
    times = [one.written for one in ordered]
    newest = None if None in times else max((time for time in times if time is not None), default=NEVER)
    return Read(tuple(one.source for one in ordered), tuple(one.version for one in ordered), newest)


def source(live: Json) -> Source:
    meta = live["metadata"]
    return Source(
        {key: base64.b64decode(value) for key, value in (live.get("data") or {}).items()},
        name=meta["name"],
        namespace=meta.get("namespace", ""),
        type=live.get("type", ""),
        labels=meta.get("labels") or {},
        annotations=meta.get("annotations") or {},
    )


def version(live: Json) -> Version:
    meta = live["metadata"]
    return meta["name"], meta.get("uid", ""), meta.get("resourceVersion", "")


def written(live: Json) -> datetime | None:
    """When anybody wrote the object last, as the API server noted it; None when it did not."""
    meta = live["metadata"]
    times = [entry.get("time") for entry in meta.get("managedFields") or ()] + [meta.get("creationTimestamp")]
    known = [datetime.fromisoformat(time) for time in times if time]
    return max(known) if meta.get("managedFields") and known else None


def texts(data: Mapping[str, str]) -> dict[str, str]:
    return {key: base64.b64decode(value).decode(errors="surrogateescape") for key, value in data.items()}


def template_sources(template: Template | None) -> list[tuple[str, str]]:
    """(kind, name) of what `templateFrom` names, each once."""
    found: dict[tuple[str, str], None] = {}
    for entry in template.template_from if template is not None else ():
        for kind, one in (("ConfigMap", entry.config_map), ("Secret", entry.secret)):
            if one is not None:
                found[kind, one.name] = None
    return list(found)


def selector_text(selector: LabelSelector) -> str:
    """The selector as the API server takes it in a query. Raises InvalidSelector."""
    check(selector)
    return ",".join([*equalities(selector), *requirements(selector)])


def equalities(selector: LabelSelector) -> Iterator[str]:
    for key, value in sorted(selector.match_labels.items()):
        yield f"{key}={value}"


def requirements(selector: LabelSelector) -> Iterator[str]:
    for one in selector.match_expressions:
        match one.operator:
            case "In":
                yield f"{one.key} in ({','.join(one.values)})"
            case "NotIn":
                yield f"{one.key} notin ({','.join(one.values)})"
            case "Exists":
                yield one.key
            case _:
                yield f"!{one.key}"


def names_of(selector: PushSelector) -> str | None:
    """The name of the one Secret that is the source, "" for Secrets by label, None for neither."""
    secret = selector.secret
    if secret is not None and secret.name:
        return secret.name
    if selector.generator_ref is None and secret is not None and secret.selector is not None:
        return ""
    return None
