"""Every generator connects to nothing that stores may not reach: what it would have sent stays here."""

from __future__ import annotations

import json
from typing import Any

import pytest
import structlog

from eso.api.hosts import hosts_of
from eso.errors import EsoError, causes
from eso.generators.contract import Generator
from eso.generators.registry import GENERATORS, load
from eso.net.http import Pools, Proxies
from eso.net.reach import Reach
from eso.providers.env import Env
from eso.runtime.clock import SystemClock
from eso.runtime.offload import Offload
from tests.fakes.backend import Backend
from tests.fakes.credentials import StaticCredentials
from tests.unit.generators.test_backend_kinds import PEM, app, dashboards, deploy, hook, packages, workload

ASKS_NOBODY = {"Fake", "MFA", "Password", "SSHKey", "UUID"}
KEY = {"type": "service_account", "client_email": "a@p.iam.gserviceaccount.com", "private_key": PEM}
SECRETS = {"s/k": "hunter2", "s/id": "AKIA", "s/pem": PEM, "s/json": json.dumps(KEY)}


def selector(key: str) -> dict[str, str]:
    return {"name": "s", "key": key}


AWS = {"secretRef": {"accessKeyIDSecretRef": selector("id"), "secretAccessKeySecretRef": selector("k")}}
PRINCIPAL = {"servicePrincipal": {"secretRef": {"clientId": selector("id"), "clientSecret": selector("k")}}}


class At:
    def __init__(self, address: str) -> None:
        self.address = address


def specs(address: str) -> dict[str, dict[str, Any]]:
    at: Any = At(address)
    return {
        "ACRAccessToken": {"tenantId": "t", "registry": address.partition("//")[2], "auth": PRINCIPAL},
        "BeyondtrustWorkloadCredentialsDynamicSecret": workload(),
        "CloudsmithAccessToken": packages(at),
        "ECRAuthorizationToken": {"region": "eu-central-1", "auth": AWS},
        "GCRAccessToken": {"projectID": "p", "auth": {"secretRef": {"secretAccessKeySecretRef": selector("json")}}},
        "GithubAccessToken": app(at),
        "GitlabDeployToken": deploy(at),
        "Grafana": dashboards(at),
        "QuayAccessToken": {"robotAccount": "o+r", "serviceAccountRef": {"name": "robot"}},
        "STSSessionToken": {"region": "eu-central-1", "auth": AWS},
        "VaultDynamicSecret": {
            "path": "db/creds/app",
            "provider": {"server": address, "auth": {"tokenSecretRef": selector("k")}},
        },
        "Webhook": hook(at),
    }


KINDS = sorted(set(GENERATORS) - ASKS_NOBODY)
NAMES_ITS_SERVER = sorted({"CloudsmithAccessToken", "GithubAccessToken", "GitlabDeployToken", "Grafana"} | {"Webhook"})


async def refused(kind: str, address: str, pools: Pools) -> str:
    generator: Generator = load(GENERATORS[kind])
    world = Env(pools, Offload(threads=1, name="values"), SystemClock(), structlog.get_logger(), {})
    credentials = StaticCredentials(SECRETS, tokens={"robot": "account-token"})
    resource = {"metadata": {"name": "g", "namespace": "team-a"}, "spec": specs(address)[kind]}
    with pytest.raises(EsoError) as failed:
        await generator.generate(resource, credentials, world)
    return " ".join(map(str, causes(failed.value)))


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_on_no_list_is_not_asked_and_its_name_is_not_resolved(kind: str) -> None:
    async with Backend() as proxy:
        pools = Pools(Proxies(proxy.address, proxy.address), Reach(allowed=hosts_of(["nowhere.example"])))
        told = await refused(kind, "http://backend.example", pools)
        assert "not among the hosts that stores may reach" in told
        assert proxy.asked == []
        assert proxy.open_connections() == 0


@pytest.mark.parametrize("kind", [*NAMES_ITS_SERVER, "VaultDynamicSecret"])
async def test_no_metadata_service_and_no_denied_network_is_asked(kind: str) -> None:
    told = await refused(kind, "http://169.254.169.254", Pools(reach=Reach(link_local=False)))
    assert "a link-local address" in told
    async with Backend() as server:
        told = await refused(kind, server.address, Pools(reach=Reach(denied=hosts_of(["127.0.0.0/8"]))))
        assert "in a network that stores may not reach" in told
        assert server.asked == []
        assert server.open_connections() == 0


def test_every_kind_that_asks_somebody_is_among_them() -> None:
    assert set(specs("")) == set(KINDS)
