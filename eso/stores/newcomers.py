"""Stores that were never validated: objects that use one wait for the first answer instead of failing before it.

Neighbours: resolve.py asks `reason`, front.py tells what became of a store; gate.py holds the parked keys.
"""

from __future__ import annotations

from collections.abc import Collection

from eso.api.secretstore import SecretStore
from eso.errors import EsoError
from eso.runtime.clock import Clock
from eso.stores.gate import Gates

PATIENCE = 10.0  # seconds from the first object that asks until the store counts as not ready
CAUSE = "the store has not been validated yet"

Where = tuple[str, str, str]


class Newcomers:
    """`kinds`: the store kinds whose validation runs in this process."""

    def __init__(self, gates: Gates, clock: Clock, kinds: Collection[str], controller_class: str) -> None:
        self.gates, self.clock, self.kinds, self.controller_class = gates, clock, kinds, controller_class
        self._asked: dict[Where, tuple[str, float]] = {}  # uid, and when the first object asked

    def reason(self, store: SecretStore) -> EsoError | None:
        """The error that parks a key until the store's first validation; None when it is not worth waiting for."""
        if store.kind not in self.kinds or store.spec.controller not in ("", self.controller_class) or validated(store):
            return None
        where, now = (store.kind, store.namespace, store.name), self.clock.monotonic()
        uid, since = self._asked.setdefault(where, (store.metadata.uid, now))
        if uid != store.metadata.uid:
            self._asked[where] = (store.metadata.uid, since := now)
        if now >= since + PATIENCE:
            return None
        return self.gates.hold(gate_of(where), since + PATIENCE, CAUSE)

    def changed(self, where: Where, store: SecretStore | None) -> None:
        """The informer has another record. A validated store, and one that is gone, holds no key back any more."""
        if (store is None or validated(store)) and self._asked.pop(where, None) is not None:
            self.gates.forget(gate_of(where))


def validated(store: SecretStore) -> bool:
    """An answer was told. A store that was paused before its first validation says Unknown."""
    return any(c.type == "Ready" and c.status != "Unknown" for c in store.status.conditions)


def gate_of(where: Where) -> str:
    kind, namespace, name = where
    return f"store:{kind}/{namespace}/{name}"
