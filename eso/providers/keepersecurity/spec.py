"""The rules of a `keepersecurity` store: what admission refuses, what makes its login.

Neighbours: connect.py logs in as the Plan says, client.py reads, and writes into the folder.
"""

from __future__ import annotations

from typing import ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.selectors import consumer, one, part, references, refuse_loose

# For one client and one kind of call Keeper takes 100 requests, and counts them until 10 s pass without any.
PER_SECOND: Final = 10.0


class KeeperSecuritySpec:
    name: ClassVar[str] = "keepersecurity"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        refuse_loose(store, one(block, "", "authRef"))
        if not block.get("folderID"):
            raise InvalidConfig("missing: spec.provider.keepersecurity.folderID", fix="set folderID")
        return []

    def plan(self, store: StoreView) -> Plan:
        """The host stands in the Secret alone, so each Secret counts as a server of its own. Folder and titles belong
        to reads and writes."""
        reference = part(store.provider_spec, "authRef")
        named = tuple(one(store.provider_spec, "", "authRef"))
        namespace = str(reference.get("namespace") or "") if store.cluster_scoped else store.namespace
        place = "/".join((namespace, str(reference.get("name") or ""), str(reference.get("key") or "")))
        return Plan(
            f"the host in {place}",
            {"authRef": reference},
            consumer(store, named),
            references({}, named),
            quota=Quota.LOGIN,
            pace=PER_SECOND,
        )


SPEC: Final = KeeperSecuritySpec()
