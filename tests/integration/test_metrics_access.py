"""/metrics as the reference guards it: over TLS, for ServiceAccounts that a real API server lets get it."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
import yaml

from e2e.harness.certs import Authority
from e2e.harness.cluster import MANIFESTS, Cluster
from e2e.harness.controlplane import ControlPlane
from e2e.harness.objects import thing
from e2e.harness.operator import LocalOperator
from e2e.harness.waiting import eventually

pytestmark = pytest.mark.real
GUARD = MANIFESTS / "components" / "metrics-auth"


def test_a_service_account_scrapes_with_its_token_once_it_has_the_right(
    controlplane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    plane = controlplane
    roles = (GUARD / "rbac.yaml").read_text()
    plane.apply(roles)
    authority = Authority(tmp_path / "pki")
    pair = authority.server("metrics")
    flags = {
        "metrics-secure": "true",
        "metrics-auth": "true",
        "metrics-cert-dir": str(pair.cert.parent),
        "metrics-cert-name": pair.cert.name,
        "metrics-key-name": pair.key.name,
        "enable-leader-election": "false",
        "namespace": namespace,
    }
    plane.apply([thing("ServiceAccount", "prometheus", namespace, api="v1")])
    with LocalOperator(plane, args=flags, name=namespace) as operator:

        def scrape(token: str) -> int:
            reply = requests.get(
                f"https://{operator.metrics_address}/metrics",
                headers={"Authorization": f"Bearer {token}"} if token else {},
                verify=str(authority.cert),
                timeout=180,
            )
            return reply.status_code

        token = plane.token(namespace, "prometheus")
        assert [scrape(""), scrape("invented"), scrape(token)] == [401, 401, 403]
        plane.apply([binding(namespace, "prometheus")])
        eventually(lambda: scrape(token) == 200, 60, every=0.5, what="the scrape is admitted")
        assert token not in operator.logs()
    refused = plane.audit.forbidden(user=operator.user)
    assert [one.what for one in refused if one.group in ("authentication.k8s.io", "authorization.k8s.io")] == []
    plane.kubectl("delete", "-f", "-", input=roles)


def binding(namespace: str, account: str) -> dict[str, object]:
    made: dict[str, object] = thing(
        "ClusterRoleBinding",
        f"scrapes-{namespace}",
        api="rbac.authorization.k8s.io/v1",
        roleRef={
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "external-secrets-metrics-reader",
        },
        subjects=[{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    )
    return made


def test_the_component_switches_the_flags_on(cluster: Cluster, tmp_path: Path) -> None:
    here = {"resources": [str(MANIFESTS)], "components": [str(GUARD)]}
    relative = {
        key: [str(Path(*[".."] * (len(tmp_path.parts) - 1), *Path(one).parts[1:])) for one in found]
        for key, found in here.items()
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(relative))
    rendered = cluster.rendered(tmp_path)
    [deployment] = [one for one in rendered if one["kind"] == "Deployment"]
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert {"--metrics-secure=true", "--metrics-auth=true"} <= set(arguments)
    assert "external-secrets-metrics-auth" in {one["metadata"]["name"] for one in rendered}
