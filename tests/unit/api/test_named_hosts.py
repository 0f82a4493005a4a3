"""The policy that confines stores to hosts looks at every member of a spec that names a server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from eso.api.crds.providers import provider_schemas

POLICY = Path(__file__).parents[3] / "manifests/policies/stores-on-hosts/policy.yaml"
NAMES_A_SERVER = re.compile("url|uri|host|server|endpoint|domain", re.IGNORECASE)
NO_SERVERS = {
    "azurekv.customCloudConfig.keyVaultEndpoint",  # without effect
    "azurekv.customCloudConfig.resourceManagerEndpoint",
    "barbican.domainName",
    "conjur.auth.cert.hostId",
    "conjur.auth.jwt.hostId",
    "secretserver.domain",
    "vault.auth.iam.vaultAwsIamServerID",
}


def texts(schema: dict[str, Any], path: str) -> Iterator[str]:
    """Paths of the members that are texts."""
    for name, member in schema.get("properties", {}).items():
        if member.get("type") == "string":
            yield f"{path}.{name}"
        yield from texts(member, f"{path}.{name}")
    if "items" in schema:
        yield from texts(schema["items"], f"{path}[]")


def test_every_server_that_a_store_names_is_looked_at() -> None:
    policy = next(yaml.safe_load_all(POLICY.read_text()))
    urls = next(one["expression"] for one in policy["spec"]["variables"] if one["name"] == "urls")
    found = {path.replace("?", "") for path in re.findall(r"object\.spec\.provider\.([?.\w]+)", urls)}
    every = [path for key, schema in provider_schemas().items() for path in texts(schema, key)]
    servers = {path for path in every if NAMES_A_SERVER.search(path.rpartition(".")[2])}
    assert servers - NO_SERVERS == found
