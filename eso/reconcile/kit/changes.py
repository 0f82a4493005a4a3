"""Where what ChangeSources hear meets those who read it; the rooms do not know each other.

Neighbours: the room of ExternalSecret answers `wake` and tells of its passes, that of ChangeSource asks and listens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from eso.api.changesource import Change, StoreKey
from eso.reconcile.kit.record import PassRecord

Key = tuple[str, str]
Wake = Callable[[StoreKey, Change, str, datetime], tuple[Key, ...]]
Readers = Callable[[StoreKey, str], Iterator[tuple[str, str]]]
REASON: Final = "change event"


class Changes:
    """`on`: change events are served; otherwise no index of remote keys is kept. `most`: by what factor the refresh
    intervals of `immediate` objects may stretch while events are heard; 1 for not at all."""

    def __init__(self, on: bool = False, most: float = 1.0) -> None:
        self.on, self.most = on, most
        self._wakers: list[Wake] = []
        self._readers: list[Readers] = []
        self._listeners: list[Callable[[PassRecord], None]] = []
        self._trusted: Callable[[StoreKey, str], float] | None = None
        self._fallen: list[Callable[[StoreKey, str], None]] = []

    def connect(self, wake: Wake, readers: Readers | None = None) -> None:
        """`wake(store, change, within, at)` puts the objects that read the key on the queue and returns them.
        `readers(store, within)`: what they read, for `readers` below."""
        self._wakers.append(wake)
        if readers is not None:
            self._readers.append(readers)

    def readers(self, store: StoreKey, within: str) -> Iterator[tuple[str, str]]:
        """Namespace and remote key of every single secret that objects read from the store, in no order and with
        repetitions. `within`: only objects of that namespace. The loop may run between two of them."""
        for readers in self._readers:
            yield from readers(store, within)

    def wake(self, store: StoreKey, change: Change, within: str, at: datetime) -> tuple[Key, ...]:
        """Wakes the objects that read `change` from `store`, for a reading not older than now. `within`: only objects
        of that namespace; `at`: when the event came in (UTC)."""
        return tuple(key for wake in self._wakers for key in wake(store, change, within, at))

    def listen(self, listener: Callable[[PassRecord], None]) -> None:
        self._listeners.append(listener)

    def passed(self, record: PassRecord) -> None:
        """A pass has ended."""
        for listener in self._listeners:
            listener(record)

    # how far events are trusted

    def judge(self, trusted: Callable[[StoreKey, str], float]) -> None:
        """`trusted(store, namespace)`: the factor for objects of the namespace that read from the store."""
        self._trusted = trusted

    def stretch(self, store: StoreKey, namespace: str) -> float:
        """By what the refresh interval of an object may be multiplied now."""
        return self._trusted(store, namespace) if self._trusted is not None and self.most > 1 else 1.0

    def on_fallen(self, listener: Callable[[StoreKey, str], None]) -> None:
        """`listener(store, within)`: intervals that were stretched are not any more."""
        self._fallen.append(listener)

    def fallen(self, store: StoreKey, within: str) -> None:
        for listener in self._fallen:
            listener(store, within)
