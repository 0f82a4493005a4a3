"""The NetworkPolicy that is shipped is about our pods, and lets them do their work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from eso.app.flags import ControllerSettings

MANIFESTS = Path(__file__).parents[3] / "manifests"


def of_kind(name: str, kind: str) -> dict[str, Any]:
    documents = yaml.safe_load_all((MANIFESTS / name).read_text())
    return next(found for found in documents if found["kind"] == kind)


POLICY = of_kind("networkpolicy.yaml", "NetworkPolicy")
DEPLOYMENT = of_kind("deployment.yaml", "Deployment")
POD = DEPLOYMENT["spec"]["template"]


def admitted(rules: list[dict[str, Any]], protocol: str, port: int) -> bool:
    return any(
        one["protocol"] == protocol and one["port"] <= port <= one.get("endPort", one["port"])
        for rule in rules
        for one in rule["ports"]
        if isinstance(one["port"], int)
    )


def test_it_is_applied_with_the_rest_and_selects_the_operators_pods() -> None:
    listed = yaml.safe_load((MANIFESTS / "kustomization.yaml").read_text())["resources"]
    assert "networkpolicy.yaml" in listed
    assert POLICY["metadata"]["namespace"] == DEPLOYMENT["metadata"]["namespace"]
    assert POLICY["spec"]["podSelector"]["matchLabels"].items() <= POD["metadata"]["labels"].items()
    assert sorted(POLICY["spec"]["policyTypes"]) == ["Egress", "Ingress"]


def test_names_are_resolved_and_servers_are_reached_by_tcp_alone() -> None:
    out = POLICY["spec"]["egress"]
    for protocol, port in (("UDP", 53), ("TCP", 53), ("TCP", 443), ("TCP", 6443), ("TCP", 8200)):
        assert admitted(out, protocol, port)
    assert not admitted(out, "UDP", 443)


def test_what_may_come_in_are_the_ports_that_the_pod_listens_on() -> None:
    named = {one["name"]: one["containerPort"] for one in POD["spec"]["containers"][0]["ports"]}
    (rule,) = POLICY["spec"]["ingress"]
    assert {named[one["port"]] for one in rule["ports"]} == set(named.values())
    flags = dict(one.removeprefix("--").split("=", 1) for one in POD["spec"]["containers"][0]["args"])
    settings = ControllerSettings(metrics_addr=flags["metrics-addr"], live_addr=flags["live-addr"])
    assert settings.own_ports() == set(named.values())
