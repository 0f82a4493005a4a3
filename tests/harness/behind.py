"""The operator as a process of its own for one namespace, behind a proxy that can misbehave.

Neighbours: e2e/harness/proxy.py and operator.py are the parts. As many side by side as a test wants: each has its own
proxy, ports and log.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from e2e.harness.cluster import Cluster, Json
from e2e.harness.objects import external_secret, fake_provider, secret_store
from e2e.harness.operator import LocalOperator
from e2e.harness.proxy import Proxy, Seen
from e2e.harness.waiting import eventually
from tests.harness.inprocess import ACCOUNT, SYSTEM

QUIET_SECONDS = 0.7  # without a request on an object: it has done what it wanted to do


class Behind:
    """As a context manager: the proxy runs, the operator is made but not started. No Lease: nothing here is about who
    leads."""

    def __init__(self, cluster: Cluster, namespace: str, **flags: str) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.proxy = Proxy(cluster, f"proxy-{namespace}")
        self._flags = {"namespace": namespace, "enable-leader-election": "false"} | {
            name.replace("_", "-"): value for name, value in flags.items()
        }

    def __enter__(self) -> Behind:
        with ExitStack() as opening:
            opening.enter_context(self.proxy)
            env = {
                "KUBECONFIG": str(self.proxy.kubeconfig(SYSTEM, ACCOUNT)),
                # many starts of the same code: compile it once
                "PYTHONDONTWRITEBYTECODE": "",
                "PYTHONPYCACHEPREFIX": str(self.cluster.folder / "pycache"),
            }
            self.operator = LocalOperator(self.cluster, args=self._flags, env=env, name=f"operator-{self.namespace}")
            opening.callback(self.operator.kill)
            self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def kill_now(self) -> None:
        """SIGKILL without waiting for the end; callable from the proxy's thread."""
        os.kill(self.operator.child.pid, signal.SIGKILL)

    def about_objects(self, seen: Seen) -> bool:
        """A request for one object of the namespace: not a list, not a watch."""
        parts = seen.path.split("/")
        if "namespaces" not in parts or parts[parts.index("namespaces") + 1 :][:1] != [self.namespace]:
            return False
        return seen.method != "GET" or len(parts) > parts.index("namespaces") + 3

    def settle(self, within_seconds: float = 30.0) -> None:
        """Until no request about an object came for a while, and the operator, if it runs, has no pass in hand; a pass
        that hangs is not waited for longer than `within_seconds`."""

        def requests() -> int:
            return sum(map(self.about_objects, list(self.proxy.requests)))

        seen, latest = [-1], time.monotonic() + within_seconds

        def quiet() -> bool:
            before, seen[0] = seen[0], requests()
            return before == seen[0] and (self._idle() or time.monotonic() > latest)

        eventually(quiet, within_seconds, every=QUIET_SECONDS, what=f"{self.namespace} at rest")

    def _idle(self) -> bool:
        if not self.operator.child.alive:
            return True
        metrics = self.operator.metrics()
        return metrics.sum("controller_runtime_active_workers") == metrics.sum("workqueue_depth") == 0

    def apply_fake(self, names: list[str], values: dict[str, str], **spec: Any) -> None:
        """A store `store` with these values, and ExternalSecrets that read all of them."""
        refs: dict[str, str | tuple[str, str]] = {key: key for key in values}
        stores = [secret_store(self.namespace, fake_provider(values))]
        self.cluster.apply([*stores, *(external_secret(self.namespace, name, refs, **spec) for name in names)])


def at_rest(cluster: Cluster, namespace: str, *, ownership: bool = True) -> Json:
    """Everything of a namespace that must not depend on what happened on the way: times, uids and versions are left
    out.

    `ownership` False leaves out who owns which field: that is history.
    """
    state: Json = {}
    for plural in ("externalsecrets", "secretstores"):
        for one in cluster.api.list(plural, namespace):
            state[f"{plural}/{one['metadata']['name']}"] = {
                "finalizers": sorted(one["metadata"].get("finalizers", [])),
                "generation": one["metadata"]["generation"],
                "status": timeless(one.get("status", {})),
            }
    for one in cluster.api.list("secrets", namespace):
        meta = one["metadata"]
        owners = [{k: v for k, v in ref.items() if k != "uid"} for ref in meta.get("ownerReferences", [])]
        state[f"secrets/{meta['name']}"] = {
            "data": one.get("data", {}),
            "type": one["type"],
            "labels": meta.get("labels", {}),
            "annotations": meta.get("annotations", {}),
            "owners": owners,
        }
        if ownership:
            fields = sorted(
                json.dumps({k: v for k, v in entry.items() if k != "time"}, sort_keys=True)
                for entry in meta.get("managedFields", [])
            )
            for ref in meta.get("ownerReferences", []):
                fields = [entry.replace(ref["uid"], ref["name"]) for entry in fields]
            state[f"secrets/{meta['name']}"]["fields"] = fields
    return state


def timeless(status: Any) -> Any:
    """A status without its times."""
    match status:
        case dict():
            return {k: timeless(v) for k, v in status.items() if k not in ("refreshTime", "lastTransitionTime")}
        case list():
            return [timeless(v) for v in status]
        case _:
            return status
