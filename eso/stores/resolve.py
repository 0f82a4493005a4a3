"""A store reference → the store and its plan, or the reference's refusal.

Neighbours: reads.py asks first of all, plans.py knows what a provider makes of the store. The checks stand in the order
in which users see them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from eso.api.externalsecret import StoreRef
from eso.api.labels import InvalidSelector, matches
from eso.api.secretstore import SecretStore, StoreCondition
from eso.errors import EsoError
from eso.gocompat import regexp
from eso.stores.plans import Plans, Store

StoreLookup = Callable[[str, str, str], SecretStore | None]  # kind, namespace ("" for a ClusterSecretStore), name
NamespaceLabels = Callable[[str], Mapping[str, str] | None]
NAMESPACE_NAME = "kubernetes.io/metadata.name"


class StoreMissing(EsoError):
    """No such store (yet)."""


class NotOurs(EsoError):
    """The store belongs to another controller class."""


class NotAllowed(EsoError):
    """The store's conditions do not admit the namespace."""


class NotReady(EsoError):
    """The store's own validation has not succeeded."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides whether a reference may be used, besides the store itself."""

    store: StoreLookup
    namespace_labels: NamespaceLabels
    plans: Plans
    controller_class: str = "default"
    flood_gate: bool = True
    # reasons to wait: a first validation that is on its way, a pause
    unvalidated: Callable[[SecretStore], EsoError | None] = lambda store: None
    paused: Callable[[SecretStore], EsoError | None] = lambda store: None


def resolve(ref: StoreRef, namespace: str, rules: Rules) -> Store:
    """The store that `ref` names for a consumer in `namespace`. Raises StoreMissing, NotOurs, NotAllowed, NotReady,
    InvalidStore, Unsupported."""
    kind = "ClusterSecretStore" if ref.cluster_scoped else "SecretStore"
    found = rules.store(kind, "" if ref.cluster_scoped else namespace, ref.name)
    if found is None:
        raise StoreMissing(
            f'could not get {kind} "{ref.name}", {kind}.external-secrets.io "{ref.name}" not found',
            fix=f"create the {kind}",
        )
    if found.spec.controller and found.spec.controller != rules.controller_class:
        raise NotOurs(
            "can not reference unmanaged store", fix=f"the store's spec.controller is {found.spec.controller}"
        )
    if (
        ref.cluster_scoped
        and found.spec.conditions
        and not admitted(found.spec.conditions, namespace, rules.namespace_labels)
    ):
        text = f'using cluster store "{ref.name}" is not allowed from namespace "{namespace}": denied by spec.condition'
        raise NotAllowed(text, fix="add the namespace to the store's spec.conditions")
    if (pause := rules.paused(found)) is not None:
        raise pause
    if rules.flood_gate and not found.ready:
        if (waiting := rules.unvalidated(found)) is not None:
            raise waiting
        raise NotReady(f'{kind} "{ref.name}" is not ready', fix=unready(found))
    return rules.plans.of(found)


def admitted(conditions: tuple[StoreCondition, ...], namespace: str, namespace_labels: NamespaceLabels) -> bool:
    """Any part of any condition that matches is enough. Raises NotAllowed when the namespace is unknown or a part
    cannot be read."""
    labels = namespace_labels(namespace)
    if labels is None:
        raise NotAllowed(f'failed to get a namespace "{namespace}": namespaces "{namespace}" not found')
    return any(admits(condition, labels) for condition in conditions)


def admits(condition: StoreCondition, labels: Mapping[str, str]) -> bool:
    name = labels.get(NAMESPACE_NAME, "")
    if condition.namespace_selector is not None:
        try:
            if matches(condition.namespace_selector, labels):
                return True
        except InvalidSelector as error:
            raise NotAllowed(
                f"failed to convert label selector into labels.Selector: {error}",
                fix="change spec.conditions[].namespaceSelector",
            ) from error
    if name and name in condition.namespaces:
        return True
    meter = regexp.Allowance()
    for pattern in condition.namespace_regexes:
        try:
            if regexp.compile(pattern).matches(name.encode(), meter):
                return True
        except regexp.TooCostly as error:
            raise NotAllowed(
                f"spec.conditions[].namespaceRegexes: {error}", fix="write fewer and simpler expressions"
            ) from error
        except regexp.RegexpError as error:
            raise NotAllowed(
                f"failed to compile regex {pattern}: {error}", fix="change spec.conditions[].namespaceRegexes"
            ) from error
    return False


def unready(store: SecretStore) -> str:
    """What the store says about itself."""
    ready = next((c for c in store.status.conditions if c.type == "Ready"), None)
    return "the store has not been validated yet" if ready is None else f"its condition says: {ready.message}"
