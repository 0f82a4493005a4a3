"""Reading Secrets Manager, on moto: values, versions, tags, searches, batches."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from e2e.harness.moto import Moto
from eso.errors import EsoError
from eso.providers.aws.connect import Connector
from eso.providers.aws.secretsmanager import Asked, SecretsManagerReader
from eso.providers.aws.spec import SPEC
from eso.providers.contract import Find, InvalidConfig, RemoteRef, SecretNotFound, Validation
from tests.fakes.awslogin import AwsCredentials, view
from tests.fakes.env import env, found


@asynccontextmanager
async def opened(moto: Moto, **block: Any) -> AsyncIterator[SecretsManagerReader]:
    connector = Connector(replace(env(), environ=moto.environ))
    store = view(**block)
    client = await connector.open(store, SPEC.plan(store), AwsCredentials())
    assert isinstance(client, SecretsManagerReader)
    yield client
    await client.close()
    await connector.close()


async def read(client: SecretsManagerReader, key: str, **ref: str) -> bytes:
    asked = RemoteRef(key, **ref)
    return client.value(await client.fetch(client.request(asked)), asked)


async def test_a_text_a_binary_and_the_members_of_a_json_are_read(moto: Moto) -> None:
    moto.secret("app", {"user": "me", "a.b": "dotted", "a": {"b": "nested", "c": 1.50}})
    blob = base64.b64encode(b'{"x":"\xc3\xa9"}').decode()
    moto.call("secretsmanager", "CreateSecret", Name="blob", SecretBinary=blob)
    async with opened(moto) as client:
        assert json.loads(await read(client, "app"))["user"] == "me"
        assert await read(client, "app", property="user") == b"me"
        assert await read(client, "app", property="a.b") == b"dotted"
        assert await read(client, "app", property="a.c") == b"1.5"
        assert await read(client, "blob") == b'{"x":"\xc3\xa9"}'
        assert await read(client, "blob", property="x") == "é".encode()
        ref = RemoteRef("app")
        mapped = client.mapping(await client.fetch(client.request(ref)), ref)
        assert mapped == {"user": b"me", "a.b": b"dotted", "a": b'{"b":"nested","c":1.5}'}


async def test_a_version_is_a_stage_or_an_id(moto: Moto) -> None:
    first = moto.secret("app", "one")
    moto.secret("app", "two")
    async with opened(moto) as client:
        assert await read(client, "app") == b"two"
        assert await read(client, "app", version="AWSCURRENT") == b"two"
        assert await read(client, "app", version="AWSPREVIOUS") == b"one"
        assert await read(client, "app", version=f"uuid/{first}") == b"one"
        for version in ("NOSUCHSTAGE", "uuid/00000000-0000-0000-0000-000000000000"):
            with pytest.raises(SecretNotFound):
                await read(client, "app", version=version)


async def test_what_is_not_there_and_what_was_deleted_is_not_found(moto: Moto) -> None:
    moto.secret("app", "x")
    moto.call("secretsmanager", "DeleteSecret", SecretId="app")
    async with opened(moto) as client:
        for key in ("gone", "app"):
            with pytest.raises(SecretNotFound, match="Secret does not exist"):
                await read(client, key)


async def test_a_missing_property_and_a_value_that_is_no_object_are_errors(moto: Moto) -> None:
    moto.secret("app", "planted-text")
    async with opened(moto) as client:
        with pytest.raises(EsoError, match=r"^key nope does not exist in secret app$") as missing:
            await read(client, "app", property="nope")
        assert not isinstance(missing.value, SecretNotFound)
        ref = RemoteRef("app")
        payload = await client.fetch(client.request(ref))
        with pytest.raises(EsoError, match=r"^unable to unmarshal secret app: ") as unreadable:
            client.mapping(payload, ref)
        assert "planted" not in str(unreadable.value)


async def test_tags_are_read_as_json(moto: Moto) -> None:
    moto.secret("app", "x", team="a&b", owner="me")
    async with opened(moto) as client:
        assert await read(client, "app", metadata_policy="Fetch") == b'{"owner":"me","team":"a\\u0026b"}'
        assert await read(client, "app", metadata_policy="Fetch", property="owner") == b"me"
        with pytest.raises(EsoError) as missing:
            await read(client, "gone", metadata_policy="Fetch")
        assert not isinstance(missing.value, SecretNotFound)


async def test_the_prefix_stands_before_every_key(moto: Moto) -> None:
    moto.secret("team/app", "x")
    async with opened(moto, prefix="team/") as client:
        assert await read(client, "app") == b"x"
        assert client.request(RemoteRef("app")) == Asked("team/app")


async def test_find_by_name_by_tags_and_by_path(moto: Moto) -> None:
    for name in ("prod/db", "prod/api", "dev/db"):
        moto.secret(name, name.upper(), stage=name.partition("/")[0])
    async with opened(moto, prefix="ignored/") as client:
        assert await found(client, Find(name_regexp="db$")) == {"dev/db": b"DEV/DB", "prod/db": b"PROD/DB"}
        assert await found(client, Find(path="prod/", name_regexp=".")) == {
            "prod/db": b"PROD/DB",
            "prod/api": b"PROD/API",
        }
        assert await found(client, Find(tags=(("stage", "dev"),))) == {"dev/db": b"DEV/DB"}
        assert await found(client, Find(name_regexp="api", tags=(("stage", "prod"),))) == {"prod/api": b"PROD/API"}
        assert await found(client, Find(name_regexp="nothing")) == {}


@pytest.mark.parametrize(
    "find",
    [
        pytest.param(Find(path="prod"), id="a path alone"),
        pytest.param(Find(tags=()), id="no tags"),
        pytest.param(Find(), id="nothing"),
    ],
)
async def test_a_search_for_nothing_is_refused(moto: Moto, find: Find) -> None:
    async with opened(moto) as client:
        with pytest.raises(InvalidConfig, match=r"^unexpected find operator$"):
            await found(client, find)


async def test_twenty_secrets_are_one_call_and_each_has_its_own_answer(moto: Moto) -> None:
    arn = moto.call("secretsmanager", "CreateSecret", Name="by-arn", SecretString="arn")["ARN"]
    for number in range(18):
        moto.secret(f"app-{number}", f"value-{number}")
    async with opened(moto) as client:
        asked = [client.request(RemoteRef(f"app-{number}")) for number in range(18)]
        asked += [client.request(RemoteRef(arn)), client.request(RemoteRef("gone"))]
        assert {client.batch(request) for request in asked} == {"AWSCURRENT"}
        moto.record()
        answers = await client.fetch_many(asked)
        assert moto.requests() == {"BatchGetSecretValue": 1}
        assert [client.value(answers[request], RemoteRef("x")) for request in asked[:-1]] == [
            *(f"value-{number}".encode() for number in range(18)),
            b"arn",
        ]
        assert isinstance(answers[asked[-1]], SecretNotFound)


async def test_versions_and_tags_travel_alone(moto: Moto) -> None:
    async with opened(moto) as client:
        assert client.batch(client.request(RemoteRef("app", version="AWSPREVIOUS"))) is None
        assert client.batch(client.request(RemoteRef("app", version="uuid/x"))) is None
        assert client.batch(client.request(RemoteRef("app", metadata_policy="Fetch"))) is None


async def test_a_store_is_valid_once_there_are_credentials(moto: Moto) -> None:
    async with opened(moto) as client:
        moto.record()
        assert await client.validate() is Validation.READY
        assert not moto.requests()
        assert client.lifetime is None


async def test_versions_of_a_thousand_secrets_cost_pages_and_no_read(moto: Moto) -> None:
    names = [f"app-{n:04}" for n in range(1000)]
    for name in names:
        moto.secret(name, "one")
    async with opened(moto) as client:
        moto.record()
        before = await client.probe([*names, "gone"])
        asked = moto.requests()
        assert set(asked) == {"ListSecrets"} and 10 <= asked["ListSecrets"] <= 11
        assert sorted(before) == names
        moto.secret("app-0007", "two")
        after = await client.probe(names)
        assert [name for name in names if before[name] != after[name]] == ["app-0007"]


async def test_versions_are_found_by_name_prefix_and_arn(moto: Moto) -> None:
    for name in ("team/app", "team/app-more", "other"):
        moto.secret(name, "one")
    arn = moto.call("secretsmanager", "DescribeSecret", SecretId="other")["ARN"]
    async with opened(moto, prefix="team/") as client:
        moto.record()
        assert set(await client.probe(["app", "gone"])) == {"app"}
        ((operation, body),) = moto.recorded()
        assert operation == "ListSecrets" and "team/gone" in body
    async with opened(moto) as client:
        told = await client.probe([arn, arn.rpartition("-")[0], "other"])
        assert len(told) == 3 and len(set(told.values())) == 1


async def test_a_stage_that_moves_and_a_deletion_are_changes(moto: Moto) -> None:
    first = moto.secret("app", "one")
    second = moto.secret("app", "two")
    async with opened(moto) as client:
        before = await client.probe(["app"])
        moto.call(
            "secretsmanager",
            "UpdateSecretVersionStage",
            SecretId="app",
            VersionStage="AWSCURRENT",
            MoveToVersionId=first,
            RemoveFromVersionId=second,
        )
        assert await client.probe(["app"]) != before
        moto.call("secretsmanager", "DeleteSecret", SecretId="app")
        assert await client.probe(["app"]) == {}
