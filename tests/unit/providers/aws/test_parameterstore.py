"""Reading and writing Parameter Store, on moto."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from e2e.harness.moto import Moto
from eso.errors import EsoError
from eso.providers.aws.parameterstore import Asked
from eso.providers.contract import Find, InvalidConfig, Remote, RemoteRef, SecretNotFound, Validation
from tests.fakes.env import found
from tests.unit.providers.aws.clients import entry, source
from tests.unit.providers.aws.clients import opened as opened_service


def opened(moto: Moto, **block: Any) -> Any:
    return opened_service(moto, "ParameterStore", **block)


async def read(client: Any, key: str, **ref: str) -> bytes:
    asked = RemoteRef(key, **ref)
    return client.value(await client.fetch(client.request(asked)), asked)  # type: ignore[no-any-return]  # any client


async def test_values_properties_and_maps(moto: Moto) -> None:
    moto.parameter("/prod/app", {"user": "me", "a.b": "dotted", "n": 1.50})
    moto.parameter("list", "a,b", "StringList")
    async with opened(moto, prefix="/prod/") as client:
        assert await read(client, "app", property="user") == b"me"
        assert await read(client, "app", property="a.b") == b"dotted"
        ref = RemoteRef("app")
        mapped = client.mapping(await client.fetch(client.request(ref)), ref)
        assert mapped == {"user": b"me", "a.b": b"dotted", "n": b"1.5"}
        with pytest.raises(EsoError, match=r"^key nope does not exist in secret app$"):
            await read(client, "app", property="nope")
    async with opened(moto) as client:
        assert await read(client, "list") == b"a,b"
        assert await client.validate() is Validation.READY


async def test_versions_are_numbers_and_labels(moto: Moto) -> None:
    moto.parameter("app", "one")
    moto.parameter("app", "two")
    moto.call("ssm", "LabelParameterVersion", Name="app", ParameterVersion=1, Labels=["old"])
    async with opened(moto) as client:
        assert await read(client, "app") == b"two"
        assert await read(client, "app", version="1") == b"one"
        assert await read(client, "app", version="old") == b"one"
        with pytest.raises(EsoError, match="ParameterVersionNotFound") as missing:
            await read(client, "app", version="9")
        assert not isinstance(missing.value, SecretNotFound)
        assert client.batch(client.request(RemoteRef("app", version="1"))) is None


async def test_a_parameter_that_is_not_there_is_not_found_and_its_tags_are_an_error(moto: Moto) -> None:
    async with opened(moto) as client:
        with pytest.raises(SecretNotFound):
            await read(client, "gone")
        with pytest.raises(EsoError, match=r"^error listing tags operation error SSM: ListTagsForResource") as missing:
            await read(client, "gone", metadata_policy="Fetch")
        assert not isinstance(missing.value, SecretNotFound)


async def test_tags_are_read_as_json(moto: Moto) -> None:
    moto.parameter("app", "x")
    tag = [{"Key": "team", "Value": "<a>"}]
    moto.call("ssm", "AddTagsToResource", ResourceType="Parameter", ResourceId="app", Tags=tag)
    async with opened(moto) as client:
        assert await read(client, "app", metadata_policy="Fetch") == b'{"team":"\\u003ca\\u003e"}'


async def test_find_by_name_path_and_tags(moto: Moto) -> None:
    for number in range(12):
        moto.parameter(f"/prod/app-{number}", str(number))
    moto.parameter("/dev/app-1", "dev")
    tag = [{"Key": "team", "Value": "a"}]
    moto.call("ssm", "AddTagsToResource", ResourceType="Parameter", ResourceId="/prod/app-3", Tags=tag)
    async with opened(moto, prefix="ignored") as client:
        assert len(await found(client, Find(path="/prod", name_regexp="app"))) == 12
        assert sorted(await found(client, Find(name_regexp="^/.*/app-1$"))) == ["/dev/app-1", "/prod/app-1"]
        assert await found(client, Find(tags=(("team", "a"),))) == {"/prod/app-3": b"3"}
        assert await found(client, Find(path="/dev", tags=(("team", "a"),))) == {}
        with pytest.raises(InvalidConfig, match=r"^unexpected find operator$"):
            await found(client, Find(path="/prod"))


async def test_ten_parameters_are_one_call_and_an_unknown_one_is_asked_again(moto: Moto) -> None:
    for number in range(9):
        moto.parameter(f"app-{number}", str(number))
    async with opened(moto) as client:
        asked = [client.request(RemoteRef(f"app-{number}")) for number in range(9)] + [Asked("gone")]
        moto.record()
        answers = await client.fetch_many(asked)
        assert moto.requests() == {"GetParameters": 1, "GetParameter": 1}
        assert [client.value(answers[request], RemoteRef("x")) for request in asked[:-1]] == [
            str(number).encode() for number in range(9)
        ]
        assert isinstance(answers[asked[-1]], SecretNotFound)


# pushes


def parameter(moto: Moto, name: str) -> dict[str, Any]:
    described = moto.call("ssm", "DescribeParameters", ParameterFilters=[{"Key": "Name", "Values": [name]}])
    return described["Parameters"][0] | moto.call("ssm", "GetParameter", Name=name, WithDecryption=True)["Parameter"]


def tags(moto: Moto, name: str) -> dict[str, str]:
    listed = moto.call("ssm", "ListTagsForResource", ResourceType="Parameter", ResourceId=name)["TagList"]
    return {tag["Key"]: tag["Value"] for tag in listed}


# P-170, P-172
async def test_p_170_p_172_a_new_parameter_with_its_metadata(moto: Moto) -> None:
    spec = {
        "secretType": "SecureString",
        "kmsKeyId": "key-1",
        "tier": {"type": "Advanced", "policies": [{"Type": "NoChangeNotification"}]},
        "tags": {"team": "a"},
        "description": "mine",
    }
    async with opened(moto, prefix="/p/") as client:
        moto.record()
        await client.push(entry("app", "user", spec=spec), source(user="me"))
        (put,) = [json.loads(body) for operation, body in moto.recorded() if operation == "PutParameter"]
    assert put == {
        "Name": "/p/app",
        "Value": "me",
        "Type": "SecureString",
        "KeyId": "key-1",
        "Tier": "Advanced",
        "Policies": '[{"Type":"NoChangeNotification"}]',
        "Description": "mine",
        "Overwrite": False,
        "Tags": [{"Key": "managed-by", "Value": "external-secrets"}, {"Key": "team", "Value": "a"}],
    }


# P-172
async def test_p_172_a_plain_parameter_sends_no_key_and_no_tier(moto: Moto) -> None:
    async with opened(moto) as client:
        moto.record()
        spec = {"kmsKeyID": "key-1", "tier": {"type": "Standard", "policies": []}}
        await client.push(entry("app", "user", spec=spec), source(user="me"))
        (put,) = [json.loads(body) for operation, body in moto.recorded() if operation == "PutParameter"]
    assert put["Type"] == "String"
    assert not {"KeyId", "Tier", "Policies"} & put.keys()


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        pytest.param(None, {"a": base64.b64encode(b"<1>").decode()}, id="base64"),
        pytest.param({"encodeAsDecoded": True}, {"a": "<1>"}, id="text"),
    ],
)
# P-171
async def test_p_171_a_whole_secret(moto: Moto, spec: dict[str, Any] | None, value: dict[str, str]) -> None:
    async with opened(moto) as client:
        await client.push(entry("app", spec=spec), source(a="<1>"))
    assert json.loads(parameter(moto, "app")["Value"]) == value


# P-170
async def test_p_170_a_change_overwrites_and_syncs_tags_and_an_equal_value_touches_nothing(moto: Moto) -> None:
    async with opened(moto) as client:
        await client.push(entry("app", "user", spec={"tags": {"old": "x"}}), source(user="me"))
        moto.record()
        await client.push(entry("app", "user", spec={"tags": {"new": "y"}}), source(user="me"))
        assert moto.requests() == {"GetParameter": 1, "ListTagsForResource": 1}
        assert tags(moto, "app") == {"old": "x", "managed-by": "external-secrets"}
        await client.push(entry("app", "user", spec={"tags": {"new": "y"}}), source(user="you"))
    assert parameter(moto, "app")["Value"] == "you"
    assert tags(moto, "app") == {"new": "y", "managed-by": "external-secrets"}


# P-170
async def test_p_170_a_parameter_of_somebody_else_is_left_alone(moto: Moto) -> None:
    moto.parameter("app", "theirs")
    async with opened(moto) as client:
        with pytest.raises(InvalidConfig, match=r"^secret not managed by external-secrets$"):
            await client.push(entry("app", "user"), source(user="me"))
        await client.delete(Remote("app"))
    assert parameter(moto, "app")["Value"] == "theirs"


async def test_a_value_that_was_not_decrypted_is_not_compared(moto: Moto) -> None:
    async with opened(moto) as client:
        await client.push(entry("app", "user"), source(user="sensitive"))
        text = "unable to compare 'sensitive' result, ensure to request a decrypted value"
        with pytest.raises(InvalidConfig, match=text):
            await client.push(entry("app", "user"), source(user="me"))


async def test_deleting_and_looking(moto: Moto) -> None:
    async with opened(moto) as client:
        await client.push(entry("app", "user"), source(user="me"))
        assert await client.exists(Remote("app"))
        await client.delete(Remote("app"))
        assert not await client.exists(Remote("app"))
        await client.delete(Remote("app"))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param(
            {"tags": {"managed-by": "me"}},
            "error parsing tags in metadata: Cannot specify a 'managed-by' tag",
            id="our mark",
        ),
        pytest.param({"color": "red"}, "failed to parse metadata: failed to parse kubernetes", id="unknown member"),
    ],
)
async def test_metadata_that_cannot_be_is_refused(moto: Moto, spec: dict[str, Any], message: str) -> None:
    async with opened(moto) as client:
        with pytest.raises(InvalidConfig) as refused:
            await client.push(entry("app", "user", spec=spec), source(user="me"))
    assert str(refused.value).startswith(message)


async def test_versions_of_many_parameters_cost_pages_and_no_read(moto: Moto) -> None:
    names = [f"/app/p{n:03}" for n in range(120)]
    for name in names:
        moto.parameter(name, "one")
    async with opened(moto) as client:
        moto.record()
        before = await client.probe([*names, "/gone", "arn:aws:ssm:eu-west-1:1:parameter/x"])
        asked = moto.requests()
        # AWS has 50 entries on a page, moto 10.
        assert set(asked) == {"DescribeParameters"} and asked["DescribeParameters"] <= 15
        assert sorted(before) == names
        moto.parameter("/app/p007", "two")
        after = await client.probe(names)
        assert [name for name in names if before[name] != after[name]] == ["/app/p007"]
