"""The rules of a `volcengine` store: what admission refuses, which server it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says, client.py reads in the region.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.selectors import Json, Named, consumer, has, one, part, references, refuse_foreign

REGION: Final = re.compile(r"[a-z0-9]{1,20}(?:-[a-z0-9]{1,20}){0,5}", re.ASCII)
COMMON: Final = "open.volcengineapi.com"
# Regions whose KMS answers at a host of its own.
APART: Final = frozenset(
    {
        "ap-southeast-2",
        "ap-southeast-3",
        "cn-beijing-autodriving",
        "cn-shanghai-autodriving",
        "cn-beijing-selfdrive",
    }
)
MEMBERS: Final = (("accessKeyID", "AccessKeyID"), ("secretAccessKey", "SecretAccessKey"), ("token", "Token"))


class VolcengineSpec:
    name: ClassVar[str] = "volcengine"
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        region(block)
        if has(block, "auth") and not has(block, "auth", "secretRef"):
            raise InvalidConfig("SecretRef is required when using static credentials", fix="set auth.secretRef")
        refuse_foreign(store, credentials(block))
        return []

    def plan(self, store: StoreView) -> Plan:
        """A signature is good in one region. The vendor publishes no limit of requests."""
        block = store.provider_spec
        named = tuple(credentials(block))
        return Plan(
            f"https://{host(region(block))}",
            {"region": region(block), "auth": part(block, "auth")},
            consumer(store, named),
            references({}, named),
            quota=Quota.LOGIN,
        )


SPEC: Final = VolcengineSpec()


def credentials(block: Json) -> Iterator[Named]:
    for member, shown in MEMBERS:
        yield from one(block, f"invalid {shown}: ", "auth", "secretRef", member)


def region(block: Json) -> str:
    """Raises InvalidConfig."""
    given = str(block.get("region") or "")
    if not given:
        raise InvalidConfig("region is required", fix="set region")
    if not REGION.fullmatch(given):
        raise InvalidConfig("region is no region of Volcengine", fix="write for example cn-beijing")
    return given


def host(region: str) -> str:
    return f"kms.{region}.volcengineapi.com" if region in APART else COMMON
