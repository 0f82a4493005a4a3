"""A fixed place inside the interval for everything that is refreshed.

Neighbours: `reconcile.*.refresh` asks when the next slot is. The place depends on the phase text alone: restarts and
creation bursts spread by themselves, and objects with the same phase fall due together.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
TOO_SOON: Final = 0.05  # share of the interval: a slot that comes sooner after a refresh is not worth a second read


def offset(phase: str, interval: float) -> float:
    """Where inside an interval of `interval` seconds the phase has its place: 0 <= offset < interval.

    One large number modulo the interval, so that the slots of a long interval are also slots of every interval that
    divides it. Whole seconds when the interval is: a refresh time cut to seconds (as status has it) then never falls
    back before its own slot.
    """
    return _offset_us(phase, _microseconds(interval)) / 1e6


def next_due(now: datetime, interval: float, phase: str, refreshed: datetime) -> float:
    """Seconds from `now` to the next refresh after a success at `refreshed`; zero or less when it is overdue.

    Never later than `refreshed + interval`. Usually the next slot. A slot right after the refresh is skipped; as the
    slot after that would be too late, the way to it is split in two: one more read, halfway, and from then on the
    object keeps its slot. Raises ValueError when `interval` (seconds) is not positive.
    """
    every = _microseconds(interval)
    last = (refreshed - EPOCH) // MICROSECOND
    gap = every - (last - _offset_us(phase, every)) % every  # in (0, every]
    if gap < every * TOO_SOON:
        gap = (gap + every) // 2
    return (last + gap - (now - EPOCH) // MICROSECOND) / 1e6


def _microseconds(interval: float) -> int:
    every = round(interval * 1e6)
    if every <= 0:
        raise ValueError("an interval without length has no slots")
    return every


def _offset_us(phase: str, every: int) -> int:
    seconds = int.from_bytes(blake2b(phase.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
    return seconds * 1_000_000 % every
