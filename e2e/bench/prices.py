"""What a step of the template language really costs: every function with the worst inputs that a search finds.

    python -m e2e.bench.prices                     # a quarter of a second of CPU for each of 300 functions
    python -m e2e.bench.prices --seconds 5 sha256sum Time.Format --seed 7

Neighbours: tests/unit/template/worst.py has the inputs, and a test that no function is without them. CPU time of the
thread, within the limits of what may run on the loop: a call must end within LOOP seconds, and a step must not cost
more than STEP, or its price is wrong. Exits with 1 where one does.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from eso.template.apply import CHEAP
from eso.template.bounds import BoundsExceeded, Budget
from eso.template.cache import ALL
from eso.template.functions import SLOW
from eso.template.values import Function
from eso.template.world import WORLD
from tests.unit.template.worst import MEMBERS, drawn

LOOP: Final = 0.005
STEP: Final = 5e-6
NOTABLE: Final = 0.0005
"""Seconds of a call below which its steps are not divided: the call itself costs a few microseconds."""
ELITE: Final = 6


@dataclass(frozen=True, slots=True)
class Try:
    seconds: float
    steps: int
    arguments: tuple[Any, ...]

    @property
    def score(self) -> float:
        """1: just what is allowed."""
        each = self.seconds / max(self.steps, 1) / STEP if self.seconds > NOTABLE else 0.0
        return max(self.seconds / LOOP, each)


def measured(function: Function, arguments: tuple[Any, ...]) -> Try:
    """The best of two, where it matters."""
    first = once(function, arguments)
    return min(first, once(function, arguments), key=lambda one: one.seconds) if first.seconds > NOTABLE else first


def once(function: Function, arguments: tuple[Any, ...]) -> Try:
    budget = Budget(replace(CHEAP, seconds=60.0), WORLD)
    began = time.thread_time()
    with suppress(Exception, BoundsExceeded):
        function.call(*([budget] if function.budget else []), *arguments)
    return Try(time.thread_time() - began, budget.steps, arguments)


def searched(name: str, seconds: float, seed: int) -> Try:
    """The worst that so many seconds of CPU find: new arguments, and the worst so far with one of them exchanged."""
    dice, worst, until = random.Random(f"{seed} {name}"), list[Try](), time.thread_time() + seconds
    while not worst or time.thread_time() < until:
        function, arguments = drawn(name, dice)
        if worst and dice.random() < 0.5:
            before = dice.choice(worst).arguments
            if before and arguments:
                at = dice.randrange(min(len(before), len(arguments)))
                arguments = (*before[:at], arguments[at], *before[at + 1 :])
        worst = sorted([*worst, measured(function, arguments)], key=lambda one: -one.score)[:ELITE]
    return worst[0]


def shown(value: Any) -> str:
    text = repr(value)
    size = f" ({len(value)})" if isinstance(value, bytes | list | dict) else ""
    return (text if len(text) < 30 else text[:27] + "...") + size


def rows(names: list[str], seconds: float, seed: int) -> Iterator[tuple[float, str]]:
    for name in names:
        worst = searched(name, seconds, seed)
        each = worst.seconds / max(worst.steps, 1)
        inputs = ", ".join(map(shown, worst.arguments[:4]))
        yield worst.score, f"{name:28} {worst.seconds * 1e3:8.2f} ms {worst.steps:8} {each * 1e6:8.1f} µs  {inputs}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="functions, and members as Type.Member; all that may run on the loop")
    parser.add_argument("--seconds", type=float, default=0.25, help="CPU for each")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--all", action="store_true", help="print also what is within its price")
    options = parser.parse_args()
    usual = [name for name in (*ALL, *MEMBERS) if name not in SLOW and not (name in ALL and ALL[name].refuse)]
    print(f"seed {options.seed}\n{'function':28} {'CPU':>11} {'steps':>8} {'a step':>11}")
    dear = 0
    for score, row in rows(options.names or usual, options.seconds, options.seed):
        dear += score > 1
        if score > 1 or options.all or options.names:
            print(row, flush=True)
    print(f"{dear} of {len(options.names or usual)} cost more than {LOOP * 1e3:g} ms, or {STEP * 1e6:g} µs a step")
    return dear > 0


if __name__ == "__main__":
    raise SystemExit(main())
