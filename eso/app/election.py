"""The Lease of this process, when leader election is on.

Neighbours: wiring.py and certcontroller.py build one; what they run lives inside `leading`. `kube.lease` is the
protocol.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from eso.api.meta import LEASES, ObjectMeta
from eso.app.flags import ControllerSettings
from eso.app.tasks import background
from eso.errors import EsoError
from eso.kube.config import pod_namespace
from eso.kube.events import Recorder
from eso.kube.lease import Lease, LeaseTimes, new_identity
from eso.kube.rest import Rest
from eso.observe.log import Log
from eso.observe.metrics import Metrics
from eso.runtime.clock import Clock
from eso.runtime.watchdog import Watchdog


def lease_of(settings: ControllerSettings, rest: Rest, recorder: Recorder, clock: Clock, log: Log) -> Lease | None:
    """The controller's. None without leader election. Raises EsoError when there is no namespace to keep it in."""
    if not settings.enable_leader_election:
        return None
    times = LeaseTimes(
        settings.leader_election_lease_duration,
        settings.leader_election_renew_deadline,
        settings.leader_election_retry_period,
    )
    namespace = settings.leader_election_namespace or pod_namespace()
    return lease_in(namespace, settings.leader_election_id, times, rest, recorder, clock, log)


def lease_in(
    namespace: str, name: str, times: LeaseTimes, rest: Rest, recorder: Recorder, clock: Clock, log: Log
) -> Lease:
    """Raises EsoError without a namespace."""
    if not namespace:
        raise EsoError(
            "leader election needs a namespace, and this process runs in no pod",
            fix="give --leader-election-namespace",
        )

    def told(message: str) -> None:
        meta = ObjectMeta(name=name, namespace=namespace, uid=lease.uid)
        recorder.emit(lease.identity, LEASES, meta, "Normal", "LeaderElection", message)

    lease = Lease(rest, namespace, name, new_identity(), times, clock=clock, told=told, log=log)
    return lease


@asynccontextmanager
async def leading(
    lease: Lease | None, name: str, metrics: Metrics, watchdog: Watchdog | None = None
) -> AsyncIterator[None]:
    """Keeps the lease; gives it away after the last write, so that a standby need not wait for it to run out."""
    if lease is None:
        yield
        return
    metrics.leading(name, True)
    try:
        async with background(lease.keep(), watchdog=watchdog):
            yield
            await lease.release()
    finally:
        metrics.leading(name, False)


def may_write(lease: Callable[[], Lease | None]) -> Callable[[float], bool]:
    """Whether a write that takes so many seconds is over before another process can lead."""
    return lambda seconds: (held := lease()) is None or held.holds_for(seconds)
