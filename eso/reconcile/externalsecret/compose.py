"""From a spec to the Change, in the order of the spec: read, assemble, look at the target, render. Writes nothing.

Neighbours: reconcile.py prepares a pass with it, `eso render` prints what it gives. Values live as long as the caller
keeps them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

from eso.api.externalsecret import ExternalSecret
from eso.errors import EsoError
from eso.reconcile.externalsecret.apart import Results, assembling, changing, rolling
from eso.reconcile.externalsecret.assemble import Assembled
from eso.reconcile.externalsecret.desired import Change, Nothing
from eso.reconcile.externalsecret.gather import Make, Reads, gather, no_values
from eso.reconcile.externalsecret.inputs import digest
from eso.reconcile.externalsecret.readplan import reads_of
from eso.reconcile.externalsecret.refresh import failing
from eso.reconcile.externalsecret.stage import Failed, Stage
from eso.reconcile.externalsecret.target import Before, Occasion, kind_of
from eso.reconcile.kit.desk import Desk
from eso.reconcile.kit.texts import size
from eso.runtime.loopshare import on_loop
from eso.runtime.memory import reserved, volume
from eso.template import Limits
from eso.template.apply import DEFAULT_TERMS, LARGE, Sources, Terms, cheaply, costly, out_of_bounds, rolls_dice

T = TypeVar("T")
Weight = Callable[[], int]  # bytes of what goes in


class Offload(Protocol):
    """Runs a desk where it holds up nobody else, a few at a time, for one namespace after the other."""

    def __call__(self, namespace: str, desk: Desk[T], limits: Limits, /) -> Awaitable[T]: ...


class Live(Protocol):
    """The target, as far as a Change needs it."""

    async def before(self, es: ExternalSecret, data: Mapping[str, bytes], inputs: bytes, settle: bool) -> Before: ...


class Composer:
    """`sources(es)` reads the template's ConfigMaps and Secrets; `digest_key` keys the digest of what goes in."""

    def __init__(
        self,
        reader: Reads,
        sources: Callable[[ExternalSecret], Awaitable[Sources]],
        offload: Offload,
        terms: Terms,
        digest_key: bytes,
    ) -> None:
        self.reader, self.sources, self.offload, self.terms = reader, sources, offload, terms
        self._digest_key = digest_key

    async def read(
        self, es: ExternalSecret, since: float | None = None, *, urgent: bool = False, make: Make = no_values
    ) -> Results:
        """All reads of the spec, each with its value or its error; `make` asks its generators. Raises GateClosed."""
        return await gather(
            reads_of(es),
            self.reader,
            es.metadata.namespace,
            since,
            urgent=urgent,
            make=make,
            skip_missing=es.spec.target.deletion_policy != "Retain",
        )

    def limits(self) -> Limits:
        """What all the steps of one pass may cost together."""
        return self.terms.limits.of_pass()

    async def assemble(self, es: ExternalSecret, results: Results, limits: Limits | None = None) -> Assembled:
        """The data map; here and below, `limits` are those of the pass. Raises Failed."""
        skip = es.spec.target.deletion_policy != "Retain"
        return await self._compute(es, assembling(results, skip), partial(weight_of, results), limits)

    async def before(
        self, es: ExternalSecret, live: Live, data: Mapping[str, bytes], occasion: Occasion
    ) -> tuple[Before, Sources]:
        """The live object and the template's sources, where the Change depends on them. Raises Failed or the API's
        errors."""
        target = es.spec.target
        if target.creation_policy == "None" or (not data and target.deletion_policy == "Retain"):
            return Before(), {}
        try:
            sources = await self.sources(es)
        except EsoError as error:
            raise Failed(Stage.RENDER, f"{kind_of(es).words.sources_failed}{error}", fix=error.fix) from error
        rolls = await self._rolls(es, sources)
        inputs = digest(self._digest_key, es, data, sources)
        before = await live.before(es, data, inputs, not (rolls and occasion.anew))
        return replace(before, keep=occasion.keeps(inputs), rolls=True) if rolls else before, sources

    async def change(
        self,
        es: ExternalSecret,
        before: Before,
        data: Mapping[str, bytes],
        sources: Sources,
        limits: Limits | None = None,
    ) -> Change:
        """What would be sent. Raises Failed."""
        if before.settled:
            return Nothing()
        desk = changing(es, before, data, sources, self.terms)
        return await self._compute(
            es, desk, lambda: size(sources) + volume(data), limits, heavy=heavy(es, sources, self.terms)
        )

    async def _rolls(self, es: ExternalSecret, sources: Sources) -> bool:
        """Does the template give something else each time? Compiling large texts takes a while, so not on the loop."""
        template = es.spec.target.template
        if not heavy(es, sources, self.terms):
            return await on_loop(es.namespace, lambda: rolls_dice(template, sources, self.terms))
        return await self._apart(es, rolling(template, sources, self.terms), partial(size, sources), None)

    async def _compute(
        self, es: ExternalSecret, desk: Desk[T], weight: Weight, limits: Limits | None, *, heavy: bool = False
    ) -> T:
        """On the loop while it is cheap. A desk that turns out to be expensive runs again elsewhere, so that no other
        object waits for it."""
        if not heavy:
            try:
                return await on_loop(es.namespace, partial(cheaply, desk, limits))
            except EsoError as error:
                if not out_of_bounds(error):
                    raise
        return await self._apart(es, desk, weight, limits)

    async def _apart(self, es: ExternalSecret, desk: Desk[T], weight: Weight, limits: Limits | None) -> T:
        """What travels is a copy."""
        async with reserved(weight()):
            return await self.offload(
                es.namespace, replace(desk, of=es.metadata.name, doubtful=failing(es)), limits or self.terms.limits
            )


def weight_of(results: Results) -> int:
    """Bytes of all values."""
    raws = [raw for _, raw in results if not isinstance(raw, EsoError)]
    return sum(len(raw) if isinstance(raw, bytes) else volume(raw) for raw in raws)


def heavy(es: ExternalSecret, sources: Sources, terms: Terms = DEFAULT_TERMS) -> bool:
    """Whether a rendering is expensive at first sight. Large sources are not even looked through."""
    template = es.spec.target.template
    return template is not None and (size(sources) > LARGE or costly(template, sources, terms))


async def inline(namespace: str, desk: Desk[T], limits: Limits) -> T:
    """An Offload for a process that does nothing else."""
    return desk(limits)
