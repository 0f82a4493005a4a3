"""The rules of a `scaleway` store: what admission refuses, which address it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says, client.py reads and writes in the region and the project.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

from eso.providers.contract import Consumer, InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit import valueorref
from eso.providers.kit.address import address
from eso.providers.kit.selectors import Json, Named, consumer, part, references

DEFAULT: Final = "https://api.scaleway.com"
REGION: Final = re.compile(r"[a-z]{2}-[a-z]{3,7}", re.ASCII)
UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
KEYS: Final = ("accessKey", "secretKey")


class ScalewaySpec:
    name: ClassVar[str] = "scaleway"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        base(block)
        region, project = str(block.get("region") or ""), str(block.get("projectId") or "")
        if not REGION.fullmatch(region):
            raise InvalidConfig(f'invalid region: "{region}"', fix="write a region such as fr-par")
        if not UUID.fullmatch(project):
            raise InvalidConfig(f'invalid project id: "{project}"', fix="write the id of the project, a UUID")
        for member in KEYS:
            valueorref.refuse(store, part(block, member))
        return []

    def plan(self, store: StoreView) -> Plan:
        """Region and project belong to reads. The vendor publishes no limit of requests."""
        block = store.provider_spec
        named = tuple(credentials(block))
        return Plan(
            base(block),
            {member: part(block, member) for member in KEYS},
            consumer(store, named),
            references({}, named),
            quota=Quota.LOGIN,
        )


SPEC: Final = ScalewaySpec()


def credentials(block: Json) -> Iterator[Named]:
    for member in KEYS:
        yield from valueorref.references(part(block, member))


def referent(store: StoreView) -> bool:
    """Whether each consumer logs in with keys of its own namespace."""
    return consumer(store, tuple(credentials(store.provider_spec))) is Consumer.CREDENTIALS


def base(block: Json) -> str:
    """The server's address without a slash at its end. Raises InvalidConfig."""
    return address(str(block.get("apiUrl") or DEFAULT), "invalid api url: ", f"write an address such as {DEFAULT}")
