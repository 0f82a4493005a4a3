"""Kind → the module that makes its values: one explicit table.

Neighbours: resolve.py asks what a kind is called, front.py and `reconcile.generatorstate` ask for the code. Rows are
always there; a kind's module may import an SDK, so it is imported in a thread, once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from eso.api.meta import Resource
from eso.api.wellknown import GENERATORS_GROUP
from eso.errors import EsoError
from eso.generators.contract import Generator

VERSION: Final = "v1alpha1"


@dataclass(frozen=True, slots=True)
class Row:
    """`block`: the name of the kind's spec inside a ClusterGenerator. `module`: where GENERATOR is. `classed`: whether
    the kind has `spec.controller`."""

    kind: str
    block: str
    module: str
    classed: bool = False

    @property
    def resource(self) -> Resource:
        return Resource(GENERATORS_GROUP, VERSION, f"{self.kind.lower()}s", self.kind)


CLUSTER_GENERATORS: Final = Resource(
    GENERATORS_GROUP, VERSION, "clustergenerators", "ClusterGenerator", namespaced=False
)
PACKAGE: Final = "eso.generators.kinds"
GENERATORS: Final[dict[str, Row]] = {
    row.kind: row
    for row in (
        Row("ACRAccessToken", "acrAccessTokenSpec", f"{PACKAGE}.acr"),
        Row(
            "BeyondtrustWorkloadCredentialsDynamicSecret",
            "beyondtrustWorkloadCredentialsDynamicSecretSpec",
            f"{PACKAGE}.beyondtrust",
            classed=True,
        ),
        Row("CloudsmithAccessToken", "cloudsmithAccessTokenSpec", f"{PACKAGE}.cloudsmith"),
        Row("ECRAuthorizationToken", "ecrAuthorizationTokenSpec", f"{PACKAGE}.ecr"),
        Row("Fake", "fakeSpec", f"{PACKAGE}.fake", classed=True),
        Row("GCRAccessToken", "gcrAccessTokenSpec", f"{PACKAGE}.gcr"),
        Row("GithubAccessToken", "githubAccessTokenSpec", f"{PACKAGE}.github"),
        Row("GitlabDeployToken", "gitlabDeployTokenSpec", f"{PACKAGE}.gitlab"),
        Row("Grafana", "grafanaSpec", f"{PACKAGE}.grafana"),
        Row("MFA", "mfaSpec", f"{PACKAGE}.mfa"),
        Row("Password", "passwordSpec", f"{PACKAGE}.password"),
        Row("QuayAccessToken", "quayAccessTokenSpec", f"{PACKAGE}.quay"),
        Row("SSHKey", "sshKeySpec", f"{PACKAGE}.sshkey"),
        Row("STSSessionToken", "stsSessionTokenSpec", f"{PACKAGE}.sts"),
        Row("UUID", "uuidSpec", f"{PACKAGE}.uuid"),
        Row("VaultDynamicSecret", "vaultDynamicSecretSpec", f"{PACKAGE}.vault", classed=True),
        Row("Webhook", "webhookSpec", f"{PACKAGE}.webhook"),
    )
}


class NotLoaded(EsoError):
    """The module of a kind cannot be imported: a package is missing, or its code is at fault."""


class Registry:
    """The generators of this process. `made`: generators that are there already; tests bring their own."""

    def __init__(self, table: Mapping[str, Row] = GENERATORS, made: Mapping[str, Generator] | None = None) -> None:
        self._table, self._made = table, dict(made or {})

    def row(self, kind: str) -> Row | None:
        return self._table.get(kind)

    async def generator(self, row: Row) -> Generator:
        """Raises NotLoaded."""
        if row.kind not in self._made:
            try:
                self._made[row.kind] = await asyncio.get_running_loop().run_in_executor(None, load, row)
            except Exception as error:
                text = f"the generator {row.kind} cannot be loaded: {type(error).__name__}"
                raise NotLoaded(text, fix="install what the generator needs") from error
        return self._made[row.kind]


def load(row: Row) -> Generator:
    module: Any = import_module(row.module)
    return module.GENERATOR  # type: ignore[no-any-return]  # the module's promise
