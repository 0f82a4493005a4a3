"""The Lease of this process, when leader election is on.

Neighbours: wiring.py builds it, lifecycle.py acquires it and lives inside `leading`; `kube.lease` is the protocol.
"""

from __future__ import annotations

from collections.abc import Callable

from eso.api.meta import LEASES, ObjectMeta
from eso.app.flags import ControllerSettings
from eso.errors import EsoError
from eso.kube.config import pod_namespace
from eso.kube.events import Recorder
from eso.kube.lease import Lease, LeaseTimes, new_identity
from eso.kube.rest import Rest
from eso.observe.log import Log
from eso.runtime.clock import Clock


def lease_of(settings: ControllerSettings, rest: Rest, recorder: Recorder, clock: Clock, log: Log) -> Lease | None:
    """None without leader election. Raises EsoError when there is no namespace to keep the Lease in."""
    if not settings.enable_leader_election:
        return None
    name = settings.leader_election_id
    namespace = settings.leader_election_namespace or pod_namespace()
    if not namespace:
        raise EsoError(
            "leader election needs a namespace, and this process runs in no pod",
            fix="give --leader-election-namespace",
        )
    times = LeaseTimes(
        settings.leader_election_lease_duration,
        settings.leader_election_renew_deadline,
        settings.leader_election_retry_period,
    )

    def told(message: str) -> None:
        meta = ObjectMeta(name=name, namespace=namespace, uid=lease.uid)
        recorder.emit(lease.identity, LEASES, meta, "Normal", "LeaderElection", message)

    lease = Lease(rest, namespace, name, new_identity(), times, clock=clock, told=told, log=log)
    return lease


def may_write(lease: Callable[[], Lease | None]) -> Callable[[float], bool]:
    """Whether a write that takes so many seconds is over before another process can lead."""
    return lambda seconds: (held := lease()) is None or held.holds_for(seconds)
