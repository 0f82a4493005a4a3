"""Which stores a PushSecret goes to: its references and the stores of the cluster → store records, or the refusal.

Neighbours: reconcile.py asks in every pass, triggers.py asks which objects refer to a store. Whether a store may be
used from this namespace is decided by `stores.resolve` when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import orjson

from eso.api.labels import InvalidSelector, LabelSelector, check, fits
from eso.api.pushsecret import PushDataTo, PushSecret, PushSecretSpec, PushStoreRef
from eso.api.secretstore import SecretStore
from eso.api.validate import data_to_refusals
from eso.errors import EsoError, Terminal

KINDS = ("SecretStore", "ClusterSecretStore")
MOST_LOOKS = 20_000
"""Requirements of label selectors that are held against stores for one object: some twentieths of a second."""


class NoStore(EsoError):
    """A reference cannot be resolved."""


class TooMuch(Terminal):
    """The label selectors of one object, held against all stores that they may mean, cost too much."""


class BadMetadata(Terminal):
    """The metadata of an entry is no JSON that a status can hold."""


class BadDataTo(EsoError):
    """A dataTo rule names a store that secretStoreRefs does not have."""


def store_key(store: SecretStore) -> str:
    """As in `status.syncedPushSecrets`."""
    return f"{store.kind}/{store.name}"


def check_metadata(spec: PushSecretSpec) -> None:
    """What the status cannot hold would be pushed and never be deleted. Raises BadMetadata."""
    found = {f"data[{i}]": entry.metadata for i, entry in enumerate(spec.data)}
    found |= {f"dataTo[{i}]": rule.metadata for i, rule in enumerate(spec.data_to)}
    for place, metadata in found.items():
        if metadata is not None:
            try:
                orjson.dumps(metadata)
            except orjson.JSONEncodeError:
                raise BadMetadata(
                    f"{place}.metadata: cannot be written down: too many levels, or a number beyond 64 bits",
                    fix="make it simpler",
                ) from None


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

    `get(kind, name)` and `every(kind)` look at what this namespace can refer to. Raises NoStore, TooMuch.
    """
    found: dict[str, SecretStore] = {}
    known = {kind: list(every(kind)) for kind in {one.store_kind for one in selecting(spec)}}
    check_looks((one.label_selector, len(known[one.store_kind])) for one in selecting(spec))
    for ref in spec.secret_store_refs:
        for store in of_one(ref, get, known.__getitem__):
            found.setdefault(store_key(store), store)
    return list(found.values())


def selecting(spec: PushSecretSpec) -> list[PushStoreRef]:
    """The references by label."""
    return [ref for ref in spec.secret_store_refs if ref.label_selector is not None]


def size(selector: LabelSelector) -> int:
    """What it costs to hold a store against the selector."""
    return 1 + len(selector.match_labels) + sum(1 + len(one.values) for one in selector.match_expressions)


def check_looks(looks: Iterable[tuple[LabelSelector | None, int]]) -> None:
    """`looks`: selectors, and how many stores each is held against. Raises TooMuch."""
    left = MOST_LOOKS
    for selector, stores in looks:
        left -= size(selector) * stores if selector is not None else stores
        if left < 0:
            raise TooMuch(
                f"the label selectors ask for more than {MOST_LOOKS} comparisons with stores",
                fix="use fewer and shorter selectors, or name the stores",
            )


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
            (store for store in every(kind) if fits(ref.label_selector, store.metadata.labels)),
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
    """What can be said once the stores are known. Raises BadDataTo, TooMuch."""
    known = list(stores)
    rules = [rule.store_ref for rule in spec.data_to if rule.store_ref is not None and not rule.store_ref.name]
    check_looks((ref.label_selector, len(known)) for ref in rules)
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
    """Whether the rule, whose selector was checked, is for this store; its name wins over its labels."""
    ref = rule.store_ref
    if ref is None or ref.store_kind != store.kind:
        return False
    if ref.name:
        return ref.name == store.name
    return ref.label_selector is not None and fits(ref.label_selector, store.metadata.labels)


def named(ps: PushSecret) -> set[tuple[str, str]]:
    """(kind, name) of the stores that the object needs by their name, to delete there what it pushed: those of its
    references, and those that its status names. An empty kind means both kinds."""
    if not ps.spec.deletes:
        return set()
    recorded = {(kind, name) for kind, _, name in (store.partition("/") for store in ps.status.synced_push_secrets)}
    refs = [ref for ref in ps.spec.secret_store_refs if ref.name]
    return recorded | {(kind, ref.name) for ref in refs for kind in KINDS if ref.kind in ("", kind)}


def searching(ps: PushSecret, stores: int) -> tuple[PushStoreRef, ...]:
    """The references by label through which the object needs stores. `stores`: how many there are. Selectors that are
    none, or ask for too much, count for nothing: nothing is pushed with them."""
    refs = selecting(ps.spec) if ps.spec.deletes else []
    try:
        check_looks((ref.label_selector, stores) for ref in refs)
        for ref in refs:
            check(ref.label_selector or LabelSelector())
    except EsoError:
        return ()
    return tuple(refs)


def means(refs: Iterable[PushStoreRef], store: SecretStore) -> bool:
    """Whether one of the references could mean that store, apart from its name."""
    return any(
        ref.kind in ("", store.kind) and fits(ref.label_selector, store.metadata.labels)
        for ref in refs
        if ref.label_selector is not None
    )
