"""One operator with a store of every kind: who loads what, and how much it all weighs."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from eso.stores.registry import PROVIDERS
from tests.contract.benches import Bench, Ground, cases
from tests.fakes.kubernetes import AUTHORITY

# Libraries that weigh something → who may bring them along. What every operator loads is not counted.
HEAVY = {
    "aiobotocore": {"aws"},
    "azure": set[str](),
    "botocore": {"aws"},
    "google.auth": {"gcpsm"},
    "google_crc32c": {"gcpsm"},
    "grpc": set(),
    "h2": {"cloudrusm", "nebiusmysterybox", "yandexcertificatemanager", "yandexlockbox"},
    "hvac": {"vault", "openBao"},
    "kubernetes_asyncio.client": set(),
    "msal": set(),
    "nacl": {"github"},
    "onepassword": {"onepasswordSDK"},
    "pydantic": {"onepasswordSDK"},
    "pysequoia": {"passbolt"},
    "requests": {"vault", "openBao"},
}
# Packages whose name is not that of the provider.
PACKAGES = {
    "bitwardensecretsmanager": "bitwarden",
    "cloudrusm": "cloudru",
    "nebiusmysterybox": "nebius",
    "openBao": "vault",
    "yandexcertificatemanager": "yandex",
    "yandexlockbox": "yandex",
}
MOST = 96.0  # it takes 68
MOST_GROWTH = 8.0  # of thirty more reads of each; it takes 0.2
ROOT = Path(__file__).parents[2]


def package(module: str) -> str:
    """The provider whose code it is, "" for what several share and for the rules of a store."""
    parts = module.split(".")
    shared = parts[:2] != ["eso", "providers"] or len(parts) < 4 or parts[2] == "kit" or parts[3].endswith("spec")
    return "" if shared else parts[2]


def told(bench: Bench) -> dict[str, Any]:
    """The bench's store, for another process."""
    secrets: dict[str, dict[str, str]] = {}
    for place, value in bench.secrets.items():
        name, _, key = place.partition("/")
        secrets.setdefault(name, {})[key] = value
    provider = bench.provider.name
    return {
        "provider": provider,
        "namespace": "team-a" if provider == "crd" else provider.lower(),  # objects of the bench lie there
        "block": bench.block,
        "secrets": secrets,
        "labels": bench.labels,
        "config_maps": {AUTHORITY["name"]: {AUTHORITY["key"]: "of an https server"}},
        "asks": bench.reads or bench.server is not None,
        "reads": bench.reads,
        "key": f"{bench.prefix}app",
        "property": "user" if bench.properties else bench.sole,
    }


async def asked(given: dict[str, Any]) -> dict[str, Any]:
    """What a process of its own tells of these stores. The contract servers run here meanwhile."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.contract.oneprocess",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    answer, _ = await child.communicate(json.dumps(given).encode())
    assert child.returncode == 0
    found: dict[str, Any] = json.loads(answer)
    return found


async def test_each_kind_of_store_loads_its_own_code_and_all_of_them_weigh_little(ground: Ground) -> None:
    """Vault first: what is loaded then is what an operator has who uses nothing else."""
    async with AsyncExitStack() as servers:
        stores, hosts = dict[str, dict[str, Any]](), dict[str, str]()
        for case in cases():
            name = case.id.split()[0]
            if case.real or name in stores:
                continue
            bench = await servers.enter_async_context(case.make(ground))
            bench.put("app", {"user": "me"})
            stores[name] = told(bench)
            hosts |= bench.provider.pools.hosts
        assert set(stores) == set(PROVIDERS)
        inorder = sorted(stores.values(), key=lambda one: bool(one["provider"] != "vault"))
        found = await asked({"hosts": hosts, "stores": inorder})
    for store in found["stores"]:
        provider, modules = store["provider"], store["modules"]
        own = PACKAGES.get(provider, provider.lower())
        assert {package(module) for module in modules} <= {own, ""}, provider
        brought = {library for library in HEAVY if any(within(module, library) for module in modules)}
        assert not [library for library in brought if provider not in HEAVY[library]], provider
    assert any(within(module, "hvac") for module in found["stores"][0]["modules"]), "a new process loads what it needs"
    assert found["all"] - found["bare"] < MOST, "MiB for a store of every kind"
    assert found["later"] - found["all"] < MOST_GROWTH, "MiB that nobody gives back"


def within(module: str, library: str) -> bool:
    return module == library or module.startswith(f"{library}.")
