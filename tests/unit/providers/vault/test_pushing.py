"""Pushes of a `vault` store: what is sent, in which order, and when nothing is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.providers.contract import (
    Busy,
    Denied,
    InvalidConfig,
    Push,
    Remote,
    Source,
    StoreView,
    Unavailable,
)
from eso.providers.vault import content
from eso.providers.vault.client import VaultClient
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.vault import ROOT, FakeVault

OURS = {"managed-by": "external-secrets"}


@pytest.fixture
async def vault() -> AsyncIterator[FakeVault]:
    async with FakeVault() as fake:
        yield fake


@pytest.fixture
async def whole() -> AsyncIterator[Whole]:
    made = Whole("vault")
    yield made
    await made.close()


async def opened(whole: Whole, vault: FakeVault, **block: Any) -> VaultClient:
    spec = {
        "server": vault.address,
        "path": "secret",
        "auth": {"tokenSecretRef": {"name": "login", "key": "token"}},
    } | block
    view = StoreView("SecretStore", "store", "team-a", "vault", spec)
    client = await whole.open(view, StaticCredentials({"login/token": ROOT}))
    assert isinstance(client, VaultClient)
    return client


def sent(vault: FakeVault) -> list[tuple[str, str, Any]]:
    """The changes that the server was asked for."""
    return [
        (asked.method, asked.path.removeprefix("/v1/"), asked.body)
        for asked in vault.asked
        if asked.method in ("PUT", "DELETE")
    ]


def push(property: str = "", key: str = "app", secret_key: str = "v") -> Push:
    return Push(Remote(key, property), secret_key)


def ours(vault: FakeVault, key: str, **data: Any) -> None:
    vault.put("secret", key, data)
    vault.metadata[f"secret/{key}"] = dict(OURS)


# P-151
async def test_p_151_a_new_secret_is_marked_first_and_written_then(vault: FakeVault, whole: Whole) -> None:
    client = await opened(whole, vault)
    await client.push(push(), Source({"v": b'{"user":"me","port":1.50}'}))
    assert sent(vault) == [
        ("PUT", "secret/metadata/app", {"custom_metadata": OURS}),
        ("PUT", "secret/data/app", {"data": {"user": "me", "port": 1.5}}),
    ]


async def test_a_secret_that_is_ours_is_written_without_touching_its_other_metadata(
    vault: FakeVault, whole: Whole
) -> None:
    ours(vault, "app", user="you")
    vault.metadata["secret/app"]["team"] = "red"
    client = await opened(whole, vault)
    await client.push(push(), Source({"v": b'{"user":"me"}'}))
    assert sent(vault) == [("PUT", "secret/data/app", {"data": {"user": "me"}})]
    assert vault.metadata["secret/app"] == OURS | {"team": "red"}


@pytest.mark.parametrize(
    ("there", "value"),
    [
        pytest.param({"a": {"b": [1, 2.0, "x"]}}, b'{"a":{"b":[1.0,2,"x"]}}', id="numbers compare as numbers"),
        pytest.param({"a": "1", "b": None}, b'{"b":null,"a":"1"}', id="in any order"),
    ],
)
# P-154
async def test_p_154_equal_content_is_not_written_again(
    vault: FakeVault, whole: Whole, there: Any, value: bytes
) -> None:
    ours(vault, "app", **there)
    client = await opened(whole, vault)
    await client.push(push(), Source({"v": value}))
    assert sent(vault) == []


# P-153
async def test_p_153_a_property_is_merged_and_a_dot_is_part_of_its_name(vault: FakeVault, whole: Whole) -> None:
    ours(vault, "app", user="me", port=5432)
    client = await opened(whole, vault)
    await client.push(push("a.b"), Source({"v": b"x"}))
    await client.push(push("a.b"), Source({"v": b"x"}))
    assert sent(vault) == [("PUT", "secret/data/app", {"data": {"user": "me", "port": 5432, "a.b": "x"}})]


async def test_a_property_of_a_new_secret_stands_alone_and_a_key_that_is_not_there_is_empty(
    vault: FakeVault, whole: Whole
) -> None:
    client = await opened(whole, vault)
    await client.push(push("p", secret_key="gone"), Source({"v": b"x"}))
    assert sent(vault)[-1] == ("PUT", "secret/data/app", {"data": {"p": ""}})


async def test_a_whole_source_is_pushed_as_an_object_of_texts(vault: FakeVault, whole: Whole) -> None:
    client = await opened(whole, vault)
    await client.push(push(secret_key=""), Source({"b": b"<2>", "a": b"1"}))
    assert sent(vault)[-1] == ("PUT", "secret/data/app", {"data": {"a": "1", "b": "<2>"}})


@pytest.mark.parametrize(
    ("current", "entry", "text"),
    [
        pytest.param({"user": "x"}, push(), "secret not managed by external-secrets", id="somebody else's"),
        pytest.param(None, push(), "error unmarshalling vault secret: invalid JSON format", id="no object, new"),
        pytest.param(
            OURS, push(), "error unmarshalling incoming secret value: invalid JSON format", id="no object, not new"
        ),
        pytest.param({**OURS, "n": 5}, push("n"), "error converting n to string", id="a member that is no text"),
    ],
)
# P-150, P-156
async def test_p_150_p_156_what_cannot_be_pushed(
    vault: FakeVault, whole: Whole, current: Any, entry: Push, text: str
) -> None:
    if current is not None:
        vault.put("secret", "app", current)
        if "managed-by" in current:
            vault.metadata["secret/app"] = dict(OURS)
    client = await opened(whole, vault)
    with pytest.raises(EsoError) as refused:
        await client.push(entry, Source({"v": b"planted, no JSON"}))
    assert str(refused.value) == text
    assert sent(vault) == []


@pytest.mark.parametrize(
    ("versions", "cas"),
    [
        pytest.param([], 0, id="a secret that never was"),
        pytest.param([{"user": "a"}, {"user": "b"}], 2, id="one of two versions"),
        pytest.param([{"user": "a"}, None], 2, id="one whose current version is deleted"),
    ],
)
# P-155
async def test_p_155_check_and_set_names_the_version_that_was_read(
    vault: FakeVault, whole: Whole, versions: list[Any], cas: int
) -> None:
    vault.cas_required = True
    if versions:
        vault.put("secret", "app", *versions)
        vault.metadata["secret/app"] = dict(OURS)
    client = await opened(whole, vault, checkAndSet={"required": True})
    await client.push(push(), Source({"v": b'{"user":"me"}'}))
    assert sent(vault)[-1] == ("PUT", "secret/data/app", {"data": {"user": "me"}, "options": {"cas": cas}})
    assert vault.kv["secret"][1]["app"][-1] == {"user": "me"}


async def test_another_writer_in_between_is_busy_and_nothing_is_lost(vault: FakeVault, whole: Whole) -> None:
    ours(vault, "app", user="you")
    client = await opened(whole, vault, checkAndSet={"required": True})
    original = vault.answer

    async def answer(asked: Any) -> Any:
        if asked.method == "PUT":
            vault.kv["secret"][1]["app"].append({"user": "theirs"})
        return await original(asked)

    vault.answer = answer  # type: ignore[method-assign]  # another writer, just before ours
    with pytest.raises(Busy):
        await client.push(push(), Source({"v": b'{"user":"me"}'}))
    assert vault.kv["secret"][1]["app"][-1] == {"user": "theirs"}


async def test_a_mount_that_asks_for_check_and_set_says_so(vault: FakeVault, whole: Whole) -> None:
    vault.cas_required = True
    client = await opened(whole, vault)
    with pytest.raises(InvalidConfig, match="check-and-set parameter required for this call"):
        await client.push(push(), Source({"v": b'{"user":"me"}'}))


# P-152
async def test_p_152_version_1_carries_the_mark_inside(vault: FakeVault, whole: Whole) -> None:
    client = await opened(whole, vault, path="kv1", version="v1")
    await client.push(push(), Source({"v": b'{"user":"me"}'}))
    assert sent(vault) == [("PUT", "kv1/app", {"user": "me", "custom_metadata": OURS})]
    await client.push(push(), Source({"v": b'{"user":"me"}'}))
    assert len(sent(vault)) == 1, "the mark does not count as content"
    await client.delete(Remote("app", "user"))
    assert sent(vault)[-1][:2] == ("DELETE", "kv1/app")


# P-157
async def test_p_157_a_secret_of_version_2_is_deleted_with_all_its_versions(vault: FakeVault, whole: Whole) -> None:
    ours(vault, "app", user="me")
    client = await opened(whole, vault)
    await client.delete(Remote("app"))
    assert sent(vault) == [("DELETE", "secret/data/app", None), ("DELETE", "secret/metadata/app", None)]


# P-157
async def test_p_157_a_property_that_is_not_there_is_deleted_without_a_write(vault: FakeVault, whole: Whole) -> None:
    ours(vault, "app", user="me")
    client = await opened(whole, vault)
    await client.delete(Remote("app", "gone"))
    await client.delete(Remote("nowhere"))
    assert sent(vault) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("data/app", "could not delete secret app: ", id="the value"),
        pytest.param("metadata/app", "could not delete secret metadata app: ", id="the metadata"),
    ],
)
async def test_a_deletion_that_is_denied_says_what_it_was(vault: FakeVault, whole: Whole, path: str, text: str) -> None:
    ours(vault, "app", user="me")
    client = await opened(whole, vault)
    answer = vault.answer

    async def refusing(asked: Any) -> Any:
        if asked.method == "DELETE" and asked.path.endswith(path):
            vault.denied.add(f"secret/{path}")
        return await answer(asked)

    vault.answer = refusing  # type: ignore[method-assign]  # reads are allowed, this deletion is not
    with pytest.raises(Denied) as refused:
        await client.delete(Remote("app"))
    assert str(refused.value).startswith(text)


async def test_a_property_exists_by_its_name_or_by_its_path(vault: FakeVault, whole: Whole) -> None:
    vault.put("secret", "app", {"a": {"b": None}, "c.d": "x"})
    client = await opened(whole, vault)
    for property, there in (("a", True), ("a.b", True), ("c.d", True), ("", True), ("a.c", False)):
        assert await client.exists(Remote("app", property)) is there
    vault.kv["secret"][1]["app"].append(None)
    assert not await client.exists(Remote("app"))


async def test_a_server_that_is_down_is_no_absence(vault: FakeVault, whole: Whole) -> None:
    client = await opened(whole, vault)
    vault.sealed = True
    for call in (client.exists(Remote("app")), client.delete(Remote("app")), client.push(push(), Source({"v": b"{}"}))):
        with pytest.raises(Unavailable, match="cannot read secret data from Vault: "):
            await call


async def test_a_mount_with_data_at_its_end_is_written_where_it_is_read(vault: FakeVault, whole: Whole) -> None:
    ours(vault, "app", user="me")
    client = await opened(whole, vault, path="secret/data")
    await client.push(push(), Source({"v": b'{"user":"you"}'}))
    assert sent(vault) == [("PUT", "secret/data/app", {"data": {"user": "you"}})]


def test_members_that_are_not_touched_keep_their_digits() -> None:
    current = jsonenc.decode(b'{"n":1.50,"big":12345678901234567890}', keep_numbers=True)
    assert isinstance(current, dict)
    made = content.merged(current, "p", b"x")
    assert jsonenc.encode(made) == b'{"big":12345678901234567890,"n":1.50,"p":"x"}'
