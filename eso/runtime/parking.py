"""Keys that wait at a closed gate.

Neighbours: workqueue.py parks and takes out; `stores.gate` decides when a gate opens and how many keys it lets out.
"""

from __future__ import annotations

from collections import OrderedDict

from eso.runtime.outcome import Lane
from eso.runtime.schedule import Key


class Parking:
    """A key waits at one gate, in one lane. All operations are O(1)."""

    def __init__(self) -> None:
        self._places: dict[Key, tuple[str, Lane]] = {}
        self._gates: dict[str, tuple[OrderedDict[Key, None], ...]] = {}  # one line for each lane, longest parked first

    def park(self, key: Key, gate: str, lane: Lane, *, first: bool = False) -> None:
        """`key`, which is parked nowhere, waits at `gate`. `first`: it had its turn and was refused again, so it goes
        back to the front of its line."""
        self._places[key] = gate, lane
        if gate not in self._gates:
            self._gates[gate] = tuple(OrderedDict() for _ in Lane)
        line = self._gates[gate][lane]
        line[key] = None
        if first:
            line.move_to_end(key, last=False)

    def leave(self, key: Key) -> Lane:
        """Takes `key` out; returns the lane it waited in."""
        gate, lane = self._places.pop(key)
        lines = self._gates[gate]
        del lines[lane][key]
        if not any(lines):
            del self._gates[gate]
        return lane

    def next(self, gate: str) -> Key | None:
        """The key to be let out first: by lane, then the longest parked."""
        return next((key for line in self._gates.get(gate, ()) for key in line), None)

    def gate_of(self, key: Key) -> str | None:
        place = self._places.get(key)
        return place[0] if place is not None else None

    def count(self, gate: str) -> int:
        return sum(map(len, self._gates.get(gate, ())))

    def counts(self) -> dict[str, int]:
        """Gate → how many keys wait there."""
        return {gate: sum(map(len, lines)) for gate, lines in self._gates.items()}
