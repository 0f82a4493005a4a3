"""Which stores a PushSecret goes to: its references and the stores of the cluster → store records, or the refusal.

Neighbours: reconcile.py asks in every pass, triggers.py asks which objects refer to a store. Whether a store may be
used from this namespace is decided by `stores.resolve` when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from eso.api.labels import InvalidSelector, LabelSelector, check, matches
from eso.api.pushsecret import PushDataTo, PushSecretSpec, PushStoreRef
from eso.api.secretstore import SecretStore
from eso.api.validate import data_to_refusals
from eso.errors import EsoError

KINDS = ("SecretStore", "ClusterSecretStore")


class NoStore(EsoError):
    """A reference cannot be resolved."""


class BadDataTo(EsoError):
    """A dataTo rule names a store that secretStoreRefs does not have."""


def store_key(store: SecretStore) -> str:
    """As in `status.syncedPushSecrets`."""
    return f"{store.kind}/{store.name}"


def check_data_to(spec: PushSecretSpec) -> None:
    """What can be said before anything is read. Raises BadDataTo."""
    for text in data_to_refusals(spec):
        raise BadDataTo(
            text, fix="name the store in secretStoreRefs too; one that is only selected by a label does not count"
        )


def resolved(
    spec: PushSecretSpec,
    get: Callable[[str, str], SecretStore | None],
    every: Callable[[str], Iterable[SecretStore]],
) -> list[SecretStore]:
    """The stores of all references, in their order and then by name, each once.

    `get(kind, name)` and `every(kind)` look at what this namespace can refer to. Raises NoStore.
    """
    found: dict[str, SecretStore] = {}
    for ref in spec.secret_store_refs:
        for store in of_one(ref, get, every):
            found.setdefault(store_key(store), store)
    return list(found.values())


def usable(stores: Iterable[SecretStore], controller_class: str) -> list[SecretStore]:
    """Without those that are going away or belong to another controller class."""
    return [
        store
        for store in stores
        if store.metadata.deletion_timestamp is None and store.spec.controller in ("", controller_class)
    ]


def of_one(
    ref: PushStoreRef,
    get: Callable[[str, str], SecretStore | None],
    every: Callable[[str], Iterable[SecretStore]],
) -> list[SecretStore]:
    kind = ref.store_kind
    if ref.label_selector is not None:
        try:
            check(ref.label_selector)
        except InvalidSelector as error:
            raise NoStore(f"could not convert labels: {error}", fix=error.fix) from error
        return sorted(
            (store for store in every(kind) if matches(ref.label_selector, store.metadata.labels)),
            key=lambda store: store.name,
        )
    if not ref.name:
        raise NoStore("refStore Name must be provided", fix="give secretStoreRefs[].name or a labelSelector")
    found = get(kind, ref.name)
    if found is None:
        raise NoStore(
            f'could not get {kind} "{ref.name}", {kind}.external-secrets.io "{ref.name}" not found',
            fix=f"create the {kind}",
        )
    return [found]


def check_targets(spec: PushSecretSpec, stores: Iterable[SecretStore]) -> None:
    """What can be said once the stores are known. Raises BadDataTo."""
    known = list(stores)
    for i, rule in enumerate(spec.data_to):
        ref = rule.store_ref
        if ref is None or ref.name or ref.label_selector is None:
            continue
        try:
            check(ref.label_selector)
        except InvalidSelector as error:
            raise BadDataTo(f"dataTo[{i}]: invalid labelSelector: {error}", fix=error.fix) from error
        if not any(targets(rule, store) for store in known):
            raise BadDataTo(f"dataTo[{i}]: labelSelector does not match any store in secretStoreRefs")


def targets(rule: PushDataTo, store: SecretStore) -> bool:
    """Whether the rule is for this store; its name wins over its labels. Raises InvalidSelector."""
    ref = rule.store_ref
    if ref is None or ref.store_kind != store.kind:
        return False
    if ref.name:
        return ref.name == store.name
    return ref.label_selector is not None and matches(ref.label_selector, store.metadata.labels)


def may_refer(ref: PushStoreRef, kind: str, name: str, labels: Mapping[str, str]) -> bool:
    """Whether the reference could mean that store: for the finalizer that holds a store as long as it is needed. An
    empty kind means both kinds, and name and label count both."""
    if ref.kind and ref.kind != kind:
        return False
    if ref.name and ref.name == name:
        return True
    return ref.label_selector is not None and selects(ref.label_selector, labels)


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """`matches` for a trigger: a selector that is none selects nothing, its pass has told so."""
    try:
        return matches(selector, labels)
    except InvalidSelector:
        return False
