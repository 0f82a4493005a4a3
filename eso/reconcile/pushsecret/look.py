"""What there is to send: the sources as the template leaves them, the chosen stores, and the entries for each of them.

Neighbours: reconcile.py looks in every pass in which something is due or may have changed; sources.py reads, select.py
chooses, apart.py computes. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final, Protocol, TypeVar

from eso.api.externalsecret import Template
from eso.api.pushsecret import PushSecret
from eso.api.secretstore import SecretStore
from eso.errors import EsoError, Terminal
from eso.kube.rest import ApiError, Forbidden
from eso.observe.echo import told
from eso.providers.contract import Source
from eso.reconcile.kit.desk import Desk
from eso.reconcile.kit.texts import size
from eso.reconcile.pushsecret.apart import planning, rendering
from eso.reconcile.pushsecret.plan import Whole
from eso.reconcile.pushsecret.push import Job
from eso.reconcile.pushsecret.refresh import Situation
from eso.reconcile.pushsecret.report import NO_SOURCE, Report, failed, failing
from eso.reconcile.pushsecret.select import check_data_to, check_metadata, check_targets, resolved, store_key, usable
from eso.reconcile.pushsecret.sources import NoSource, NoTemplateSource, Read, Reader, Version
from eso.runtime.loopshare import on_loop
from eso.template import Limits
from eso.template.apply import DEFAULT_TERMS, LARGE, Sources, Terms, cheaply, costly, out_of_bounds

T = TypeVar("T")
MOST_ENTRIES: Final = 16_000  # an entry of the status takes some hundred bytes, and an object 1.5 MiB at most


@dataclass(frozen=True, slots=True)
class PushSettings:
    controller_class: str = "default"
    terms: Terms = DEFAULT_TERMS


class Stores(Protocol):
    """What the informers know of stores."""

    def store(self, kind: str, namespace: str, name: str) -> SecretStore | None: ...
    def stores(self, kind: str, namespace: str) -> Iterable[SecretStore]:
        """Those of the namespace, or all ClusterSecretStores."""


class Offload(Protocol):
    """Runs a desk where it holds up nobody else, a few at a time, for one namespace after the other."""

    def __call__(self, namespace: str, desk: Desk[T], limits: Limits, /) -> Awaitable[T]: ...


class TooManyEntries(Terminal):
    """More is to be sent than one status can tell of."""

    def __init__(self) -> None:
        super().__init__(
            f"more than {MOST_ENTRIES} entries for all stores together: no status can hold them",
            fix="use several PushSecrets",
        )


@dataclass(frozen=True, slots=True)
class Looked:
    """Everything that a push needs. `jobs` are by store, in the order of the stores; `failed` the stores whose plan
    failed. `made`: what a generator made for it."""

    stores: tuple[SecretStore, ...]
    jobs: Mapping[str, Sequence[Job]]
    failed: Mapping[str, EsoError]
    situation: Situation
    newest: datetime | None
    sources: bool


class Failed(Exception):
    """A step failed before anything was sent; carries what is told."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report


class SourceGone(Exception):
    """The named source of an object that deletes with it is proven not to exist. `error` says so."""

    def __init__(self, error: NoSource) -> None:
        super().__init__()
        self.error = error


class Looker:
    """One for all passes."""

    def __init__(self, stores: Stores, reader: Reader, offload: Offload, settings: PushSettings) -> None:
        self.stores, self.reader, self.offload, self.settings = stores, reader, offload, settings

    async def look(self, ps: PushSecret) -> Looked | None:
        """Sources, stores and plans; None when there is nothing to push to. Raises Failed, SourceGone."""
        try:
            check_metadata(ps.spec)
            check_data_to(ps.spec)
        except EsoError as error:
            raise Failed(failed(str(error), error)) from error
        if ps.spec.selector.generator_ref is not None and self.targets(ps) is None:
            return None  # before a value is made that nobody takes
        read = await self.read(ps)
        stores = self.targets(ps)
        if stores is None:
            return None
        limits = self.settings.terms.limits.of_pass()
        sources, templates = await self.rendered(ps, read, limits)
        jobs, wrong = await self.plan(ps, stores, sources, limits)
        situation = Situation(
            read.versions, templates, tuple((store_key(s), s.metadata.uid, s.metadata.generation) for s in stores)
        )
        return Looked(tuple(stores), jobs, wrong, situation, read.newest, bool(sources))

    def targets(self, ps: PushSecret) -> list[SecretStore] | None:
        """The stores that are pushed to; none of them is fine when there is something to clean up. Raises Failed."""
        try:
            every = resolved(ps.spec, self._get(ps), self._every(ps))
            stores = usable(every, self.settings.controller_class)
            if not stores and (every or not (ps.spec.deletes and ps.status.synced_push_secrets)):
                return None
            check_targets(ps.spec, stores)
        except EsoError as error:
            raise Failed(failed(str(error), error)) from error
        return stores

    async def read(self, ps: PushSecret) -> Read:
        try:
            return await self.reader.read(ps)
        except ApiError as error:
            if not isinstance(error, Forbidden):
                raise  # the API server, not the source: nothing to tell
            raise Failed(no_source(error)) from error
        except NoSource as error:
            if error.gone and ps.spec.deletes:
                raise SourceGone(error) from error
            raise Failed(no_source(error)) from error
        except EsoError as error:
            raise Failed(no_source(error)) from error

    async def rendered(self, ps: PushSecret, read: Read, limits: Limits) -> tuple[list[Source], tuple[Version, ...]]:
        """The sources with what the template adds, and the versions of its own sources. Raises Failed."""
        template = ps.spec.template
        if template is None:
            return list(read.sources), ()
        try:
            texts, versions = await self.reader.templates(ps)
        except NoTemplateSource as error:
            text = f"could not apply template: error fetching templateFrom data: {error}"
            raise Failed(failed(text, error)) from error
        heavy = size(texts) > LARGE or costly(template, texts, self.settings.terms)
        out = []
        for source in read.sources:
            try:
                made = await self.compute(ps, rendering(template, source, texts, self.settings.terms), limits, heavy)
                refuse_telling_keys(template, texts, source, made)
            except EsoError as error:
                raise Failed(failed(f"could not apply template: {error}", error)) from error
            out.append(made)
        return out, versions

    async def plan(
        self, ps: PushSecret, stores: Sequence[SecretStore], sources: Sequence[Source], limits: Limits
    ) -> tuple[dict[str, list[Job]], dict[str, EsoError]]:
        """Store → what is sent to it, or why nothing can be. Of several sources with one destination the last one
        wins; with IfNotExists the first, since the others would find it there. Raises Failed."""
        jobs: dict[str, list[Job]] = {}
        wrong: dict[str, EsoError] = {}
        left, wholes = MOST_ENTRIES, [Whole(source) for source in sources]
        for store in stores:
            found: dict[str, Job] = {}
            try:
                for source in wholes:
                    plan = await self.compute(ps, planning(ps.spec, store, source.source), limits)
                    for one in plan:
                        if one.key not in found or ps.spec.update_policy != "IfNotExists":
                            found[one.key] = (one, source)
                    if len(found) > left:
                        error = TooManyEntries()
                        raise Failed(failed(str(error), error))
            except EsoError as error:
                wrong[store_key(store)] = error
            left -= len(found)
            jobs[store_key(store)] = [] if store_key(store) in wrong else list(found.values())
        return jobs, wrong

    async def compute(self, ps: PushSecret, desk: Desk[T], limits: Limits, heavy: bool = False) -> T:
        """On the loop while it is cheap. A desk that turns out to be expensive runs again in a process of its
        namespace."""
        if not heavy:
            try:
                return await on_loop(ps.namespace, partial(cheaply, desk, limits))
            except EsoError as error:
                spent = limits.account is not None and not limits.account.left
                if spent or not out_of_bounds(error):
                    raise
        return await self.offload(ps.namespace, replace(desk, of=ps.name, doubtful=failing(ps)), limits)

    def _get(self, ps: PushSecret) -> Callable[[str, str], SecretStore | None]:
        return lambda kind, name: self.stores.store(kind, "" if kind == "ClusterSecretStore" else ps.namespace, name)

    def _every(self, ps: PushSecret) -> Callable[[str], Iterable[SecretStore]]:
        return lambda kind: self.stores.stores(kind, "" if kind == "ClusterSecretStore" else ps.namespace)


def refuse_telling_keys(template: Template, texts: Sources, source: Source, made: Source) -> None:
    """Raises Terminal for a key that a template made of a value: rules push keys under their names, and those stand in
    the status. A key that is written in a text of the template, or was there before, is a name."""
    added = made.data.keys() - source.data.keys() - template.data.keys()
    if not added:
        return
    written = [entry.literal or "" for entry in template.template_from]
    written += [text for content in texts.values() for text in content.values()]
    for key in added:
        if not any(key in text for text in written) and told(key, source.data.values(), trusted=True) != key:
            raise Terminal(
                "a key that the template made repeats a part of a value, and would stand in the status",
                fix="write the keys of templateFrom as they are, without values in them",
            )


def no_source(error: EsoError) -> Report:
    """One condition for every cause; the Event has it."""
    hint = f"; {error.fix}" if error.fix else ""
    cause = EsoError(str(error)) if error.retryable else Terminal(str(error))
    return failed(NO_SOURCE, cause, detail=f" ({error}{hint})")
