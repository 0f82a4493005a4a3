"""Flags that keep somebody from something do so, each in every way to ask for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from eso.api.clusterexternalsecret import CLUSTER_EXTERNAL_SECRETS
from eso.api.clusterpushsecret import CLUSTER_PUSH_SECRETS
from eso.api.externalsecret import EXTERNAL_SECRETS
from eso.api.meta import CONFIG_MAPS, NAMESPACES, SECRETS, Resource
from eso.api.pushsecret import PUSH_SECRETS
from eso.api.secretstore import SECRET_STORES
from eso.app.flags import CertControllerSettings, ControllerSettings, Settings, WebhookSettings, parse, table
from tests.fakes.apiserver import FakeApiServer, Json
from tests.unit.app.operating import condition, operating, put_external_secret, put_store

ROOT = Path(__file__).parents[3]
HERE = "tests/unit/app/test_protection.py::test_what_is_switched_off_is_not_served"
PUSHES = "tests/unit/app/test_protection.py::test_pushes_that_are_switched_off_leave_no_trace"
WEBHOOK = "tests/unit/app/test_webhook.py"
SCRAPERS = "tests/unit/app/test_scrapers.py"
CERTIFICATES = "tests/unit/admission/test_certificate.py"
PROTECTS = {  # flag → the test that it does
    "metrics-secure": f"{SCRAPERS}::test_a_certificate_of_files_is_trusted_by_its_authority",
    "metrics-auth": f"{SCRAPERS}::test_metrics_are_for_bearers_with_the_right_and_probes_for_everybody",
    "metrics-cert-dir": f"{SCRAPERS}::test_a_certificate_that_is_not_there_stops_the_start",
    "metrics-cert-name": f"{SCRAPERS}::test_a_certificate_that_is_not_there_stops_the_start",
    "metrics-key-name": f"{SCRAPERS}::test_a_certificate_that_is_not_there_stops_the_start",
    "namespace": "tests/integration/test_components.py::test_one_namespace_is_served_by_a_role_in_it",
    "controller-class": HERE,
    "enable-secret-store-reconciler": HERE,
    "enable-cluster-store-reconciler": HERE,
    "enable-cluster-external-secret-reconciler": HERE,
    "enable-push-secret-reconciler": PUSHES,
    "enable-cluster-push-secret-reconciler": HERE,
    "unsafe-allow-generic-targets": HERE,
    "enable-flood-gate": HERE,
    "enable-leader-election": "tests/unit/app/test_start.py::test_a_standby_lists_and_writes_nothing",
    "tls-ciphers": f"{WEBHOOK}::test_an_unknown_cipher_ends_the_process_with_the_ones_that_are_known",
    "tls-min-version": "tests/unit/admission/test_tls.py::test_the_oldest_version",
    "dns-name": f"{CERTIFICATES}::test_a_certificate_for_another_name_is_not_served",
    "lookahead-interval": f"{CERTIFICATES}::test_the_process_ends_before_the_certificate_does",
    "allow-link-local-stores": "tests/unit/net/test_reach.py::test_metadata_services_are_refused_in_every_spelling",
    "store-hosts-allowed": "tests/unit/net/test_reach.py::test_lists_of_hosts_are_held_where_the_connection_is_made",
    "store-hosts-denied": "tests/unit/net/test_reach.py::test_no_spelling_gets_past_a_denied_host",
}
TABLES: tuple[type[Settings], ...] = (ControllerSettings, WebhookSettings, CertControllerSettings)
# of those without an effect: all they promise is speed, or what is so anyway
SPEED = re.compile(r"cach|concurrent|client-(qps|burst)|enable-http2")


@pytest.mark.parametrize("flag", PROTECTS)
def test_a_flag_that_protects_has_an_effect_and_a_test(flag: str) -> None:
    found = [one for settings in TABLES for one in table(settings) if one.name == flag]
    assert found and all(one.effect for one in found)
    file, name = PROTECTS[flag].split("::")
    assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)


def test_flags_without_an_effect_promise_no_protection() -> None:
    idle = {one.name for settings in TABLES for one in table(settings) if not one.effect}
    assert [name for name in sorted(idle) if not SPEED.search(name)] == []


@pytest.mark.parametrize("settings", TABLES)
def test_a_certificate_for_metrics_that_stay_plain_is_told(settings: type[Settings]) -> None:
    told = parse(settings, ["--metrics-cert-dir=/certs"]).without_effect()
    assert any("--metrics-secure" in text for text in told)
    assert parse(settings, ["--metrics-cert-dir=/certs", "--metrics-secure"]).without_effect() == []


@pytest.fixture
async def api():
    async with FakeApiServer() as server:
        yield server


CLUSTER = {"name": "cluster", "kind": "ClusterSecretStore"}
ENTRY = {"secretKey": "x", "remoteRef": {"key": "key"}}
PUSH: Json = {
    "secretStoreRefs": [{"name": "store"}],
    "selector": {"secret": {"name": "source"}},
    "data": [{"match": {"secretKey": "x", "remoteRef": {"remoteKey": "k"}}}],
}
EVERYWHERE = {"namespaceSelectors": [{"matchLabels": {"a": "b"}}]}
FEED = {"secretStoreRef": {"name": "store"}, "data": [ENTRY]}


def put(api: FakeApiServer, resource: Resource, spec: Json) -> None:
    api.put(resource, {"metadata": {"name": "it", "namespace": "team" if resource.namespaced else ""}, "spec": spec})


@pytest.mark.parametrize(
    ("flags", "resource", "spec", "made"),
    [
        pytest.param(
            ["--enable-cluster-store-reconciler=false"],
            EXTERNAL_SECRETS,
            {"secretStoreRef": CLUSTER, "data": [ENTRY]},
            SECRETS,
            id="cluster stores, by the reference of the object",
        ),
        pytest.param(
            ["--enable-cluster-store-reconciler=false"],
            EXTERNAL_SECRETS,
            {"data": [ENTRY | {"sourceRef": {"storeRef": CLUSTER}}]},
            SECRETS,
            id="cluster stores, by the reference of an entry",
        ),
        pytest.param(
            ["--enable-cluster-store-reconciler=false"],
            EXTERNAL_SECRETS,
            {"dataFrom": [{"find": {"name": {"regexp": "."}}, "sourceRef": {"storeRef": CLUSTER}}]},
            SECRETS,
            id="cluster stores, by the reference of a search",
        ),
        pytest.param(
            ["--enable-cluster-external-secret-reconciler=false"],
            CLUSTER_EXTERNAL_SECRETS,
            EVERYWHERE | {"externalSecretSpec": FEED},
            EXTERNAL_SECRETS,
            id="ClusterExternalSecrets",
        ),
        pytest.param(
            ["--enable-cluster-push-secret-reconciler=false"],
            CLUSTER_PUSH_SECRETS,
            EVERYWHERE | {"pushSecretSpec": PUSH},
            PUSH_SECRETS,
            id="ClusterPushSecrets",
        ),
        pytest.param(
            [],
            EXTERNAL_SECRETS,
            FEED | {"target": {"manifest": {"apiVersion": "v1", "kind": "ConfigMap"}}},
            CONFIG_MAPS,
            id="targets that are no Secret",
        ),
        pytest.param(
            ["--enable-secret-store-reconciler=false"],
            EXTERNAL_SECRETS,
            {"secretStoreRef": {"name": "unseen"}, "data": [ENTRY]},
            SECRETS,
            id="stores that nobody validated",
        ),
        pytest.param(
            ["--controller-class=ours"],
            EXTERNAL_SECRETS,
            {"secretStoreRef": {"name": "theirs"}, "data": [ENTRY]},
            SECRETS,
            id="stores of another class",
        ),
    ],
)
async def test_what_is_switched_off_is_not_served(
    api: FakeApiServer, flags: list[str], resource: Resource, spec: Json, made: Resource
) -> None:
    api.put(NAMESPACES, {"metadata": {"name": "team", "labels": {"a": "b"}}})
    put_store(api, ready=True)
    put_store(api, "cluster", "", ready=True)
    put_store(api, "unseen")
    api.put(
        SECRET_STORES,
        {
            "metadata": {"name": "theirs", "namespace": "team"},
            "spec": {"controller": "theirs", "provider": {"fake": {"data": [{"key": "key", "value": "value"}]}}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        },
    )
    put(api, resource, spec)
    put_external_secret(api, "served")
    async with operating(api, *flags) as one:
        await one.running()
        await one.until(lambda: one.ready("served") == "True")
        for _ in range(5):
            await one.clock.advance(1.0)
            await one.idle()
        assert [found["metadata"]["name"] for found in api.all(made) if found["metadata"]["name"] == "it"] == []
        assert ready(api, resource) != "True"


def ready(api: FakeApiServer, resource: Resource) -> Any:
    return condition(api.get(resource, "team" if resource.namespaced else "", "it"), "Ready").get("status")


async def test_pushes_that_are_switched_off_leave_no_trace(api: FakeApiServer) -> None:
    api.put(SECRETS, {"metadata": {"name": "source", "namespace": "team"}, "data": {"x": "eA=="}})
    put_store(api)
    put(api, PUSH_SECRETS, PUSH)
    put_external_secret(api, "served")
    async with operating(api, "--enable-push-secret-reconciler=false") as one:
        await one.until(lambda: one.ready("served") == "True")
        await one.idle()
        assert (api.get(PUSH_SECRETS, "team", "it") or {}).get("status") is None
        assert not (api.get(SECRET_STORES, "team", "store") or {})["metadata"].get("finalizers")
