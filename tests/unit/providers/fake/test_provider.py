"""The static provider: versions, searches, isolation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.contract import (
    Find,
    InvalidConfig,
    Push,
    Remote,
    RemoteRef,
    SecretNotFound,
    Source,
    StoreView,
    Validation,
    ValidationFailed,
    writes,
)
from eso.providers.fake.connect import Entry
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole, found


def view(*data: dict[str, str], namespace: str = "team-a", **block: Any) -> StoreView:
    return StoreView("SecretStore", "store", namespace, "fake", {"data": list(data), **block})


async def read(provider: Whole, store: StoreView, ref: RemoteRef) -> bytes:
    client = await provider.open(store, StaticCredentials({}))
    return client.value(await client.fetch(client.request(ref)), ref)


VERSIONS = view(
    {"key": "a", "value": "old", "version": "v9"},
    {"key": "a", "value": "new", "version": "v10"},
    {"key": "j", "value": '{"x":1.50}'},
)


@pytest.mark.parametrize(
    ("ref", "value"),
    [
        pytest.param(RemoteRef("a", version="v9"), b"old", id="a version"),
        pytest.param(RemoteRef("j"), b'{"x":1.50}', id="the text as it stands"),
        pytest.param(RemoteRef("j", "x"), b"1.5", id="a property is rendered"),
    ],
)
async def test_reading(ref: RemoteRef, value: bytes) -> None:
    assert await read(Whole("fake"), VERSIONS, ref) == value


@pytest.mark.parametrize(
    "ref",
    [
        pytest.param(RemoteRef("a"), id="only versions exist"),
        pytest.param(RemoteRef("av9"), id="run together it is another version"),
        pytest.param(RemoteRef("j", "y"), id="a missing property is proven too"),
    ],
)
async def test_absence(ref: RemoteRef) -> None:
    with pytest.raises(SecretNotFound, match="Secret does not exist"):
        await read(Whole("fake"), VERSIONS, ref)


async def test_a_map_keeps_the_source_text_and_hides_what_it_cannot_read() -> None:
    client = await Whole("fake").open(
        view({"key": "j", "value": '{"x": 1.50, "o": {"b":1, "a":2}}'}, {"key": "t", "value": "planted"}),
        StaticCredentials({}),
    )
    ref = RemoteRef("j")
    assert client.mapping(await client.fetch(client.request(ref)), ref) == {"x": b"1.50", "o": b'{"b":1, "a":2}'}
    with pytest.raises(EsoError, match="unable to unmarshal secret: ") as failed:
        client.mapping(await client.fetch(client.request(RemoteRef("t"))), RemoteRef("t"))
    assert "planted" not in str(failed.value)


async def test_a_search_takes_the_greatest_version_as_text_and_converts_names() -> None:
    client = await Whole("fake").open(
        view({"key": "/a", "value": "nine", "version": "v9"}, {"key": "/a", "value": "ten", "version": "v10"}),
        StaticCredentials({}),
    )
    assert await found(client, Find(name_regexp="a")) == {"_a": b"nine"}
    assert await found(client, Find(name_regexp="a", conversion_strategy="Unicode")) == {"_U002f_a": b"nine"}
    with pytest.raises(InvalidConfig, match="unsupported find operator"):
        await found(client, Find(tags=(("a", "b"),)))


@pytest.mark.parametrize(
    ("store", "text"),
    [
        (view({"key": "", "value": "x"}), "key must be set in data 0"),
        (view({"key": "a", "value": "x"}, {"key": "b"}), "at least one value must be set in data 1"),
    ],
)
def test_admission(store: StoreView, text: str) -> None:
    with pytest.raises(InvalidConfig, match=text):
        Whole("fake").spec.check(store)


@pytest.mark.parametrize("result", [Validation.UNKNOWN, Validation.ERROR])
async def test_the_configured_validation(result: Validation) -> None:
    client = await Whole("fake").open(view(validationResult=int(result)), StaticCredentials({}))
    with pytest.raises(ValidationFailed, match="unable to validate") as failed:
        await client.validate()
    assert failed.value.result is result


async def test_what_was_pushed_stays_in_its_namespace() -> None:
    provider = Whole("fake")
    client = await provider.open(view(), StaticCredentials({}))
    client.pushed["p"] = Entry("p", "", b"pushed")
    assert await read(provider, view(), RemoteRef("p")) == b"pushed"
    with pytest.raises(SecretNotFound):
        await read(provider, view(namespace="team-b"), RemoteRef("p"))
    assert "pushed" not in repr(client.pushed["p"])


async def pushing(provider: Whole, store: StoreView, entry: Push, source: Source) -> None:
    client = writes(await provider.open(store, StaticCredentials({})))
    assert client is not None
    await client.push(entry, source)


# P-190
async def test_p_190_a_key_of_the_store_cannot_be_pushed_to_and_a_pushed_one_can() -> None:
    provider, store = Whole("fake"), view({"key": "own", "value": "v"})
    with pytest.raises(InvalidConfig) as refused:
        await pushing(provider, store, Push(Remote("own"), "a"), Source({"a": b"1"}))
    assert str(refused.value) == "key already exists"
    for value in (b"1", b"2"):
        await pushing(provider, store, Push(Remote("new", "ignored"), "a", {"x": 1}), Source({"a": value}))
        assert await read(provider, store, RemoteRef("new")) == value


async def test_a_whole_secret_is_pushed_as_nothing() -> None:
    provider, store = Whole("fake"), view()
    await pushing(provider, store, Push(Remote("whole")), Source({"a": b"1"}))
    assert await read(provider, store, RemoteRef("whole")) == b""


async def test_what_is_pushed_belongs_to_one_store() -> None:
    provider, store = Whole("fake"), view()
    await pushing(provider, store, Push(Remote("new"), "a"), Source({"a": b"1"}))
    with pytest.raises(SecretNotFound):
        await read(provider, view(namespace="team-b"), RemoteRef("new"))


async def test_a_store_of_the_same_login_is_laid_out_once() -> None:
    provider = Whole("fake")
    one, other = VERSIONS, replace(VERSIONS, name="other", uid="2")
    client = await provider.open(one, StaticCredentials({}))
    bound = client.bind(other)
    assert client.bind(other) is bound is not client
    assert client.bind(one) is client
    edited = replace(other, provider_spec={"data": [{"key": "a", "value": "edited"}]})
    again = client.bind(edited)
    assert again.value(await again.fetch(again.request(RemoteRef("a"))), RemoteRef("a")) == b"edited"
    await writes(bound).push(Push(Remote("mine"), "k"), Source({"k": b"v"}))  # type: ignore[union-attr]
    for n in range(40):
        client.bind(replace(other, name=f"other-{n}"))
    kept = client.bind(other)
    assert await kept.fetch(kept.request(RemoteRef("mine"))) == b"v"
