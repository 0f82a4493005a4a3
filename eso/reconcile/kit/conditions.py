"""A condition as it stands in a status.

Neighbours: each room's report.py words conditions; `api.conditions` decides how one replaces another.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from eso.api.meta import Condition, rfc3339


def condition_json(c: Condition) -> dict[str, Any]:
    body: dict[str, Any] = {"type": c.type, "status": c.status, "reason": c.reason, "message": c.message}
    body |= {"lastTransitionTime": rfc3339(c.last_transition_time)} if c.last_transition_time else {}
    return body | ({"observedGeneration": c.observed_generation} if c.observed_generation else {})


def stamped(c: Condition, now: datetime, generation: int) -> Condition:
    """The condition with its time and generation. `generation` 0: the CRD in the cluster has no member for it."""
    return msgspec.structs.replace(c, last_transition_time=now.replace(microsecond=0), observed_generation=generation)
