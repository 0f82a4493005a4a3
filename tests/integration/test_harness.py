"""What the other integration tests stand on: the control plane, OpenBao and the readers of their logs behave like the
real thing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.harness.cluster import ApiRefused
from e2e.harness.controlplane import ControlPlane
from e2e.harness.openbao import BaoRefused, OpenBao
from e2e.harness.process import Child, DiedEarly
from e2e.harness.waiting import NeverHappened, eventually

pytestmark = pytest.mark.real


def token_review(plane: ControlPlane, token: str) -> dict[str, object]:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    status: dict[str, object] = plane.api.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body)["status"]
    return status


def test_a_serviceaccount_token_passes_a_token_review_and_a_made_up_one_does_not(
    controlplane: ControlPlane, namespace: str
) -> None:
    good = token_review(controlplane, controlplane.token(namespace, "default"))
    assert good["authenticated"] is True
    assert good["user"]["username"] == f"system:serviceaccount:{namespace}:default"  # type: ignore[index]
    assert not token_review(controlplane, "made.up.token").get("authenticated")


def test_a_token_for_another_audience_is_not_a_token_for_the_api_server(
    controlplane: ControlPlane, namespace: str
) -> None:
    token = controlplane.token(namespace, "default", audiences=["vault"])
    assert not token_review(controlplane, token).get("authenticated")


def test_a_serviceaccount_without_roles_is_refused_and_the_audit_log_says_so(
    controlplane: ControlPlane, namespace: str
) -> None:
    began = controlplane.audit.mark()
    with pytest.raises(ApiRefused) as refused:
        controlplane.api_as(namespace, "default").list("secrets", namespace)
    assert refused.value.code == 403
    user = f"system:serviceaccount:{namespace}:default"
    seen = eventually(lambda: controlplane.audit.forbidden(user=user, since=began), 5)
    assert [one.what for one in seen] == ["list secrets"]


def test_the_audit_log_counts_requests_and_keeps_the_bodies_of_writes(
    controlplane: ControlPlane, namespace: str
) -> None:
    began = controlplane.audit.mark()
    controlplane.api.create("secrets", namespace, {"metadata": {"name": "one"}, "stringData": {"k": "v"}})
    controlplane.api.patch("secrets", namespace, "one", {"metadata": {"labels": {"a": "b"}}})
    controlplane.api.get("secrets", namespace, "one")
    counts = controlplane.audit.counts(user="admin", since=began)
    assert {verb: counts["admin", verb, "secrets"] for verb in ("create", "patch", "get")} == {
        "create": 1,
        "patch": 1,
        "get": 1,
    }
    writes = [write for write in controlplane.audit.writes(user="admin", since=began) if write.namespace == namespace]
    assert [(write.verb, write.name) for write in writes] == [("create", "one"), ("patch", "one")]
    assert writes[0].body["data"] == {"k": "dg=="}
    assert writes[1].body == {"metadata": {"labels": {"a": "b"}}}


def test_the_garbage_collector_removes_what_a_deleted_owner_owned(controlplane: ControlPlane, namespace: str) -> None:
    owner = controlplane.api.create("configmaps", namespace, {"metadata": {"name": "owner"}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    controlplane.api.create("secrets", namespace, {"metadata": {"name": "owned", "ownerReferences": [reference]}})
    controlplane.api.delete("configmaps", namespace, "owner")
    eventually(lambda: controlplane.api.get("secrets", namespace, "owned") is None, 30, what="the Secret is collected")


def test_a_deleted_namespace_goes_away_with_its_content(controlplane: ControlPlane) -> None:
    name = controlplane.create_namespace("short-lived")
    controlplane.api.create("secrets", name, {"metadata": {"name": "one"}})
    controlplane.delete_namespace(name)
    eventually(lambda: controlplane.api.get("namespaces", "", name) is None, 60, what="the namespace is gone")


@pytest.fixture
def another() -> Iterator[ControlPlane]:
    with ControlPlane() as plane:
        yield plane


def test_two_control_planes_run_side_by_side_and_share_nothing(
    controlplane: ControlPlane, namespace: str, another: ControlPlane
) -> None:
    assert another.port != controlplane.port
    assert another.api.get("namespaces", "", namespace) is None
    foreign = controlplane.token(namespace, "default")
    assert not token_review(another, foreign).get("authenticated")


def test_a_killed_api_server_comes_back_at_the_same_place_with_its_data(another: ControlPlane) -> None:
    another.api.create("configmaps", "default", {"metadata": {"name": "kept"}, "data": {"a": "b"}})
    another.kill_apiserver()
    with pytest.raises(OSError):
        another.api.get("configmaps", "default", "kept")
    another.start_apiserver()
    kept = another.api.get("configmaps", "default", "kept")
    assert kept is not None and kept["data"] == {"a": "b"}


def test_stopping_a_control_plane_leaves_no_process_and_no_folder() -> None:
    with ControlPlane() as plane:
        children = plane.children
        assert all(child.alive for child in children)
    assert not any(child.alive for child in children)
    assert not plane.folder.exists()


def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "from e2e.harness.process import Child\n"
        "child = Child('sleeper', ['sleep', '600'], pathlib.Path(sys.argv[1]) / 'log')\n"
        "child.start(); print(child.pid, flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    eventually(lambda: ended(pid), 10, what="the child is gone")


def ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_a_child_that_dies_early_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = Child("talker", ["sh", "-c", "echo the disk is full; exit 3"], tmp_path / "log")
    child.start()
    with pytest.raises(DiedEarly, match="the disk is full"):
        child.wait_until(lambda: False, 30)


def test_waiting_names_the_last_answer() -> None:
    with pytest.raises(NeverHappened, match="two apples did not happen within 0 s; last answer: KeyError"):
        eventually(lambda: {}["apples"], 0, what="two apples", patience=0)  # type: ignore[index]


def test_openbao_lets_in_the_serviceaccount_of_a_role_and_nobody_else(
    controlplane: ControlPlane, openbao: OpenBao, namespace: str
) -> None:
    openbao.put("secret", f"{namespace}/db", {"password": "p"})
    openbao.policy(namespace, {f"secret/data/{namespace}/*": ["read"]})
    openbao.kubernetes_role(namespace, [namespace], ["default"], [namespace])

    def login(jwt: str) -> str:
        reply = openbao.request("POST", "auth/kubernetes/login", {"role": namespace, "jwt": jwt}, token="")
        return str(reply["auth"]["client_token"])

    began = openbao.mark()
    token = login(controlplane.token(namespace, "default"))
    assert openbao.request("GET", f"secret/data/{namespace}/db", token=token)["data"]["data"] == {"password": "p"}
    with pytest.raises(BaoRefused) as refused:
        openbao.request("GET", "secret/data/other/db", token=token)
    assert refused.value.code == 403
    with pytest.raises(BaoRefused) as refused:
        login(controlplane.token("kube-system", "default"))
    assert refused.value.code == 403
    assert openbao.counts(began)["read", f"secret/data/{namespace}/db"] == 1


def test_openbao_keeps_its_data_over_a_kill_and_answers_503_while_sealed(openbao: OpenBao) -> None:
    openbao.put("secret", "kept", {"a": "b"})
    openbao.kill()
    openbao.start()
    openbao.seal()
    with pytest.raises(BaoRefused) as refused:
        openbao.request("GET", "secret/data/kept")
    assert refused.value.code == 503
    openbao.unseal()
    assert openbao.request("GET", "secret/data/kept")["data"]["data"] == {"a": "b"}


def test_kubectl_speaks_to_the_cluster(kubectl: Callable[..., str], namespace: str) -> None:
    assert namespace in kubectl("get", "namespaces", "-o", "name")
