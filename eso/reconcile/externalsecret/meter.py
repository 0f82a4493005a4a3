"""One pass, counted: what the metrics take from its record.

Neighbours: reconcile.py hands over the record, `observe.metrics` implements `Meter`.
"""

from __future__ import annotations

from typing import Protocol

from eso.reconcile.kit.record import Ended, PassRecord

Key = tuple[str, str]


class Meter(Protocol):
    def passed(self, key: Key, seconds: float) -> None: ...
    def errored(self, key: Key) -> None: ...
    def missed(self, key: Key, slots: int) -> None: ...
    def drifted(self, key: Key, manager: str) -> None: ...
    def ready(self, key: Key, status: str) -> None: ...
    def gone(self, key: Key) -> None: ...


def count(meter: Meter, record: PassRecord) -> None:
    key = record.key
    if record.ended is Ended.GONE:
        meter.gone(key)
    if record.missed:
        meter.missed(key, record.missed)
    if record.drift:
        meter.drifted(key, record.changed_by)
    if record.failed:
        meter.errored(key)
    if record.ready is not None:
        meter.ready(key, record.ready.status)
    meter.passed(key, record.seconds)
