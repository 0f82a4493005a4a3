"""The manifests of docs/providers/vault.md and openbao.md, applied through the front door of stores."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.contract import Push, Remote, Source
from tests.fakes.env import Whole
from tests.fakes.front import Front, manifests
from tests.fakes.vault import ROOT, FakeVault, Fault

PAGES = Path(__file__).parents[4] / "docs" / "providers"


@pytest.fixture
async def server() -> AsyncIterator[FakeVault]:
    async with FakeVault() as fake:
        fake.approles["role-1"] = "secret-1"
        fake.put("secret", "database", {"password": "hunter2"})
        yield fake


@pytest.fixture(params=["vault", "openBao"])
async def front(request: pytest.FixtureRequest, server: FakeVault) -> AsyncIterator[Front]:
    whole = Whole(request.param)
    page = PAGES / f"{request.param.lower()}.md"
    words = {"ROLE_ID": "role-1", "SECRET_ID": "secret-1", "TOKEN": ROOT}
    servers = {f"https://{name}.example.com:8200": server.address for name in ("vault", "bao")}
    made = Front(whole, manifests(page, **words, **servers))
    async with made.running():
        yield made
    await whole.close()


async def test_the_manifest_of_the_page_is_served_with_one_request_per_refresh(front: Front, server: FakeVault) -> None:
    assert await front.read() == b"hunter2"
    assert await front.read() == b"hunter2"
    assert server.count("data/database") == 2
    assert server.count("login") == (1 if front.whole.name == "vault" else 0)
    assert await front.stores.validate(front.store)


async def test_every_request_goes_through_a_gate(front: Front, server: FakeVault) -> None:
    if front.whole.name == "vault":
        entry, source = Push(Remote("pushed"), "k"), Source({"k": b'{"a":"b"}'})
        await front.stores.push("team-a", front.store, entry, source)
        assert await front.stores.exists("team-a", front.store, Remote("pushed"))
        await front.stores.delete("team-a", front.store, Remote("pushed"))
        assert {call for _, call, _ in front.calls.seen} == {
            "Login",
            "ReadSecretData",
            "WriteSecretData",
            "DeleteSecret",
        }
    await front.read()
    assert len(front.calls.seen) == len(server.asked)


@pytest.mark.parametrize(
    ("token", "auth", "text"),
    [
        pytest.param(f"{ROOT}\n", {}, "the token ends in a line break", id="a token with a line break"),
        pytest.param(
            "jwt",
            {"kubernetes": {"mountPath": "k8s", "role": "r", "secretRef": {"name": "bad-login", "key": "token"}}},
            "could not load backend configuration",
            id="an auth method that was never configured",
        ),
    ],
)
async def test_a_store_that_cannot_log_in_harms_no_other_store_of_the_server(
    server: FakeVault, token: str, auth: dict[str, Any], text: str
) -> None:
    whole = Whole("vault")
    words = {"ROLE_ID": "role-1", "SECRET_ID": "secret-1", "https://vault.example.com:8200": server.address}
    objects = manifests(PAGES / "vault.md", **words)
    bad = copy.deepcopy(objects[1])
    bad["metadata"]["name"] = "bad"
    bad["spec"]["provider"]["vault"]["auth"] = auth or {"tokenSecretRef": {"name": "bad-login", "key": "token"}}
    front = Front(whole, [*objects, bad])
    front.secret("bad-login", token=token)
    server.fail(Fault(500, body=json.dumps({"errors": [text]}), path="k8s/login", times=1000))
    async with front.running():
        for _ in range(20):
            with pytest.raises(EsoError, match=text):
                await front.read("database", store="bad")
            assert await front.read() == b"hunter2"
    await whole.close()
