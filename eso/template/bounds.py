"""How much one rendering may cost, and the budget that counts it.

Neighbours: evaluate.py and the functions spend from a Budget, world.py fills in the clocks. A template that spends too
much fails with an ordinary execution error that names the limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from eso.errors import Terminal

BIG = 512
"""Results of at least this many bytes (or this many / 8 elements) count against the value limit; smaller ones are
bounded by the steps that make them."""
CHECK_CLOCK_EVERY = 256
"""Steps between two looks at the clock: several in what may run on a loop, should one of its steps cost more than it
says."""


@dataclass(frozen=True, slots=True)
class World:
    """What a template may learn from outside, as callables: wall clock (ns since 1970), a monotonic clock (s), and
    random bytes."""

    wall_ns: Callable[[], int]
    monotonic: Callable[[], float]
    random: Callable[[int], bytes]
    started: float = 0.0
    """The monotonic clock when the process began: times from `now` print the seconds since then."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one rendering."""

    steps: int = 1_000_000
    output_bytes: int = 10 << 20  # a Secret holds one MiB; other kinds and garbage may be larger
    value_bytes: int = 64 << 20
    """Bytes that all values made during one rendering may add up to, garbage included. A value that a function only
    hands on was made before, and counts once."""
    template_depth: int = 1_000
    seconds: float = 10.0
    until: float = math.inf
    """The moment (monotonic) at which all renderings for one object must be over, however many they are."""
    code_bytes: int = 4 << 20
    """Bytes of actions in a text that is not compiled yet: each takes some microseconds to compile."""
    pass_steps: int = 4_000_000
    """Steps of everything that is computed for one object: renderings, rewrites, conversions."""
    account: Account | None = None
    """Where the steps of a pass are counted; None: this rendering is on its own."""

    def of_pass(self) -> Limits:
        """The same limits for everything that is computed in one pass, in whatever process: all of it spends from one
        account."""
        return replace(self, account=Account(self.pass_steps))

    def together(self, world: World) -> Limits:
        """The same limits for each of several computations that belong together: their `seconds` begin now, and they
        spend from one account."""
        account = self.account or Account(self.pass_steps)
        return replace(self, until=min(self.until, world.monotonic() + self.seconds), account=account)


@dataclass(slots=True)
class Account:
    """Steps that are left for one pass."""

    left: int


DO_LESS = "let it do less: fewer or smaller values, simpler expressions, or several ExternalSecrets"


class BoundsExceeded(Terminal):
    """A limit was hit: `field` is its name in Limits, `limit` its value."""

    def __init__(self, field: str, limit: float) -> None:
        super().__init__(
            f"template exceeds the limit of {limit:g} {TEXTS[field]}"
            if isinstance(limit, float)
            else f"template exceeds the limit of {limit} {TEXTS[field]}"
        )
        self.field = field
        self.limit = limit
        self.unit = TEXTS[field]
        self.fix = DO_LESS


TEXTS = {
    "steps": "steps",
    "code_bytes": "bytes of actions",
    "pass_steps": "steps of one pass",
    "output_bytes": "bytes of output",
    "value_bytes": "bytes of values",
    "template_depth": "nested templates",
    "depth": "levels of nesting",
    "seconds": "seconds",
}

MAX_DEPTH = 1_000
"""Levels that printing, JSON, YAML, comparison and copying may descend into a value (cyclic dicts end here)."""


class Budget:
    """What is left of the limits of one rendering.

    `spend(n)` before n units of work (one unit: about what one node of a template costs, below a microsecond);
    `check_size(n)` before a value of n bytes is built (a list or map element counts 8). Both raise BoundsExceeded,
    which no function may catch.
    """

    __slots__ = ("announced", "deadline", "limits", "most", "next_look", "output_left", "size_left", "steps", "world")

    def __init__(self, limits: Limits, world: World) -> None:
        self.limits = limits
        self.world = world
        self.steps = 0
        self.most = limits.steps if limits.account is None else min(limits.steps, limits.account.left)
        self.announced = 0
        self.output_left = limits.output_bytes
        self.size_left = limits.value_bytes
        self.next_look = min(CHECK_CLOCK_EVERY, self.most + 1)
        now = world.monotonic()
        self.deadline = min(now + limits.seconds, limits.until)
        if now > self.deadline:
            raise BoundsExceeded("seconds", limits.seconds)

    def spend(self, steps: int = 1) -> None:
        self.steps += steps
        if self.steps >= self.next_look:
            self.look()

    def look(self) -> None:
        """The rare half of `spend`: the limits themselves."""
        if self.steps > self.most:
            raise self.spent()
        if self.world.monotonic() > self.deadline:
            raise BoundsExceeded("seconds", self.limits.seconds)
        self.next_look = min(self.steps + CHECK_CLOCK_EVERY, self.most + 1)

    def spent(self) -> BoundsExceeded:
        if self.most < self.limits.steps:
            return BoundsExceeded("pass_steps", self.limits.pass_steps)
        return BoundsExceeded("steps", self.limits.steps)

    def __enter__(self) -> Budget:
        return self

    def __exit__(self, *_: object) -> None:
        """What was spent is gone for the pass too, whether or not it led to anything."""
        if self.limits.account is not None:
            self.limits.account.left -= self.steps

    def may_take(self, steps: int) -> None:
        """Announces work of at most `steps` that usually takes less, and is spent when it is done. Refuses what does
        not fit any more, and looks at the clock as often as if all of it had been done."""
        if self.steps + steps > self.most:
            raise self.spent()
        self.announced += steps
        if self.announced >= CHECK_CLOCK_EVERY:
            self.announced = 0
            if self.world.monotonic() > self.deadline:
                raise BoundsExceeded("seconds", self.limits.seconds)

    def print(self, size: int) -> None:
        """Counts `size` bytes of output."""
        self.output_left -= size
        if self.output_left < 0:
            raise BoundsExceeded("output_bytes", self.limits.output_bytes)

    def check_size(self, size: int) -> None:
        self.size_left -= size
        if self.size_left < 0:
            raise BoundsExceeded("value_bytes", self.limits.value_bytes)

    def afford(self, size: int) -> None:
        """Refuses a value of `size` bytes that does not fit any more. It counts once it is there."""
        if size > self.size_left:
            self.check_size(size)

    def deeper(self, depth: int) -> None:
        """Refuses to descend more than MAX_DEPTH levels into a value."""
        if depth > MAX_DEPTH:
            raise BoundsExceeded("depth", MAX_DEPTH)


def code(text: str, left: str = "{{", right: str = "}}") -> int:
    """How many characters of a text stand in actions, with their delimiters: what compiling it depends on."""
    size = 0
    for part in text.split(left)[1:]:
        end = part.find(right)
        size += len(left) + (end + len(right) if end >= 0 else len(part))
    return size
