"""Seconds to wait after n failures in a row.

Neighbours: workqueue.py counts the failures.
"""

from __future__ import annotations

BASE = 1.0
CAP = 420.0


def backoff(failures: int) -> float:
    """Seconds to wait after `failures` failures in a row: 1, 2, 4, … at most 420 (7 min).

    `failures` counts from 0. Never raises. Source: work-queue model, section 1 of the reconcile rules.
    """
    # 2.0 ** 1024 overflows and a key may fail for weeks: stop doubling once the cap is certain.
    return min(CAP, BASE * 2.0 ** min(max(failures, 0), 16))
