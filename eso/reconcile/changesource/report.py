"""What was found about a ChangeSource → its condition: the only module that words it.

Neighbours: reconcile.py looks, journal.py writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from eso.api.meta import Condition
from eso.reconcile.kit.conditions import stamped

MOST_FAULTS = 5  # that a message names


WELL: Final[Mapping[str, tuple[str, str]]] = {
    "webhook": ("Listening", "change events are accepted"),
    "poll": ("Polling", "the stores are asked for changes"),
}
RECEIVING: Final = ("Receiving", "the queue is read")


def ready(member: str, faults: Sequence[tuple[str, str]], now: datetime, generation: int) -> Condition:
    """`member` of the spec; `faults`: reason and text, the worst first."""
    if not faults:
        return stamped(Condition("Ready", "True", *WELL.get(member, RECEIVING)), now, generation)
    texts = [text for _, text in faults[:MOST_FAULTS]]
    more = f"; and {len(faults) - MOST_FAULTS} more" if len(faults) > MOST_FAULTS else ""
    return stamped(Condition("Ready", "False", faults[0][0], "; ".join(texts) + more), now, generation)


def starting(now: datetime, generation: int) -> Condition:
    return stamped(Condition("Ready", "Unknown", "Starting", "the source has not been answered yet"), now, generation)
