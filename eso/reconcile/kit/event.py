"""The one Event type of all rooms.

Neighbours: each room's report.py words Events, `kube.events` sends them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """`type` is Normal or Warning. `again`: the pass is retried, and the key's back-off decides when."""

    type: str
    reason: str
    message: str
    again: bool = False
