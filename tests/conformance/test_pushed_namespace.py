"""A namespace with everything in it is deleted while every backend is down: it goes, and what stays in a backend is
named where Events are still taken.

The namespace controller and the garbage collector are the cluster's own, and the operator follows all namespaces.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

import eso.reconcile.generatorstate.decide as patience
import eso.reconcile.generatorstate.reconcile as states
import eso.reconcile.pushsecret.reconcile as pushing
from e2e.harness.cluster import Cluster, Json
from e2e.harness.objects import external_secret, fake_provider, push_secret, secret_store, thing
from e2e.harness.waiting import eventually
from eso.providers.contract import Unavailable
from tests.harness.deploytokens import DeployTokens
from tests.harness.inprocess import InProcess
from tests.harness.pushable import Pushable

pytestmark = pytest.mark.real
GENERATORS = "generators.external-secrets.io/v1alpha1"
V1ALPHA1 = "external-secrets.io/v1alpha1"
ENTRY = {"match": {"secretKey": "token", "remoteRef": {"remoteKey": "made"}}}
DOWN = Unavailable("down")


class Everything:
    """The namespace `name`; what is cluster-scoped is called `all-<name>`."""

    def __init__(self, cluster: Cluster, name: str, gitlab: DeployTokens) -> None:
        self.cluster, self.api, self.name, self.shared = cluster, cluster.api, name, f"all-{name}"[:63].rstrip("-")
        self.backend, self.gitlab = Pushable(), gitlab

    def apply(self) -> None:
        name, shared = self.name, self.shared
        for secret, key in (("login", "token"), ("source", "key")):
            data = {key: base64.b64encode(b"canary").decode()}
            self.api.create("secrets", name, {"metadata": {"name": secret}, "data": data})
        login = {"token": {"secretRef": {"name": "login", "key": "token"}}}
        deploy = {"url": self.gitlab.address, "projectID": "p", "name": "d", "scopes": ["read_registry"], "auth": login}
        generator = {"generatorRef": {"kind": "GitlabDeployToken", "name": "gen"}}
        both = [{"name": "store"}, {"name": shared, "kind": "ClusterSecretStore"}]
        everywhere = [{"matchLabels": {"kubernetes.io/metadata.name": name}}]
        deleted = {"deletionPolicy": "Delete"}
        made = push_secret(name, "push-made", {}, source="source", data=[ENTRY], **deleted)
        made["spec"]["selector"] = generator
        child = push_secret(name, "x", {"key": "child"}, source="source", **deleted)["spec"]
        read = external_secret(name, "x", {"a": "b"})["spec"]
        from_generator = {"dataFrom": [{"sourceRef": generator}], "target": {"name": "made"}}
        self.cluster.apply(
            [
                secret_store(name, fake_provider({})),
                thing("ClusterSecretStore", shared, spec={"provider": fake_provider({})}),
                thing("GitlabDeployToken", "gen", name, api=GENERATORS, spec=deploy),
                external_secret(name, "read", {"a": "b"}, target=deleted),
                thing("ExternalSecret", "made", name, spec=from_generator),
                push_secret(name, "push", {"key": "pushed"}, source="source", stores=both, **deleted),
                made,
                thing(
                    "ClusterExternalSecret",
                    shared,
                    spec={"externalSecretSpec": read | {"target": {}}, "namespaceSelectors": everywhere},
                ),
                thing(
                    "ClusterPushSecret",
                    shared,
                    api=V1ALPHA1,
                    spec={"pushSecretSpec": child, "namespaceSelectors": everywhere},
                ),
            ]
        )
        for name_of in ("read", "made", shared):
            self.cluster.wait_ready("externalsecrets", name, name_of)
        for name_of in ("push", "push-made", shared):
            self.cluster.wait_ready("pushsecrets", name, name_of)
        eventually(lambda: self.held() >= HELD, 20, what="the stores are held")

    def held(self) -> set[str]:
        """The store kinds that have a finalizer of ours."""
        found = {
            "SecretStore": self.api.get("secretstores", self.name, "store"),
            "ClusterSecretStore": self.api.get("clustersecretstores", "", self.shared),
        }
        return {kind for kind, one in found.items() if one and one["metadata"].get("finalizers")}

    def remote(self) -> set[str]:
        ours = (f"{self.name}/store", f"/{self.shared}")  # the operator also sees what other tests left
        return {key for store, key, _ in self.backend.remote if store in ours}

    def down(self) -> None:
        self.backend.outage = self.backend.delete_error = self.backend.push_error = DOWN
        self.gitlab.revocable = False

    def up(self) -> None:
        self.backend.outage = self.backend.delete_error = self.backend.push_error = None
        self.gitlab.revocable = True

    def told(self, reason: str) -> str:
        """What the Events on the Namespace say."""
        about: list[Json] = self.api.list("events", "default", fieldSelector=f"involvedObject.name={self.name}")
        return "\n".join(one["message"] for one in about if one["reason"] == reason)

    def clean_up(self) -> None:
        for plural in ("clusterexternalsecrets", "clusterpushsecrets", "clustersecretstores"):
            self.api.delete(plural, "", self.shared)


HELD = {"SecretStore", "ClusterSecretStore"}


@pytest.fixture
def everything(cluster: Cluster, namespace: str) -> Iterator[Everything]:
    with DeployTokens() as gitlab:
        made = Everything(cluster, namespace, gitlab)
        with InProcess(cluster, flags={"enable-flood-gate": "false"}, providers={"fake": made.backend}):
            made.apply()
            yield made
            made.clean_up()


@pytest.mark.parametrize("returns", [False, True], ids=["they stay down", "they are back before it is too late"])
def test_a_namespace_goes_while_its_backends_are_down(
    everything: Everything, monkeypatch: pytest.MonkeyPatch, returns: bool
) -> None:
    monkeypatch.setattr(pushing, "LAST_TRY", 60.0 if returns else 2.0)
    monkeypatch.setattr(patience, "SHORT_PATIENCE", 4.0)
    monkeypatch.setattr(states, "SOON", 1.0)
    api, name = everything.api, everything.name
    pushed = {"pushed", "made", "child"}
    assert everything.remote() == pushed and len(everything.gitlab.valid) == 2
    everything.down()
    deleted = len(everything.backend.deletes)
    api.delete("namespaces", "", name)
    if returns:
        eventually(lambda: len(everything.backend.deletes) > deleted, 30, what="the backend is asked")
        everything.up()
    eventually(lambda: api.get("namespaces", "", name) is None, 90, what="the namespace goes")
    eventually(lambda: everything.held() == set(), 20, what="no store is held")
    if returns:
        assert everything.remote() == set()

    def named() -> bool:
        keys, values = everything.told("RemoteSecretsLeft"), everything.told("LeftBehind")
        assert all(key in keys for key in everything.remote()), keys
        assert values.count("GeneratorState gen-") >= len(everything.gitlab.valid), values
        return True

    eventually(named, 20, what="what stays is named")

    def settled() -> bool:
        for plural in ("clusterexternalsecrets", "clusterpushsecrets"):
            status = (api.get(plural, "", everything.shared) or {})["status"]
            assert not status.get("provisionedNamespaces") and not status.get("failedNamespaces"), status
        return True

    eventually(settled, 20, what="no child is left")
