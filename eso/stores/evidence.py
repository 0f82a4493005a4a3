"""When a failure that one consumer met holds what many consumers share: a quota, or a login that was made.

Neighbours: gate.py keeps one Evidence for each such gate. One consumer may meet a 429 for a single key, or have a path
that refuses every login. So the first one is held back alone, and the others only once an independent one has met the
same, and none was answered in between. One that has met nothing may try before the time is over; its success shows that
the others were not meant, and those whose failures said so count no more for a while. Time is an argument.
"""

from __future__ import annotations

from typing import Final

WINDOW: Final = 10.0  # seconds that a failure counts at least …
LONGEST: Final = 60.0  # … and at most, however long the backend asks its consumer to stay away
INDEPENDENT: Final = 2  # consumers whose failures hold everybody
FORGIVEN: Final = 600.0  # seconds after which a consumer that was refuted counts again
FIRST, LAST = 2.0, 30.0  # seconds until a healthy consumer may try; a hold without a time is shorter


class Evidence:
    """Of one gate. A consumer is named by its own gate."""

    __slots__ = ("_gap", "_last", "_met", "_refuted", "asked", "early")

    def __init__(self) -> None:
        self._met: dict[str, float] = {}  # consumer → until when its failure counts
        self._refuted: dict[str, float] = {}  # consumer → until when it counts no more
        self._gap, self._last = FIRST, 0.0
        self.asked = 0.0  # requests a second when the first of those that count was refused
        self.early: float | None = None  # when the next healthy consumer may try; None while the gate is open

    def met(self, consumer: str, seconds: float, now: float, asked: float) -> bool:
        """`consumer` failed while the backend was asked so much a second, and stays away for so many seconds. Whether
        that holds everybody."""
        self._refuted = {one: until for one, until in self._refuted.items() if until > now}
        if consumer in self._refuted:
            return False
        if self.early is None:
            self._met = {one: until for one, until in self._met.items() if until > now}
        if not self._met:
            self.asked = asked
        self._last = now
        self._met[consumer] = now + min(max(WINDOW, seconds), LONGEST)
        return sum(until > now for until in self._met.values()) >= INDEPENDENT

    def answered(self, consumer: str, began: float) -> None:
        """A call of `consumer`, begun at `began`, was served while the gate was open."""
        if began > self._last and self.healthy(consumer):
            self._met = {}

    def healthy(self, consumer: str) -> bool:
        """Whether the consumer has met no failure since the gate was open last."""
        return consumer not in self._met and consumer not in self._refuted

    def counts(self, consumer: str) -> bool:
        """Whether a failure of the consumer says anything about others."""
        return consumer not in self._refuted

    @property
    def consumers(self) -> tuple[str, ...]:
        """Those that have met the failure."""
        return tuple(self._met)

    def closed(self, now: float) -> None:
        """The gate closed, or stays closed."""
        if self.early is None:
            self.early = now + self._gap

    def confirmed(self, now: float) -> None:
        """A healthy consumer tried, and met the failure too: the next one waits twice as long."""
        self._gap = min(LAST, self._gap * 2)
        self.early = now + self._gap

    def opened(self, now: float, *, refuted: bool) -> None:
        """The gate is open. `refuted`: by a healthy consumer, before the time was over."""
        if refuted:
            self._refuted |= dict.fromkeys(self._met, now + FORGIVEN)
        self._met, self._gap, self.early = {}, FIRST, None
