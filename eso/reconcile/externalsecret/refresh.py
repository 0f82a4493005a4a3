"""Due or not: refresh policy, interval, sync windows and phase.

Neighbours: decide.py asks whether to read, reconcile.py when to come back. Time comes in as an argument.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

from eso.api.conditions import condition
from eso.api.externalsecret import ExternalSecret
from eso.api.hashing import synced_resource_version
from eso.gocompat import cron
from eso.gocompat.duration import DurationError, parse_duration
from eso.reconcile.externalsecret.stage import Failed, Stage
from eso.reconcile.kit.changes import REASON
from eso.runtime.outcome import After, Done, Lane, Outcome, Wake
from eso.runtime.phase import next_due, offset

DEFAULT_INTERVAL = 3600.0
SHORTEST_INTERVAL = 1.0
LONGEST = 100 * 365 * 86400.0  # seconds to which trust in events may stretch an interval
MOST_WINDOWS = 100
SPREAD_SECONDS = 300.0
STEPS = 64


def readable(es: ExternalSecret) -> None:
    """Raises Failed for a text that is not a duration: the schema takes any string."""
    try:
        interval_seconds(es)
    except DurationError as error:
        raise Failed(
            Stage.SPEC,
            f'invalid spec.refreshInterval "{es.spec.refresh_interval}": {error}',
            fix="write a Go duration such as 1h or 90s",
        ) from error
    if es.spec.sync_windows and len(es.spec.sync_windows.windows) > MOST_WINDOWS:
        raise Failed(
            Stage.SPEC,
            f"spec.syncWindows.windows has more than {MOST_WINDOWS} entries",
            fix="a cron expression may name many times",
        )
    for i, window in enumerate(es.spec.sync_windows.windows if es.spec.sync_windows else ()):
        try:
            _ = window.duration_seconds
        except DurationError as error:
            field = f"spec.syncWindows.windows[{i}].duration"
            raise Failed(
                Stage.SPEC, f'invalid {field} "{window.duration}": {error}', fix="write a Go duration such as 2h"
            ) from error


def interval_seconds(es: ExternalSecret) -> float:
    """`spec.refreshInterval` in seconds, 1 h when absent, 1 s when shorter; zero or less means "never poll"."""
    text = es.spec.refresh_interval
    return DEFAULT_INTERVAL if text is None else seconds_of(text)


@lru_cache(maxsize=4096)
def seconds_of(interval: str) -> float:
    """A pass asks for the same interval several times, and most objects of a cluster share a few."""
    parsed = parse_duration(interval)
    return max(parsed, SHORTEST_INTERVAL) if parsed > 0 else parsed


def polls(es: ExternalSecret) -> bool:
    """Whether the object reads again just because time has passed."""
    return interval_seconds(es) > 0 and es.spec.refresh_policy not in ("CreatedOnce", "OnChange")


@dataclass(frozen=True, slots=True)
class Synced:
    """The last success as this process knows it: status, overlaid by what was seen since (status is written at a
    heartbeat only).

    `due` is the next periodic slot; None when nothing polls.
    """

    version: str
    refreshed: datetime | None
    due: datetime | None

    @property
    def never(self) -> bool:
        return not self.version or self.refreshed is None


def should_refresh(es: ExternalSecret, synced: Synced, wake: Wake, now: datetime) -> bool:
    """Section 3.1 of the reconcile rules, with the phase slot in the place of `refreshTime + interval`."""
    changed = synced.version != synced_resource_version(es.metadata)
    match es.spec.refresh_policy:
        case "CreatedOnce":
            return synced.never
        case "OnChange":
            return synced.never or changed
    if interval_seconds(es) <= 0 and synced.version:
        return False
    if changed or synced.refreshed is None or synced.refreshed > now:
        return True
    # A failed object is tried again at once (a failure of a trigger's read, or from before a restart); otherwise it
    # would wait for its next slot.
    told = wake.triggered is not None and wake.triggered > synced.refreshed
    early = (failing(es) or told) and forced_by_trigger(es)
    if early and told and es.spec.target.immediate and REASON in wake.reasons:
        return True  # what `immediate` is for: no window holds it
    return (early or synced.due is None or synced.due <= now) and window_open(es, now)


def held_by_window(es: ExternalSecret, synced: Synced, wake: Wake, now: datetime) -> bool:
    """A change event came while the windows are closed: the read is due as soon as one opens."""
    return (
        REASON in wake.reasons
        and wake.triggered is not None
        and synced.refreshed is not None
        and wake.triggered > synced.refreshed
        and forced_by_trigger(es)
        and not window_open(es, now)
    )


def slot_reached(es: ExternalSecret, synced: Synced, now: datetime) -> bool:
    """The periodic slot has come, and no window holds it."""
    return polls(es) and (synced.due is None or synced.due <= now) and window_open(es, now)


def forced_by_trigger(es: ExternalSecret) -> bool:
    """Only these objects read early, because of a failure or because a store, credential or source changed; all others
    read by their own policy alone."""
    return es.spec.refresh_policy in ("", "Periodic") and interval_seconds(es) > 0 and not es.spec.uses_generators


def failing(es: ExternalSecret) -> bool:
    ready = condition(es.status.conditions, "Ready")
    return ready is not None and ready.status == "False"


def window_open(es: ExternalSecret, now: datetime) -> bool:
    """Section 3.2: an allow window must be active, a deny window must not be."""
    windows = es.spec.sync_windows
    if windows is None or not windows.windows:
        return True
    active = any(cron.active(w.schedule, w.duration_seconds, now) for w in windows.windows)
    match windows.kind:
        case "allow":
            return active
        case "deny":
            return not active
        case _:
            return True


def first_due(
    es: ExternalSecret, phase: str, heartbeat_seconds: float, now: datetime, most: float = 1.0
) -> datetime | None:
    """The slot of an object met for the first time, from its status alone.

    An object is overdue only when a refresh that no heartbeat has reported would be overdue too: a restart must not
    read everything at once. `most`: an earlier process may have stretched the interval by that; such an object is read
    in its place within one interval from now.
    """
    refreshed, interval = es.status.refresh_time, interval_seconds(es)
    if refreshed is None or not polls(es):
        return None
    if refreshed > now or refreshed + timedelta(seconds=stretched(interval, most) + heartbeat_seconds) < now:
        return now  # a clock was wrong, or another program wrote the time
    if refreshed + timedelta(seconds=interval + heartbeat_seconds) < now:
        return slot(es, now, phase, now)
    return slot(es, refreshed, phase, now)


def stretched(interval: float, by: float) -> float:
    """At most LONGEST, unless the interval itself is longer: a time past the last year of the calendar overflows."""
    return max(interval, min(interval * by, LONGEST))


def unstretched(es: ExternalSecret, synced: Synced, phase: str, now: datetime) -> Synced:
    """Without trust in events: the next read is within one interval from now, in the object's place."""
    due = slot(es, now, phase, now)
    if synced.due is None or due is None or synced.due <= due:
        return synced
    return replace(synced, due=due)


def slot(es: ExternalSecret, refreshed: datetime, phase: str, now: datetime, stretch: float = 1.0) -> datetime | None:
    """The next periodic read after a success at `refreshed`; None when the policy never polls. `stretch` multiplies the
    interval.

    Objects with generators keep exactly `refreshed + interval`; all others keep their fixed place inside the interval.
    """
    interval = stretched(interval_seconds(es), stretch)
    if not polls(es):
        return None
    if es.spec.uses_generators:
        return refreshed + timedelta(seconds=interval)
    return now + timedelta(seconds=max(0.0, next_due(now, interval, phase, refreshed)))


def come_back(es: ExternalSecret, due: datetime | None, now: datetime, phase: str) -> Outcome:
    """When the next periodic pass is due. An object that a window blocks comes when the window opens, spread a little,
    because all objects that waited for it come then."""
    lane = Lane.NEW if es.spec.target.immediate else Lane.PERIODIC
    if due is None or not polls(es):  # an edit may have removed the interval, but not the slot
        return Done()
    if due > now:
        return After((due - now).total_seconds(), lane)
    opens = opening(es, now)
    if opens is None:
        return Done()
    return After(max(1.0, (opens - now).total_seconds() + offset(phase, spread_seconds(es))), lane)


def opening(es: ExternalSecret, now: datetime) -> datetime | None:
    """The next moment at which the windows let a refresh through; None when none is in sight."""
    windows = es.spec.sync_windows
    if windows is None or window_open(es, now):
        return now
    if windows.kind == "allow":
        return min(
            (o for w in windows.windows if (o := cron.next_opening(w.schedule, w.duration_seconds, now)) is not None),
            default=None,
        )
    at: datetime | None = now
    for _ in range(STEPS):  # one window may close into another
        if at is None or window_open(es, at):
            return at
        active = [w for w in windows.windows if cron.active(w.schedule, w.duration_seconds, at)]
        ends = [cron.next_closing(w.schedule, w.duration_seconds, at) for w in active]
        at = max((e for e in ends if e is not None), default=None) if None not in ends else None
    return None


def spread_seconds(es: ExternalSecret) -> float:
    """The objects that wait for a window are spread over so many seconds after it opens: never past the end of a short
    window."""
    durations = [w.duration_seconds for w in es.spec.sync_windows.windows] if es.spec.sync_windows else []
    return max(1.0, min([SPREAD_SECONDS, interval_seconds(es), *(d / 2 for d in durations)]))
