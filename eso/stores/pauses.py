"""Stores that their annotation pauses: nothing is read from them, and the keys that want to wait.

Neighbours: resolve.py asks `reason`, front.py tells what became of a store; gate.py holds the parked keys.
"""

from __future__ import annotations

from eso.api.meta import rfc3339
from eso.api.secretstore import SecretStore
from eso.api.suspend import FOREVER, suspended_until
from eso.errors import EsoError
from eso.runtime.clock import Clock
from eso.stores.gate import Gates, StoreSuspended

Where = tuple[str, str, str]


class Pauses:
    """One per process."""

    def __init__(self, gates: Gates, clock: Clock) -> None:
        self.gates, self.clock = gates, clock
        self._held: set[Where] = set()

    def reason(self, store: SecretStore) -> EsoError | None:
        """The error that parks a key for as long as the store is paused; None when it is not."""
        now = self.clock.now()
        until = suspended_until(store.metadata.annotations, now)
        if until is None:
            return None
        where = (store.kind, store.namespace, store.name)
        self._held.add(where)
        cause = f'{store.kind} "{store.name}" is suspended' + ("" if until == FOREVER else f" until {rfc3339(until)}")
        ends = self.clock.monotonic() + (until - now).total_seconds()
        return self.gates.hold(gate_of(where), ends, cause, StoreSuspended)

    def changed(self, where: Where) -> None:
        """The informer has another record, or none: the keys that wait ask again."""
        if where in self._held:
            self._held.discard(where)
            self.gates.forget(gate_of(where))


def gate_of(where: Where) -> str:
    kind, namespace, name = where
    return f"suspended:{kind}/{namespace}/{name}"
