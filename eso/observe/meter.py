"""The meter of parts that are built without one.

Neighbours: each part says in a `Meter` protocol of its own what it counts; metrics.py implements them all.
"""

from __future__ import annotations

from typing import Any, Final


class _Uncounted:
    """Takes every call of every meter and does nothing."""

    def __getattr__(self, name: str) -> Any:
        return _nothing


def _nothing(*args: object, **kwargs: object) -> None:
    return None


UNCOUNTED: Final[Any] = _Uncounted()
