"""The rules of a `kubernetes` store: what admission refuses, whose credentials it needs, what makes its login.

Neighbours: connect.py logs in as the Plan says; the Secrets that are read lie in `remoteNamespace` of the other
cluster.
"""

from __future__ import annotations

from typing import ClassVar, Final

from eso.providers.contract import Plan, Quota, StoreView
from eso.providers.kit.clusterspec import checked, credentials, endpoint, places
from eso.providers.kit.selectors import Json, consumer

# What a store may differ in and still be the same login.
NOT_LOGIN: Final = frozenset({"remoteNamespace"})


class KubernetesSpec:
    name: ClassVar[str] = "kubernetes"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        return checked(store)

    def plan(self, store: StoreView) -> Plan:
        """API servers protect themselves with priority and fairness: they say 429 with Retry-After per user, and
        publish no number."""
        block = store.provider_spec
        return Plan(
            endpoint(block),
            {name: value for name, value in block.items() if name not in NOT_LOGIN},
            consumer(store, list(credentials(block))),
            places(block),
            quota=Quota.LOGIN,
        )


SPEC: Final = KubernetesSpec()


def remote_namespace(block: Json) -> str:
    return str(block.get("remoteNamespace") or "default")
