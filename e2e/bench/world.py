"""The world a benchmark starts from: a control plane with a store that is Ready and N ExternalSecrets that nobody has
looked at yet.

Neighbours: cold.py and refresh.py measure in it. A Seed is that world at rest: every run of a comparison starts from a
copy, down to the uids.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from e2e.harness.cluster import Cluster, Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.objects import cluster_secret_store, external_secret, fake_provider, thing
from e2e.harness.openbao import OpenBao
from e2e.harness.operator import LocalOperator
from e2e.harness.say import Say, silent

STORE = "bench"
CREDENTIALS_NAMESPACE = "bench-credentials"
PER_NAMESPACE = 200
SENDERS = 8  # threads that create objects before anything is measured


@dataclass(frozen=True, slots=True)
class Shape:
    """How much of what. `refs`: remote references per object, all on one path of the object's own (openbao) or on keys
    all share (fake)."""

    objects: int
    backend: str = "fake"
    refs: int = 5
    interval: str = "1h"

    @property
    def keys(self) -> list[tuple[str, str]]:
        """(namespace, name) of every ExternalSecret."""
        return [(f"bench-{n // PER_NAMESPACE}", f"object-{n}") for n in range(self.objects)]

    @property
    def namespaces(self) -> list[str]:
        return list(dict.fromkeys(namespace for namespace, _ in self.keys))


class Seed:
    """The folder of an etcd at rest. `remove()` when done."""

    def __init__(self, shape: Shape, bao: OpenBao | None = None, say: Say = silent) -> None:
        self.shape, self.bao, self.say = shape, bao, say
        self.folder = Path(tempfile.mkdtemp(prefix="eso-bench-seed-"))
        with ControlPlane(say=say) as plane:
            plane.apply_manifests()
            furnish(plane, shape, bao)
            plane.etcd.stop()
            shutil.copytree(plane.folder / "etcd", self.folder / "etcd")

    @contextmanager
    def planted(self) -> Iterator[ControlPlane]:
        """A control plane of its own on a copy of the data: equal to every other one from this seed."""
        plane = ControlPlane(say=self.say)
        shutil.copytree(self.folder / "etcd", plane.folder / "etcd")
        with plane:
            yield plane

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def furnish(cluster: Cluster, shape: Shape, bao: OpenBao | None) -> None:
    """Values in the backend, the store (validated by a short run of the operator) and the ExternalSecrets."""
    for namespace in [CREDENTIALS_NAMESPACE, *shape.namespaces]:
        cluster.create_namespace(namespace)
    cluster.apply([cluster_secret_store(STORE, provider(cluster, shape, bao))])
    with LocalOperator(cluster, name="validator"):
        cluster.wait_ready("clustersecretstores", "", STORE, 60)
    with ThreadPoolExecutor(SENDERS) as senders:
        for _ in senders.map(
            lambda one: cluster.api.create("externalsecrets", one["metadata"]["namespace"], one), objects(shape)
        ):
            pass  # an exception of a sender surfaces here


def objects(shape: Shape) -> Iterator[Json]:
    for namespace, name in shape.keys:
        refs: dict[str, str | tuple[str, str]] = {}
        for n in range(shape.refs):
            refs[f"value-{n}"] = (f"bench/{name}", f"p{n}") if shape.backend == "openbao" else f"key-{n}"
        yield external_secret(
            namespace, name, refs, store=STORE, store_kind="ClusterSecretStore", interval=shape.interval
        )


def provider(cluster: Cluster, shape: Shape, bao: OpenBao | None) -> Json:
    """`spec.provider` of the store, with everything behind it."""
    if bao is None:
        return fake_provider({f"key-{n}": f"some value of a usual length {n}" for n in range(shape.refs)})
    with ThreadPoolExecutor(SENDERS) as senders:
        data = {f"p{n}": f"some value of a usual length {n}" for n in range(shape.refs)}
        for _ in senders.map(lambda key: bao.put("secret", f"bench/{key[1]}", data), shape.keys):
            pass
    bao.policy("bench", {"secret/data/bench/*": ["read"]})
    role_id, secret_id = bao.approle("bench", ["bench"])
    cluster.apply([thing("Secret", "approle", CREDENTIALS_NAMESPACE, api="v1", stringData={"secret-id": secret_id})])
    ref = {"name": "approle", "namespace": CREDENTIALS_NAMESPACE, "key": "secret-id"}
    return {
        "vault": {
            "server": bao.address,
            "path": "secret",
            "version": "v2",
            "auth": {"appRole": {"path": "approle", "roleId": role_id, "secretRef": ref}},
        }
    }
