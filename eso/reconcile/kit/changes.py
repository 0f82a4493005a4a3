"""Where what ChangeSources hear meets those who read it; the rooms do not know each other.

Neighbours: the room of ExternalSecret answers `wake` and tells of its passes, that of ChangeSource asks and listens.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from eso.api.changesource import Change
from eso.reconcile.kit.record import PassRecord

Key = tuple[str, str]
StoreKey = tuple[str, str, str]  # kind, namespace ("" for a ClusterSecretStore), name
Wake = Callable[[StoreKey, Change, str, datetime], tuple[Key, ...]]
REASON: Final = "change event"


class Changes:
    """`on`: change events are served; otherwise no index of remote keys is kept."""

    def __init__(self, on: bool = False) -> None:
        self.on = on
        self._wakers: list[Wake] = []
        self._listeners: list[Callable[[PassRecord], None]] = []

    def connect(self, wake: Wake) -> None:
        """`wake(store, change, within, at)` puts the objects that read the key on the queue and returns them."""
        self._wakers.append(wake)

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
