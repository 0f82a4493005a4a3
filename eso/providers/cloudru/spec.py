"""The rules of a `cloudrusm` store: what admission refuses, which server it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says, client.py reads in the project.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.selectors import Json, Named, consumer, has, one, part, references, refuse_foreign
from eso.providers.kit.uuids import UUID

DISCOVERY: Final = "https://api.cloud.ru"
KEYS: Final = ("accessKeyIDSecretRef", "accessKeySecretSecretRef")


class CloudruSpec:
    name: ClassVar[str] = "cloudrusm"
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        if not has(block, "auth", "secretRef"):
            raise InvalidConfig("invalid spec: auth.secretRef is required", fix="name an access key")
        project = str(block.get("projectID") or "")
        if not project:
            raise InvalidConfig("invalid spec: projectID is required", fix="write the id of the project")
        if not UUID.fullmatch(project):
            raise InvalidConfig("invalid spec: projectID is invalid UUID", fix="copy the id of the project")
        refuse_foreign(store, credentials(block))
        return []

    def plan(self, store: StoreView) -> Plan:
        """The project belongs to reads. The vendor publishes no limit of requests."""
        block = store.provider_spec
        named = tuple(credentials(block))
        login = {member: part(block, "auth", "secretRef", member) for member in KEYS}
        return Plan(DISCOVERY, login, consumer(store, named), references({}, named), quota=Quota.LOGIN)


SPEC: Final = CloudruSpec()


def credentials(block: Json) -> Iterator[Named]:
    for member in KEYS:
        yield from one(block, "", "auth", "secretRef", member)
