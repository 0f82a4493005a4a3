"""The LDAP login of a `vault` store, with a directory behind the server that knows the passwords."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from eso.providers.contract import AuthRejected, RemoteRef, StoreView
from eso.providers.vault.client import VaultClient
from tests.contract.directory import DIRECTORIES, PASSWORD, PEOPLE, binds
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.vault import FakeVault


@pytest.fixture(params=DIRECTORIES)
def directory(request: pytest.FixtureRequest) -> Iterator[str]:
    with DIRECTORIES[request.param]() as address:
        yield address


@pytest.fixture
async def vault(directory: str) -> AsyncIterator[FakeVault]:
    async with FakeVault() as server:
        server.knows_user = lambda name, password: binds(directory, f"uid={name},{PEOPLE}", password)
        server.put("secret", "app", {"user": "me"})
        yield server


async def opened(vault: FakeVault, user: str, password: str) -> VaultClient:
    auth = {"ldap": {"path": "ldap", "username": user, "secretRef": {"name": "s", "key": "pw"}}}
    view = StoreView(
        "SecretStore", "store", "team-a", "vault", {"server": vault.address, "path": "secret", "auth": auth}
    )
    client = await Whole("vault").open(view, StaticCredentials({"s/pw": password}))
    assert isinstance(client, VaultClient)
    return client


async def test_a_password_reaches_the_directory_as_it_is_and_the_name_without_blanks_around_it(
    vault: FakeVault,
) -> None:
    client = await opened(vault, " alice ", PASSWORD)
    ref = RemoteRef("app", "user")
    assert client.value(await client.fetch(client.request(ref)), ref) == b"me"
    await client.close()
    assert [asked.path for asked in vault.asked if "/auth/ldap/" in asked.path] == ["/v1/auth/ldap/login/alice"]


@pytest.mark.parametrize(
    ("user", "password"),
    [
        pytest.param("alice", "planted", id="another password"),
        pytest.param("alice", f"{PASSWORD}\n", id="a line break at its end"),
        pytest.param("bob", PASSWORD, id="another user"),
    ],
)
async def test_whom_the_directory_does_not_know_is_refused(vault: FakeVault, user: str, password: str) -> None:
    with pytest.raises(AuthRejected, match="unable to log in with LDAP auth: ") as refused:
        await opened(vault, user, password)
    assert password.strip() not in str(refused.value)
