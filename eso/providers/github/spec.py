"""The rules of a `github` store: which server it asks, whose secrets it writes, what makes its login.

Neighbours: connect.py logs in as the Plan says. Admission checks nothing but the address, as in the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.address import parts_of
from eso.providers.kit.http import segment
from eso.providers.kit.selectors import Json, Named, consumer, one, part, references

API: Final = "https://api.github.com"
HOSTS: Final = ("github.com", "www.github.com", "api.github.com")
VERSION: Final = "/api/v3"
KEY: Final = ("auth", "privateKey")
# Requests/s: 5,000 an hour and installation, 80 a minute that change content,
# https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
PACE: Final = 1.3


class GithubSpec:
    name: ClassVar[str] = "github"
    capability: ClassVar[str] = "WriteOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        base(store.provider_spec)
        return []

    def plan(self, store: StoreView) -> Plan:
        """Organization, repository and environment belong to writes."""
        block = store.provider_spec
        named = credentials(block)
        return Plan(
            base(block), login(block), consumer(store, named), references(block, named), quota=Quota.LOGIN, pace=PACE
        )


SPEC: Final = GithubSpec()


def credentials(block: Json) -> tuple[Named, ...]:
    return tuple(one(block, "", *KEY))


def login(block: Json) -> dict[str, Any]:
    return {"key": part(block, *KEY), "app": block.get("appID"), "installation": block.get("installationID")}


def base(block: Json) -> str:
    """The address before every path: GitHub's own API, or that of an Enterprise server. Raises InvalidConfig."""
    url = str(block.get("url") or API).rstrip("/")
    parts = parts_of(url)
    if parts is None:
        raise InvalidConfig("url is no address", fix="write https://github.example.com/")
    host = parts.hostname or ""
    if parts.scheme == "https" and host in HOSTS and parts.port in (None, 443):
        return API
    return url if url.endswith(VERSION) or host.startswith("api.") or ".api." in host else f"{url}{VERSION}"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose secrets they are: the organization's, a repository's, or an environment's of a repository. `visibility`:
    which repositories see a secret of the organization, "" to leave it as it is."""

    organization: str
    repository: str = ""
    environment: str = ""
    visibility: str = ""

    @property
    def of_organization(self) -> bool:
        return not self.repository

    @property
    def repository_path(self) -> str:
        return f"/repos/{segment(self.organization)}/{segment(self.repository)}"

    def path(self, repository_id: int) -> str:
        """Of all secrets. `repository_id` counts for an environment."""
        if self.of_organization:
            return f"/orgs/{segment(self.organization)}/actions/secrets"
        if self.environment:
            return f"/repositories/{repository_id}/environments/{segment(self.environment)}/secrets"
        return f"{self.repository_path}/actions/secrets"


def scope(block: Json) -> Scope:
    repository = str(block.get("repository") or "")
    return Scope(
        str(block.get("organization") or ""),
        repository,
        str(block.get("environment") or "") if repository else "",
        str(block.get("orgSecretVisibility") or ""),
    )
