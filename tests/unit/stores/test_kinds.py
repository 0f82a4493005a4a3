"""A login of the operator's own is not lent from a ClusterSecretStore to a SecretStore that looks the same."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.stores.credentials import Credentials
from eso.stores.plans import Store
from eso.stores.registry import PROVIDERS
from eso.stores.sessions import identify
from tests.fakes.credentials import DictRest

VAULT = {"server": "https://vault.example.com", "auth": {"kubernetes": {"mountPath": "kubernetes", "role": "eso"}}}


@pytest.mark.parametrize(
    ("provider", "block"),
    [
        pytest.param("vault", VAULT, id="Vault, with the operator's ServiceAccount"),
        pytest.param("aws", {"service": "SecretsManager", "region": "eu-central-1"}, id="AWS, with its role"),
        pytest.param("gcpsm", {"projectID": "shop"}, id="Google, with its service account"),
    ],
)
async def test_the_kinds_of_stores_share_no_login(provider: str, block: dict[str, Any]) -> None:
    rest: Any = DictRest()
    digests = set()
    for kind, namespace in (("SecretStore", "team-a"), ("ClusterSecretStore", "")):
        view = StoreView(kind, "store", namespace, provider, block, "uid", 1)
        spec = PROVIDERS[provider].spec
        record: Any = None  # only the view and the plan make the login
        digests.add(await identify(Store(record, view, spec, spec.plan(view)), Credentials(rest, view, "team-a")))
    assert len(digests) == 2
