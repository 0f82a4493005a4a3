"""A backend that is away: everybody waits at its gate, nobody loses anything, and they come back by themselves."""

from __future__ import annotations

import pytest

from e2e.harness.cluster import Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.objects import allow_namespace, external_secret, secret_store, vault_provider
from e2e.harness.openbao import OpenBao
from e2e.harness.operator import LocalOperator
from e2e.harness.waiting import eventually

pytestmark = pytest.mark.real
COUNT = 120


def conditions(cluster: ControlPlane, namespace: str) -> list[Json]:
    found = cluster.api.list("externalsecrets", namespace)
    return [c for es in found for c in es.get("status", {}).get("conditions", []) if c["type"] == "Ready"]


def all_are(cluster: ControlPlane, namespace: str, status: str, within: float) -> None:
    def check() -> bool:
        seen = [c["status"] for c in conditions(cluster, namespace)]
        assert len(seen) == COUNT and set(seen) == {status}, f"{seen.count(status)} of {COUNT} are {status}"
        return True

    eventually(check, within, what=f"all Ready={status}")


@pytest.fixture
def bao(controlplane: ControlPlane):
    with OpenBao() as server:
        server.mount_kv("secret")
        server.kubernetes_auth(controlplane)
        yield server


def test_an_outage_keeps_every_secret_is_told_once_and_ends_for_all_when_the_backend_returns(
    controlplane: ControlPlane, namespace: str, bao: OpenBao
) -> None:
    for n in range(COUNT):
        bao.put("secret", f"{namespace}/app-{n}", {"value": "before"})
    role = allow_namespace(controlplane, bao, namespace)
    store = secret_store(namespace, vault_provider(bao, role=role, account="default"))
    objects = [
        external_secret(namespace, f"app-{n}", {"value": (f"{namespace}/app-{n}", "value")}, interval="10s")
        for n in range(COUNT)
    ]
    with LocalOperator(
        controlplane, args={"namespace": namespace, "enable-leader-election": "false"}, name=namespace
    ) as operator:
        controlplane.apply([store])
        controlplane.wait_ready("secretstores", namespace, "store")
        controlplane.apply(objects)
        all_are(controlplane, namespace, "True", 60)

        bao.kill()
        mark = controlplane.audit.mark()
        all_are(controlplane, namespace, "False", 60)
        parked = eventually(
            lambda: operator.metrics().sum("externalsecrets_gate_state", state="closed") or None,
            30,
            what="the gate is closed",
        )
        assert parked >= 1
        assert all(controlplane.secret(namespace, f"app-{n}") == {"value": "before"} for n in range(0, COUNT, 10))
        told = [
            r for r in controlplane.audit.writes(user=operator.user, since=mark) if r.path == "externalsecrets/status"
        ]
        assert len(told) <= 2 * COUNT, "each object tells the outage once or twice, not at every slot"
        # The parser names every counter `…_total`.
        failed_calls = operator.metrics().sum("externalsecret_provider_api_calls_count_total", status="error")
        assert 0 < failed_calls < COUNT / 2, f"{failed_calls} calls went to a backend that is down"
        before = operator.metrics().sum("externalsecret_provider_api_calls_count_total")

        bao.start()
        bao.unseal()
        for n in range(COUNT):
            bao.put("secret", f"{namespace}/app-{n}", {"value": "after"})
        all_are(controlplane, namespace, "True", 90)
        eventually(
            lambda: all(controlplane.secret(namespace, f"app-{n}") == {"value": "after"} for n in range(0, COUNT, 10)),
            60,
            what="the new values are followed",
        )
        calls = operator.metrics().sum("externalsecret_provider_api_calls_count_total") - before
        assert calls < 12 * COUNT, f"{calls} calls to bring {COUNT} objects back"
