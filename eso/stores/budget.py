"""How many requests a second an open gate lets through: halved by a 429, doubled while it recovers, then creeping up.

Neighbours: gate.py asks before every request, breaker.py says whether any may pass at all. Times are monotonic seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

SLOWEST = 1.0  # requests a second
RAMP = 20.0  # the pace right after an outage; doubles every second
SAFE = 0.85  # of the pace that was refused: up to there the rate doubles every second, above it creeps
CREEP = 0.01  # of the rate, gained per second for each second since the refusal: slow at first, then ever faster
FREE = 1000.0  # faster than this we do not count any more


@dataclass(frozen=True, slots=True)
class Budget:
    """`rate` requests a second now (inf = unpaced), never above `quota`; the next one may go at `next_at`.

    `known`: the pace that is safe: below it the rate doubles, above it the rate creeps. `window`, `sent`, `before`
    count requests per second.
    """

    rate: float = math.inf
    quota: float = math.inf
    known: float = math.inf
    next_at: float = 0.0
    grown_at: float = 0.0
    cut_at: float = -math.inf
    window: int = 0
    sent: int = 0
    before: int = 0

    @property
    def paced(self) -> bool:
        return self.rate < math.inf


def declared(quota: float) -> Budget:
    """A budget with a quota that somebody promised to keep: burst 1."""
    return Budget(rate=quota, quota=quota, known=quota)


def take(budget: Budget, now: float) -> tuple[Budget, float]:
    """Reserves the next place. Returns the seconds to wait for it."""
    counted = count(budget, now)
    if not budget.paced:
        return counted, 0.0
    start = max(now, budget.next_at)
    return replace(counted, next_at=start + 1.0 / budget.rate), start - now


def backlog(budget: Budget, now: float) -> float:
    """Seconds that the next request would wait."""
    return max(0.0, budget.next_at - now) if budget.paced else 0.0


def count(budget: Budget, now: float) -> Budget:
    second = int(now)
    if second == budget.window:
        return replace(budget, sent=budget.sent + 1)
    return replace(budget, window=second, sent=1, before=budget.sent if second == budget.window + 1 else 0)


def observed(budget: Budget, now: float) -> float:
    """Requests a second lately."""
    current = budget.sent if int(now) == budget.window else 0
    return float(max(current, budget.before if int(now) - budget.window <= 1 else 0, SLOWEST))


def throttled(budget: Budget, now: float, asked: float = math.inf) -> Budget:
    """The backend said 429: half of what it was asked for, once a second however many requests it refused. `asked`: how
    much that was when it refused the first of them."""
    if now - budget.cut_at < 1.0:
        return budget
    refused = min(budget.rate, observed(budget, now), asked)
    floor = min(SLOWEST, budget.quota)
    rate, known = max(floor, refused / 2), max(floor, refused * SAFE)
    return replace(budget, rate=rate, known=known, cut_at=now, grown_at=now, next_at=max(budget.next_at, now))


def ramped(budget: Budget, now: float) -> Budget:
    """After an outage: start slowly even where nothing was refused; a slower pace stays."""
    if budget.rate <= RAMP:
        return replace(budget, grown_at=now)
    return replace(budget, rate=min(RAMP, budget.quota), grown_at=now, next_at=now)


def grown(budget: Budget, now: float) -> Budget:
    """A request passed: the pace grows with the time since it last grew (at most a second of it)."""
    if not budget.paced or budget.rate >= budget.quota:
        return budget
    elapsed = min(1.0, max(0.0, now - budget.grown_at))
    if budget.rate < budget.known:
        rate = min(budget.rate * 2.0**elapsed, budget.known)
    else:
        rate = budget.rate * (1 + CREEP * elapsed * min(100.0, now - budget.cut_at))
    rate = min(rate, budget.quota)
    if rate >= FREE and budget.quota == math.inf:
        return replace(budget, rate=math.inf, known=math.inf, grown_at=now)
    return replace(budget, rate=rate, grown_at=now)
