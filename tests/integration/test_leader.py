"""Two operators and one Lease: one reconciles, the other is warm and takes over."""

from __future__ import annotations

import pytest

from e2e.harness.controlplane import ControlPlane
from e2e.harness.objects import external_secret, fake_provider, secret_store
from e2e.harness.operator import LEASE, LocalOperator
from e2e.harness.waiting import always, eventually

pytestmark = pytest.mark.real
SYSTEM = "external-secrets-system"


def leads(operator: LocalOperator) -> bool:
    return operator.metrics().sum("leader_election_master_status", name=LEASE) == 1


@pytest.mark.parametrize("killed", [False, True], ids=["the leader stops", "the leader is killed"])
def test_a_standby_is_ready_writes_nothing_and_takes_over(
    controlplane: ControlPlane, namespace: str, killed: bool
) -> None:
    args = {"namespace": namespace, "enable-leader-election": "true", "leader-election-retry-period": "1s"}
    controlplane.apply([secret_store(namespace, fake_provider({"key": "one"}))])
    with LocalOperator(controlplane, args=args, name=f"{namespace}-a") as first:
        eventually(lambda: leads(first), 20, what="the first leads")
        with LocalOperator(controlplane, args=args, name=f"{namespace}-b") as second:
            controlplane.apply([external_secret(namespace, "app", {"key": "key"})])
            controlplane.wait_ready("externalsecrets", namespace, "app")
            always(lambda: not leads(second) and second.probe("readyz") == 200, 2)
            if killed:
                first.kill()
                always(lambda: not leads(second), 2, what="the lease of the first lasts, and nobody else leads")
                # what the dead holder left runs out soon: the second counts from when it sees a change
                controlplane.api.patch("leases", SYSTEM, LEASE, {"spec": {"leaseDurationSeconds": 1}})
            else:
                first.stop()
            eventually(lambda: leads(second), 30, what="the second leads")
            controlplane.apply([external_secret(namespace, "later", {"key": "key"})])
            controlplane.wait_ready("externalsecrets", namespace, "later")
            assert controlplane.secret(namespace, "later") == {"key": "one"}
