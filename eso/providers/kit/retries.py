"""`retrySettings` of a store, in the two meanings that the reference's providers give it.

Neighbours: specs of the providers that honour it; `stores.call` does the waiting. Every other provider ignores it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from eso.gocompat.duration import DurationError, parse_duration
from eso.providers.contract import InvalidConfig, Retries

NO_LIMIT: Final = 1_000_000  # `stores` has a bound of its own


def after_the_first(settings: Mapping[str, Any] | None, default: Retries, failed: str = "") -> Retries:
    """`maxRetries` counts what follows the first attempt; absent beside other settings it is 0. `default`: without
    settings. Raises InvalidConfig, `failed` before the reason."""
    if settings is None:
        return default
    return Retries(max(0, int(settings.get("maxRetries") or 0)), interval(settings, default.seconds, failed))


def in_all(settings: Mapping[str, Any] | None, default: Retries, failed: str = "") -> Retries:
    """`maxRetries` counts every attempt, the first one too; absent it is the default's, 0 means no limit. Errors as
    above."""
    if settings is None:
        return default
    attempts = settings.get("maxRetries")
    times = default.times if attempts is None else NO_LIMIT if int(attempts) <= 0 else int(attempts) - 1
    return Retries(times, interval(settings, default.seconds, failed))


def interval(settings: Mapping[str, Any], default: float, failed: str = "") -> float:
    """Seconds between two attempts."""
    text = settings.get("retryInterval")
    try:
        return max(0.0, parse_duration(str(text))) if text else default
    except DurationError as error:
        raise InvalidConfig(f"{failed}{error}", fix="write a Go duration such as 2s") from error
