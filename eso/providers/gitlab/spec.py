"""The rules of a `gitlab` store: what admission refuses, which server it asks, where it looks for variables.

Neighbours: connect.py logs in as the Plan says, client.py looks through project and groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.address import parts_of
from eso.providers.kit.selectors import Json, Named, consumer, one, part, references, refuse_loose

DEFAULT: Final = "https://gitlab.com/"
VERSION: Final = "/api/v4"
TOKEN: Final = ("auth", "SecretRef", "accessToken")
# Requests/s: 2,000 authenticated API requests a minute and user at GitLab.com,
# https://docs.gitlab.com/user/gitlab_com/#rate-limits-on-gitlabcom; a server of one's own has no limit by default.
PACE: Final = 33.0
ANY: Final = ("", "*")  # scopes that are none


class GitlabSpec:
    name: ClassVar[str] = "gitlab"
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        refuse_loose(store, credentials(block))
        if not (block.get("projectID") or block.get("groupIDs")):
            raise InvalidConfig("projectID and groupIDs must not both be empty", fix="set projectID")
        if block.get("groupIDs") and block.get("inheritFromGroups"):
            raise InvalidConfig(
                "defining groupIDs and inheritFromGroups = true is not allowed", fix="leave one of them out"
            )
        for member in ("key", "name"):
            if not part(block, *TOKEN).get(member):
                raise InvalidConfig(f"accessToken.{member} cannot be empty", fix=f"set {'.'.join(TOKEN)}.{member}")
        base(block)
        return []

    def plan(self, store: StoreView) -> Plan:
        """Project, groups and environment belong to reads."""
        block = store.provider_spec
        named = credentials(block)
        url = base(block)
        return Plan(
            url,
            login(block),
            consumer(store, named),
            references(block, named),
            quota=Quota.LOGIN,
            pace=PACE if urlsplit(url).hostname == "gitlab.com" else None,
        )


SPEC: Final = GitlabSpec()


def credentials(block: Json) -> tuple[Named, ...]:
    return tuple(one(block, "", *TOKEN))


def login(block: Json) -> dict[str, Any]:
    return {"auth": part(block, "auth"), "trust": [block.get("caBundle") or "", part(block, "caProvider")]}


def base(block: Json) -> str:
    """The address before every path, `/api/v4` at its end. Raises InvalidConfig."""
    url = str(block.get("url") or DEFAULT).rstrip("/")
    if parts_of(url) is None:
        raise InvalidConfig("url is no address", fix="write https://gitlab.example.com/")
    return url if url.endswith(VERSION) else f"{url}{VERSION}"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a store looks. `groups`: in the order in which they are written, the last one is the closest;
    `inherits`: those above the project count instead."""

    project: str
    groups: tuple[str, ...]
    inherits: bool
    environment: str


def scope(block: Json) -> Scope:
    return Scope(
        str(block.get("projectID") or ""),
        tuple(str(group) for group in block.get("groupIDs") or ()),
        block.get("inheritFromGroups") is True,
        str(block.get("environment") or ""),
    )
