"""Credentials in a store's block: where they stand, whose namespace they name, what a login depends on.

Neighbours: every provider's spec.py. A `Named` is one selector of the block with the words that admission puts before
its refusal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from eso.providers.contract import Consumer, InvalidConfig, Place, StoreView

Json = Mapping[str, Any]
WRONG_NAMESPACE: Final = (
    "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"
)
NO_NAMESPACE: Final = "cluster scope requires namespace"


@dataclass(frozen=True, slots=True)
class Named:
    """`words`: what admission says before the fault. `counts`: a missing namespace makes a ClusterSecretStore
    referent."""

    words: str
    selector: Json
    kind: str = "Secret"
    counts: bool = True

    @property
    def namespace(self) -> str:
        return str(self.selector.get("namespace") or "")

    @property
    def place(self) -> Place:
        return self.kind, self.namespace, str(self.selector.get("name") or "")


def part(block: Json, *names: str) -> Json:
    """The object at a path of members, {} where one is missing."""
    found: Any = block
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def has(block: Json, *names: str) -> bool:
    """Whether the member is there, be it empty."""
    found: Any = block
    for name in names:
        if not isinstance(found, Mapping) or found.get(name) is None:
            return False
        found = found[name]
    return True


def one(block: Json, words: str, *names: str, kind: str = "Secret", counts: bool = True) -> Iterator[Named]:
    """The selector at a path of members, if it is there."""
    if has(block, *names):
        yield Named(words, part(block, *names), kind, counts)


def refuse_foreign(store: StoreView, named: Iterable[Named]) -> None:
    """The referent check: a SecretStore may not name another namespace; a ClusterSecretStore may leave it out."""
    for found in named:
        if not store.cluster_scoped and found.namespace not in ("", store.namespace):
            raise InvalidConfig(f"{found.words}{WRONG_NAMESPACE}", fix="leave the namespace out")


def refuse_loose(store: StoreView, named: Iterable[Named]) -> None:
    """The strict check: as `refuse_foreign`, and a ClusterSecretStore has to name the namespace."""
    for found in named:
        if store.cluster_scoped and not found.namespace:
            raise InvalidConfig(f"{found.words}{NO_NAMESPACE}", fix="write the namespace of the credential")
        refuse_foreign(store, (found,))


def referent(store: StoreView, named: Iterable[Named]) -> bool:
    """Whether this is a ClusterSecretStore whose credential is looked up with each consumer."""
    return store.cluster_scoped and any(found.counts and not found.namespace for found in named)


def consumer(store: StoreView, named: Iterable[Named]) -> Consumer:
    return Consumer.CREDENTIALS if referent(store, named) else Consumer.NONE


def authorities(block: Json) -> Iterator[Named]:
    """The `caProvider`, where it is used: a `caBundle` wins."""
    found = part(block, "caProvider")
    if found and not block.get("caBundle"):
        yield Named("", found, "ConfigMap" if found.get("type") == "ConfigMap" else "Secret", counts=False)


def references(block: Json, named: Iterable[Named]) -> tuple[Place, ...]:
    """Every Secret, ConfigMap and ServiceAccount behind the login, for `Plan.references`."""
    return tuple(dict.fromkeys(found.place for found in (*named, *authorities(block))))
