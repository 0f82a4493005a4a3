"""The rules of a `beyondtrustworkloadcredentials` store: what admission refuses, which site it asks, what makes its
login.

Neighbours: kit.workloadcredentials has what the generator needs as well; connect.py logs in as the Plan says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView, prefixed
from eso.providers.kit.selectors import Json, Named, consumer, has, one, part, references, refuse_loose
from eso.providers.kit.workloadcredentials import TOKEN, address, site


class WorkloadCredentialsSpec:
    name: ClassVar[str] = "beyondtrustworkloadcredentials"
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        named = credentials(block)
        if not named or not named[0].selector.get("name"):
            raise InvalidConfig("auth.apikey.token.name is required", fix="set auth.apikey.token")
        refuse_loose(store, named)
        if not has(block, "server"):
            raise InvalidConfig("server is required", fix="set server.apiUrl and server.siteId")
        server = part(block, "server")
        if not server.get("apiUrl"):
            raise InvalidConfig("invalid apiUrl: it is empty", fix="set server.apiUrl")
        worded("invalid apiUrl: ", address, server)
        worded("invalid siteId: ", site, server)
        return []

    def plan(self, store: StoreView) -> Plan:
        """The folder belongs to reads. The vendor publishes no limit of requests."""
        block = store.provider_spec
        named = credentials(block)
        return Plan(
            address(part(block, "server")),
            login(block),
            consumer(store, named),
            references(block, named),
            quota=Quota.LOGIN,
        )


SPEC: Final = WorkloadCredentialsSpec()


def worded(words: str, rule: Callable[[Json], str], server: Json) -> None:
    try:
        rule(server)
    except InvalidConfig as error:
        raise prefixed(words, error) from None


def credentials(block: Json) -> tuple[Named, ...]:
    return tuple(one(block, "", *TOKEN))


def login(block: Json) -> dict[str, Any]:
    return {
        "token": part(block, *TOKEN),
        "site": site(part(block, "server")),
        "trust": [block.get("caBundle") or "", part(block, "caProvider")],
    }
