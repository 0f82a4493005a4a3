"""What a real API server does to its clients: it dies, refuses, slows down, ends watches, rotates credentials, is
faster than they are."""

from __future__ import annotations

import base64
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.harness.audit import Request
from e2e.harness.cluster import Cluster, Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.objects import external_secret, fake_provider, secret_store
from e2e.harness.operator import LocalOperator
from e2e.harness.proxy import Answer, Expire, Fate, Forward, Halve, Lose, Refuse, Seen
from e2e.harness.waiting import always, eventually
from tests.harness.behind import Behind
from tests.harness.inprocess import ACCOUNT, SYSTEM

pytestmark = pytest.mark.real

VALUES = {"user": "admin", "password": "correct horse"}
OURS = f"system:serviceaccount:{SYSTEM}:{ACCOUNT}"


@pytest.fixture
def behind(cluster: Cluster, namespace: str) -> Iterator[Behind]:
    with Behind(cluster, namespace) as made:
        yield made


def all_ready(cluster: Cluster, namespace: str, names: list[str], within_seconds: float = 90.0) -> None:
    def ready() -> bool:
        found = {
            one["metadata"]["name"]: one.get("status", {}).get("conditions", [{}])[0].get("status")
            for one in cluster.api.list("externalsecrets", namespace)
        }
        assert {name: found.get(name) for name in names} == dict.fromkeys(names, "True")
        return True

    eventually(ready, within_seconds, what=f"{len(names)} ExternalSecrets Ready")
    for name in names:
        assert cluster.secret(namespace, name) == VALUES


def created(cluster: ControlPlane, namespace: str, since: int) -> Counter[str]:
    """How often each Secret of the namespace was created by us."""
    return Counter(
        one.body["metadata"]["name"]
        for one in writes(cluster, namespace, since)
        if (one.verb, one.path) == ("create", "secrets")
    )


def writes(cluster: ControlPlane, namespace: str, since: int) -> list[Request]:
    return [one for one in cluster.audit.writes(user=OURS, since=since) if one.namespace == namespace]


# -- the API server is away
# -------------------------------------------------------------------------------------------------------


def test_an_api_server_killed_in_the_middle_of_many_syncs_loses_none_and_doubles_none(
    controlplane: ControlPlane, namespace: str
) -> None:
    names, began = [f"app-{n}" for n in range(60)], controlplane.audit.mark()
    with LocalOperator(
        controlplane, args={"namespace": namespace, "enable-leader-election": "false"}, name=namespace
    ) as operator:
        controlplane.apply([secret_store(namespace, fake_provider(VALUES))])
        controlplane.wait_ready("secretstores", namespace, "store")
        for name in names:
            controlplane.api.create(
                "externalsecrets", namespace, external_secret(namespace, name, {key: key for key in VALUES})
            )
            if len(created(controlplane, namespace, began)) >= 5:
                break
        controlplane.kill_apiserver()
        controlplane.start_apiserver()
        for name in names:
            if controlplane.api.get("externalsecrets", namespace, name) is None:
                controlplane.api.create(
                    "externalsecrets", namespace, external_secret(namespace, name, {key: key for key in VALUES})
                )
        all_ready(controlplane, namespace, names, 90)
        assert operator.child.alive
    counts = created(controlplane, namespace, began)
    # A request whose audit line was lost with the process may be missing here; none may be there twice.
    assert set(counts.values()) == {1} and len(counts) >= len(names) - 48
    versions = {name: controlplane.api.get("secrets", namespace, name) for name in names}
    assert all(one is not None and len(one["metadata"]["managedFields"]) == 1 for one in versions.values())


def test_sigterm_in_the_middle_of_many_syncs_ends_cleanly_and_the_next_process_finishes_them(
    controlplane: ControlPlane, namespace: str
) -> None:
    names, began = [f"app-{n}" for n in range(60)], controlplane.audit.mark()
    controlplane.apply(
        [
            secret_store(namespace, fake_provider(VALUES)),
            *(external_secret(namespace, name, {key: key for key in VALUES}) for name in names),
        ]
    )
    operator = LocalOperator(
        controlplane, args={"namespace": namespace, "enable-leader-election": "false"}, name=namespace
    ).start()
    eventually(lambda: created(controlplane, namespace, began), 30, every=0.01, what="the first Secret")
    assert operator.stop() == 0, operator.child.tail()
    assert '"msg":"stopped"' in operator.child.tail(1)
    done = created(controlplane, namespace, began)
    assert 0 < len(done) <= len(names)
    with operator:
        all_ready(controlplane, namespace, names)
    assert created(controlplane, namespace, began) == dict.fromkeys(names, 1)


# -- the API server refuses, slows down, breaks off
# -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fates",
    [
        pytest.param([Answer(500), Answer(503, "ServiceUnavailable", retry_after=1), Answer(504, "Timeout")], id="5xx"),
        pytest.param([Answer(429, "TooManyRequests", retry_after=1)], id="429"),
        pytest.param([Answer(401, "Unauthorized"), Answer(403, "Forbidden")], id="401 and 403"),
        pytest.param([Refuse(), Lose(), Halve()], id="connections that break"),
        pytest.param([Forward(after=0.5), Forward(after=1.5)], id="etcd latency"),
    ],
)
def test_a_burst_of_faults_is_survived_without_a_restart_and_without_a_double_write(
    controlplane: ControlPlane, behind: Behind, namespace: str, fates: list[Fate]
) -> None:
    names, began, dice = [f"app-{n}" for n in range(20)], controlplane.audit.mark(), random.Random(7)
    injected: list[Seen] = []

    def rule(seen: Seen) -> Fate | None:
        if seen.path.endswith("/token") or dice.random() < 0.5:
            return None
        injected.append(seen)
        return dice.choice(fates)

    behind.proxy.rule = rule
    behind.operator.start()
    behind.apply_fake(names, VALUES)
    eventually(
        lambda: len(injected) >= 40 or len(created(controlplane, namespace, began)) == len(names),
        90,  # an informer that is refused several times in a row comes back later and later
        what="many faults",
    )
    assert behind.operator.child.alive, behind.operator.child.tail()
    behind.proxy.calm()
    behind.operator.wait_ready()
    all_ready(controlplane, namespace, names)
    assert created(controlplane, namespace, began) == dict.fromkeys(names, 1)
    assert behind.operator.probe("healthz") == 200
    assert len(injected) >= 20


def test_deletions_that_happened_while_every_watch_was_away_are_found_by_the_list_after_410(
    cluster: Cluster, behind: Behind, namespace: str
) -> None:
    behind.operator.start()
    behind.apply_fake(["kept", "removed"], VALUES, target={"deletionPolicy": "Delete"})
    all_ready(cluster, namespace, ["kept", "removed"])
    behind.settle()
    behind.proxy.rule = lambda seen: Answer(503, "ServiceUnavailable") if seen.watch else None
    assert behind.proxy.cut_watches() >= 4
    cluster.api.delete("secrets", namespace, "kept")
    cluster.api.delete("externalsecrets", namespace, "removed")
    always(lambda: cluster.secret(namespace, "kept") is None, 1.5, what="nobody can have noticed")
    expired: set[str] = set()

    def once_410(seen: Seen) -> Fate | None:
        if not seen.watch or seen.path in expired:
            return None
        expired.add(seen.path)
        return Expire()

    behind.proxy.clear()
    behind.proxy.rule = once_410
    eventually(lambda: cluster.secret(namespace, "kept") == VALUES, 90, what="the deleted Secret is back")
    eventually(
        lambda: cluster.api.get("externalsecrets", namespace, "removed") is None, 30, what="the finalizer is gone"
    )
    eventually(lambda: cluster.secret(namespace, "removed") is None, 90, what="its Secret is gone")
    lists = {
        seen.path.rsplit("/", 1)[1]
        for seen in list(behind.proxy.requests)
        if seen.method == "GET" and "limit=" in seen.query
    }
    assert {"secrets", "externalsecrets"} <= lists


def test_watches_cut_again_and_again_miss_no_edit(cluster: Cluster, behind: Behind, namespace: str) -> None:
    behind.operator.start()
    behind.apply_fake(["app"], VALUES)
    all_ready(cluster, namespace, ["app"])
    for number in range(5):
        behind.proxy.cut_watches()
        value = f"value {number}"
        cluster.api.patch("secretstores", namespace, "store", {"spec": fake_spec({"user": value, "password": value})})
        eventually(
            lambda value=value: cluster.secret(namespace, "app") == {"user": value, "password": value}, 30, what=value
        )  # type: ignore[misc]  # binds the loop's value


def fake_spec(values: dict[str, str]) -> Json:
    return {"provider": fake_provider(values)}


# -- somebody else is faster
# ------------------------------------------------------------------------------------------------------


# C-107
def test_c_107_a_secret_that_changes_between_read_and_write_costs_a_conflict_and_nothing_else(
    controlplane: ControlPlane, behind: Behind, namespace: str
) -> None:
    behind.operator.start()
    behind.apply_fake(["app"], VALUES)
    all_ready(controlplane, namespace, ["app"])
    behind.settle()
    before, began = controlplane.condition("externalsecrets", namespace, "app"), controlplane.audit.mark()
    events = [event["message"] for event in controlplane.events(namespace, "app") if event["type"] == "Warning"]
    raced: list[Seen] = []
    statuses: list[int] = []

    def rule(seen: Seen) -> Fate | None:
        if not raced and seen.what == "PATCH secrets/app":
            raced.append(seen)
            controlplane.api.patch("secrets", namespace, "app", {"metadata": {"labels": {"somebody": "else"}}})
        return None

    behind.proxy.rule = rule
    behind.proxy.replied = lambda seen, status: statuses.append(status) if seen.what == "PATCH secrets/app" else None
    controlplane.api.patch("secrets", namespace, "app", {"data": {"password": base64.b64encode(b"tampered").decode()}})
    eventually(lambda: controlplane.secret(namespace, "app") == VALUES, 30, what="the tampered value is put back")
    behind.settle()
    assert statuses == [409, 200]
    assert controlplane.condition("externalsecrets", namespace, "app") == before
    told = [one.body for one in writes(controlplane, namespace, began) if one.path == "externalsecrets/status"]
    assert "False" not in json.dumps(told)
    assert events == [event["message"] for event in controlplane.events(namespace, "app") if event["type"] == "Warning"]
    live = controlplane.api.get("secrets", namespace, "app")
    assert live is not None and live["metadata"]["labels"]["somebody"] == "else"


def test_a_secret_that_goes_between_read_and_write_is_made_again_and_no_failure(
    controlplane: ControlPlane, behind: Behind, namespace: str
) -> None:
    """The garbage collector may take the Secret of one ExternalSecret while the next one of its name takes it over."""
    behind.operator.start()
    behind.apply_fake(["app"], VALUES)
    all_ready(controlplane, namespace, ["app"])
    behind.settle()
    began = controlplane.audit.mark()
    raced: list[Seen] = []
    statuses: list[int] = []

    def rule(seen: Seen) -> Fate | None:
        if not raced and seen.what == "PATCH secrets/app":
            raced.append(seen)
            controlplane.api.delete("secrets", namespace, "app")
        return None

    behind.proxy.rule = rule
    behind.proxy.replied = lambda seen, status: statuses.append(status) if seen.what == "PATCH secrets/app" else None
    controlplane.api.patch("secrets", namespace, "app", {"data": {"password": base64.b64encode(b"tampered").decode()}})
    eventually(lambda: controlplane.secret(namespace, "app") == VALUES, 90, what="the Secret is back")
    behind.settle()
    assert statuses == [404]
    told = [one.body for one in writes(controlplane, namespace, began) if one.path == "externalsecrets/status"]
    assert "False" not in json.dumps(told)
    assert not [event for event in controlplane.events(namespace, "app") if event["type"] == "Warning"]


# -- credentials rotate
# -----------------------------------------------------------------------------------------------------------


def bound_token(cluster: Cluster, secret: str) -> str:
    """A token of the operator's that dies with a Secret."""
    made = cluster.api.create("secrets", SYSTEM, {"metadata": {"name": secret}, "type": "Opaque"})
    reference = {"kind": "Secret", "apiVersion": "v1", "name": secret, "uid": made["metadata"]["uid"]}
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3600, "boundObjectRef": reference},
    }
    token: str = cluster.api.create("serviceaccounts", SYSTEM, body, name=ACCOUNT, subresource="token")["status"][
        "token"
    ]
    return token


def with_token_file(cluster: Cluster, folder: Path, token: str) -> tuple[Path, Path]:
    """(kubeconfig, token file), as a projected ServiceAccount token is used outside of a pod."""
    file, kubeconfig = folder / "token", folder / "kubeconfig"
    file.write_text(token)
    at = cluster.credentials
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [
            {
                "name": "it",
                "cluster": {"server": at.server, "certificate-authority-data": base64.b64encode(at.ca).decode()},
            }
        ],
        "users": [{"name": "it", "user": {"tokenFile": str(file)}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }
    kubeconfig.write_text(yaml.safe_dump(document))
    return kubeconfig, file


def test_a_token_replaced_in_its_file_is_used_as_soon_as_the_old_one_is_refused(
    controlplane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    kubeconfig, file = with_token_file(controlplane, tmp_path, bound_token(controlplane, f"{namespace}-old"))
    args = {"namespace": namespace, "enable-leader-election": "false"}
    operator = LocalOperator(controlplane, args=args, env={"KUBECONFIG": str(kubeconfig)}, name=namespace)
    with operator:
        controlplane.apply(
            [
                secret_store(namespace, fake_provider(VALUES)),
                external_secret(namespace, "before", {key: key for key in VALUES}),
            ]
        )
        all_ready(controlplane, namespace, ["before"])
        old = file.read_text()
        file.write_text(bound_token(controlplane, f"{namespace}-new"))
        controlplane.api.delete("secrets", SYSTEM, f"{namespace}-old")

        def refused() -> bool:
            review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": old}}
            status = controlplane.api.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]
            return not status.get("authenticated")

        eventually(refused, 30, every=0.5, what="the old token is worth nothing")
        controlplane.apply([external_secret(namespace, "after", {key: key for key in VALUES})])
        all_ready(controlplane, namespace, ["after"])
        assert operator.probe("healthz") == 200
    controlplane.api.delete("secrets", SYSTEM, f"{namespace}-new")
