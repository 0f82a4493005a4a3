"""Two operators and one Lease: one reconciles, the other is warm and takes over."""

from __future__ import annotations

import pytest

from e2e.harness.controlplane import ControlPlane
from e2e.harness.objects import external_secret, fake_provider, secret_store
from e2e.harness.operator import LocalOperator
from e2e.harness.waiting import always, eventually

pytestmark = pytest.mark.real
TIMES = {
    "leader-election-lease-duration": "8s",
    "leader-election-renew-deadline": "6s",
    "leader-election-retry-period": "1s",
}


def leads(operator: LocalOperator, lease: str) -> bool:
    return operator.metrics().sum("leader_election_master_status", name=lease) == 1


@pytest.mark.parametrize("way", ["stop", "kill"], ids=["the leader stops", "the leader is killed"])
def test_a_standby_is_ready_writes_nothing_and_takes_over(controlplane: ControlPlane, namespace: str, way: str) -> None:
    lease = "external-secrets-controller"
    args = {"namespace": namespace, "enable-leader-election": "true", "leader-election-id": lease, **TIMES}
    controlplane.apply([secret_store(namespace, fake_provider({"key": "one"}))])
    with LocalOperator(controlplane, args=args, name=f"{namespace}-a") as first:
        eventually(lambda: leads(first, lease), 20, what="the first leads")
        with LocalOperator(controlplane, args=args, name=f"{namespace}-b") as second:
            controlplane.apply([external_secret(namespace, "app", {"key": "key"})])
            controlplane.wait_ready("externalsecrets", namespace, "app")
            always(lambda: not leads(second, lease) and second.probe("readyz") == 200, 3)
            getattr(first, way)()
            eventually(lambda: leads(second, lease), 30, what="the second leads")
            controlplane.apply([external_secret(namespace, "later", {"key": "key"})])
            controlplane.wait_ready("externalsecrets", namespace, "later")
            assert controlplane.secret(namespace, "later") == {"key": "one"}
