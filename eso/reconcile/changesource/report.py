"""What was found about a ChangeSource → its condition: the only module that words it.

Neighbours: reconcile.py looks, journal.py writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from eso.api.meta import Condition
from eso.reconcile.kit.conditions import stamped

MOST_FAULTS = 5  # that a message names


def ready(faults: Sequence[tuple[str, str]], now: datetime, generation: int) -> Condition:
    """`faults`: reason and text, the worst first."""
    if not faults:
        return stamped(Condition("Ready", "True", "Listening", "change events are accepted"), now, generation)
    texts = [text for _, text in faults[:MOST_FAULTS]]
    more = f"; and {len(faults) - MOST_FAULTS} more" if len(faults) > MOST_FAULTS else ""
    return stamped(Condition("Ready", "False", faults[0][0], "; ".join(texts) + more), now, generation)
