"""A store record → the store with its plan, or its refusal: the one place where a provider's spec runs.

Neighbours: resolve.py and the front door ask, registry.py has the specs. A spec runs once per generation of a store;
whatever it raises refuses this store and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import isfinite

from eso.api.secretstore import SecretStore
from eso.api.validate import provider_of
from eso.api.wellknown import EXTENSIONS_PREFIX
from eso.errors import EsoError, Terminal
from eso.providers.contract import Consumer, InvalidConfig, Plan, Spec, StoreView
from eso.stores.registry import Registry

ANNOTATION_PACE = f"{EXTENSIONS_PREFIX}requests-per-second"


class SpecFailed(Terminal):
    """A provider's spec raised something that is no EsoError: a bug of ours, told as this store's refusal."""


@dataclass(frozen=True, slots=True)
class Store:
    """A store that its provider can work with: the object, what the provider may see of it, its spec and plan.

    `pace`: requests per second that the store's annotation or the provider declares, None when nobody does.
    """

    object: SecretStore
    view: StoreView
    spec: Spec
    plan: Plan
    pace: float | None = None

    @property
    def per_consumer(self) -> bool:
        """Whether each consumer's namespace has a login of its own: also where one credential alone is looked up there,
        whatever the provider calls the store. One consumer's Secret must log nobody else in."""
        elsewhere = self.view.cluster_scoped and any(not namespace for _, namespace, _ in self.plan.references)
        return self.plan.consumer is not Consumer.NONE or elsewhere


class Plans:
    """Plans by store, each kept until another generation of the store appears or the store is gone.

    `planned(store)` is told of each new plan: the reverse index learns the store's credentials there.
    """

    def __init__(self, registry: Registry, planned: Callable[[Store], None] = lambda store: None) -> None:
        self.registry, self.planned = registry, planned
        self._known: dict[tuple[str, str, str], tuple[SecretStore, Store | EsoError]] = {}

    def of(self, record: SecretStore) -> Store:
        """For a pass. Raises InvalidStore, Unsupported, InvalidConfig, SpecFailed: the same until the store is
        edited."""
        answer = self._answer(record)
        if isinstance(answer, EsoError):
            raise answer.with_traceback(None)
        return answer

    def known(self, record: SecretStore) -> Store | None:
        """For the queue and the informers: what an earlier pass found out, without running provider code."""
        place = (record.kind, record.namespace, record.name)
        known = self._known.get(place)
        if known is None or not same(known[0], record) or isinstance(known[1], EsoError):
            return None
        return known[1]

    def forget(self, kind: str, namespace: str, name: str) -> None:
        self._known.pop((kind, namespace, name), None)

    def _answer(self, record: SecretStore) -> Store | EsoError:
        place = (record.kind, record.namespace, record.name)
        known = self._known.get(place)
        if known is not None and known[0] is record:
            return known[1]
        if known is not None and same(known[0], record):
            kept = known[1] if isinstance(known[1], EsoError) else replace(known[1], object=record)
            self._known[place] = (record, kept)
            return kept
        answer = planned(record, self.registry)
        self._known[place] = (record, answer)
        if isinstance(answer, Store):
            self.planned(answer)
        return answer


def same(old: SecretStore, new: SecretStore) -> bool:
    """Whether a plan for `old` is one for `new`: only the status moved."""
    a, b = old.metadata, new.metadata
    return (a.uid, a.generation) == (b.uid, b.generation) and a.annotations == b.annotations


def planned(record: SecretStore, registry: Registry) -> Store | EsoError:
    key = ""
    try:
        key, block = provider_of(record)
        spec = registry.spec(key, record.name)
        meta = record.metadata
        view = StoreView(
            record.kind,
            record.name,
            record.namespace,
            key,
            block,
            meta.uid,
            meta.generation,
            record.spec.retry_settings,
        )
        plan = spec.plan(view)
        return Store(record, view, spec, plan, pace_of(meta.annotations, plan))
    except EsoError as error:
        return error
    except Exception as error:  # a bug in one provider must not reach the stores of the others
        # The text of a foreign exception may quote the spec, so only its type is shown.
        text = f"the provider {key or 'of this store'} cannot read the store: {type(error).__name__}"
        return SpecFailed(text, fix="report this as a bug of the operator; an edit of the store is tried again")


def pace_of(annotations: Mapping[str, str], plan: Plan) -> float | None:
    """The store's own word, else the vendor's. Raises InvalidConfig for an annotation that is no positive number."""
    text = annotations.get(ANNOTATION_PACE)
    if text is None:
        return plan.pace
    try:
        pace = float(text)
    except ValueError:
        pace = 0.0
    if not (isfinite(pace) and pace > 0):
        raise InvalidConfig(f"annotation {ANNOTATION_PACE} is no positive number", fix="write for example 20 or 0.5")
    return pace
