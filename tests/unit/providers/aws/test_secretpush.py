"""Pushing to Secrets Manager, on moto."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from e2e.harness.moto import AwsRefused, Moto
from eso.errors import EsoError
from eso.providers.contract import InvalidConfig, Push, Remote
from tests.fakes.awslogin import AwsCredentials
from tests.unit.providers.aws.clients import entry, opened, source

OURS = {"Key": "managed-by", "Value": "external-secrets"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": []})


def described(moto: Moto, name: str) -> dict[str, Any]:
    return moto.call("secretsmanager", "DescribeSecret", SecretId=name)


def value(moto: Moto, name: str) -> dict[str, Any]:
    return moto.call("secretsmanager", "GetSecretValue", SecretId=name)


def tags(moto: Moto, name: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in described(moto, name)["Tags"]}


# P-160
async def test_p_160_a_new_secret_is_binary_and_marked_as_ours(moto: Moto) -> None:
    async with opened(moto, prefix="team/") as client:
        moto.record()
        await client.push(entry("app", "user"), source(user="me"))
        (created,) = [json.loads(body) for operation, body in moto.recorded() if operation == "CreateSecret"]
    assert base64.b64decode(created.pop("SecretBinary")) == b"me"
    assert created == {
        "Name": "team/app",
        "ClientRequestToken": "00000000-0000-0000-0000-000000000001",
        "Description": "secret 'managed-by:external-secrets'",
        "KmsKeyId": "alias/aws/secretsmanager",
        "Tags": [OURS],
    }


# P-167
async def test_p_167_metadata_of_a_new_secret(moto: Moto) -> None:
    spec = {
        "tags": {"team": "a"},
        "description": "mine",
        "secretPushFormat": "string",
        "kmsKeyID": "key-1",  # names match without case
        "replicationLocations": ["us-east-1"],
    }
    async with opened(moto) as client:
        await client.push(entry("app", "user", spec=spec), source(user="me"))
    assert value(moto, "app")["SecretString"] == "me"
    found = described(moto, "app")
    assert (found["Description"], found["KmsKeyId"]) == ("mine", "key-1")
    assert tags(moto, "app") == {"team": "a", "managed-by": "external-secrets"}
    assert [status["Region"] for status in found["ReplicationStatus"]] == ["us-east-1"]


# P-161
async def test_p_161_a_whole_secret_is_its_json(moto: Moto) -> None:
    async with opened(moto) as client:
        await client.push(entry("app", spec={"secretPushFormat": "string"}), source(b="<&>", a="1"))
        assert value(moto, "app")["SecretString"] == '{"a":"1","b":"<&>"}'
        await client.push(entry("app", spec={"secretPushFormat": "string"}), source(a="2"))
    assert value(moto, "app")["SecretString"] == '{"a":"2"}'


# P-164
async def test_p_164_a_changed_value_is_a_new_version_and_an_equal_one_is_none(moto: Moto) -> None:
    async with opened(moto) as client:
        await client.push(entry("app", "user"), source(user="me"))
        await client.push(entry("app", "user"), source(user="you"))
        assert base64.b64decode(value(moto, "app")["SecretBinary"]) == b"you"
        moto.record()
        await client.push(entry("app", "user"), source(user="you"))
        assert moto.requests() == {"DescribeSecret": 1, "GetSecretValue": 1, "DeleteResourcePolicy": 1}


async def test_an_equal_text_is_left_as_it_is(moto: Moto) -> None:
    moto.secret("app", "me", **{"managed-by": "external-secrets"})
    async with opened(moto) as client:
        moto.record()
        await client.push(entry("app", "user"), source(user="me"))
        assert "PutSecretValue" not in moto.requests()


# P-163
async def test_p_163_a_property_is_set_in_the_json_that_is_there(moto: Moto) -> None:
    spec = {"secretPushFormat": "string"}
    async with opened(moto) as client:
        await client.push(entry("app", "user", "a", spec), source(user="1"))
        assert value(moto, "app")["SecretString"] == '{"a":"1"}'
        await client.push(entry("app", "user", "b.c", spec), source(user="2"))
        assert value(moto, "app")["SecretString"] == '{"a":"1","b":{"c":"2"}}'
        moto.secret("text", "planted", **{"managed-by": "external-secrets"})
        with pytest.raises(InvalidConfig) as refused:
            await client.push(entry("text", "user", "a", spec), source(user="1"))
    assert str(refused.value) == (
        "PushSecret for aws secrets manager with a pushSecretData property requires a json secret"
    )


# P-162
async def test_p_162_a_secret_of_somebody_else_is_left_alone(moto: Moto) -> None:
    moto.secret("app", "theirs")
    async with opened(moto) as client:
        with pytest.raises(InvalidConfig, match=r"^secret not managed by external-secrets$"):
            await client.push(entry("app", "user"), source(user="me"))
        await client.delete(Remote("app"))
    assert value(moto, "app")["SecretString"] == "theirs"


async def test_tags_are_synced_only_where_metadata_has_some(moto: Moto) -> None:
    moto.secret("app", "me", foreign="x", **{"managed-by": "external-secrets"})
    async with opened(moto) as client:
        await client.push(entry("app", "user"), source(user="me"))
        assert tags(moto, "app") == {"foreign": "x", "managed-by": "external-secrets"}
        await client.push(entry("app", "user", spec={"tags": {"team": "a"}}), source(user="me"))
        assert tags(moto, "app") == {"team": "a", "managed-by": "external-secrets"}
        moto.record()
        await client.push(entry("app", "user", spec={"tags": {"team": "a"}}), source(user="me"))
        assert not {"TagResource", "UntagResource"} & set(moto.requests())


# P-164
async def test_p_164_a_resource_policy_comes_from_a_config_map_or_a_secret_and_goes_with_the_metadata(
    moto: Moto,
) -> None:
    credentials = AwsCredentials({"policy/text": POLICY})
    credentials.config_maps["policy"] = {"text": POLICY.replace(":", " :")}
    async with opened(moto) as client:
        for kind in ("Secret", "ConfigMap"):
            ref = {"kind": kind, "name": "policy", "key": "text"}
            spec = {"resourcePolicy": {"policySourceRef": ref, "blockPublicPolicy": True}}
            moto.record()
            await client.push(entry("app", "user", spec=spec), source(credentials, user="me"))
            assert moto.requests()["PutResourcePolicy"] == (kind == "Secret"), "an equal policy is not put again"
        found = moto.call("secretsmanager", "GetResourcePolicy", SecretId="app")
        assert json.loads(found["ResourcePolicy"]) == json.loads(POLICY)
        await client.push(entry("app", "user"), source(user="me"))
        assert not moto.call("secretsmanager", "GetResourcePolicy", SecretId="app").get("ResourcePolicy")


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        pytest.param(None, "policySourceRef is nil", id="none"),
        pytest.param(
            {"kind": "Pod", "name": "p", "key": "k"},
            "unsupported PolicySourceRef kind: Pod (must be ConfigMap or Secret)",
            id="kind",
        ),
        pytest.param(
            {"kind": "ConfigMap", "name": "gone", "key": "k"},
            'failed to get ConfigMap team-a/gone: configmaps "gone" not found',
            id="no ConfigMap",
        ),
        pytest.param(
            {"kind": "Secret", "name": "keys", "key": "k"}, "key k not found in Secret team-a/keys", id="no such key"
        ),
    ],
)
async def test_a_policy_that_cannot_be_read_is_told(moto: Moto, ref: dict[str, str] | None, message: str) -> None:
    spec = {"resourcePolicy": {"policySourceRef": ref} if ref else {}}
    async with opened(moto) as client:
        with pytest.raises(EsoError) as refused:
            await client.push(entry("app", "user", spec=spec), source(AwsCredentials(), user="me"))
    assert str(refused.value) == f"failed to resolve resource policy: {message}"
    with pytest.raises(AwsRefused):
        described(moto, "app")


# P-168
async def test_p_168_replicas_follow_the_metadata(moto: Moto) -> None:
    def spec(*regions: str) -> dict[str, Any]:
        return {"replicationLocations": list(regions)}

    def regions() -> list[str]:
        return sorted(status["Region"] for status in described(moto, "app").get("ReplicationStatus", ()))

    async with opened(moto) as client:
        await client.push(entry("app", "user", spec=spec("us-east-1", "us-east-2")), source(user="me"))
        await client.push(entry("app", "user", spec=spec("us-east-2", "us-west-1")), source(user="me"))
        assert regions() == ["us-east-2", "us-west-1"]
        await client.push(entry("app", "user"), source(user="me"))
        assert regions() == ["us-east-2", "us-west-1"], "without the member replicas are nobody's business"
        await client.push(entry("app", "user", spec=spec()), source(user="me"))
        assert regions() == []


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param(
            {"tags": {"managed-by": "me"}},
            "failed to parse push secret metadata: error parsing tags in metadata: Cannot specify a 'managed-by' tag",
            id="our mark",
        ),
        pytest.param(
            {"secretPushFormat": "yaml"},
            "failed to parse push secret metadata: invalid secret push format: yaml",
            id="format",
        ),
    ],
)
# P-165
async def test_p_165_metadata_that_cannot_be_is_refused_before_a_call(
    moto: Moto, spec: dict[str, Any], message: str
) -> None:
    async with opened(moto) as client:
        moto.record()
        with pytest.raises(InvalidConfig) as refused:
            await client.push(entry("app", "user", spec=spec), source(user="me"))
        assert not moto.requests()
    assert str(refused.value) == message


# P-166
async def test_p_166_the_flat_form_of_metadata_is_refused(moto: Moto) -> None:
    async with opened(moto) as client:
        with pytest.raises(InvalidConfig, match='unknown field "tags"'):
            await client.push(Push(Remote("app"), "user", {"tags": {"team": "a"}}), source(user="me"))


async def test_a_member_that_nobody_knows_is_refused(moto: Moto) -> None:
    start = "failed to parse push secret metadata: failed to parse metadata: failed to parse kubernetes"
    async with opened(moto) as client:
        with pytest.raises(InvalidConfig, match=start):
            await client.push(entry("app", "user", spec={"color": "red"}), source(user="me"))


async def test_a_key_that_the_source_does_not_have_is_told(moto: Moto) -> None:
    async with opened(moto) as client:
        with pytest.raises(InvalidConfig) as refused:
            await client.push(entry("app", "gone"), source(user="me"))
    text = "failed to extract secret data: failed to find secret key in secret with key: gone"
    assert str(refused.value) == text


# P-169
async def test_p_169_a_deletion_removes_replicas_and_takes_the_window_of_the_store(moto: Moto) -> None:
    async with opened(moto, secretsManager={"recoveryWindowInDays": 7}) as client:
        spec = {"replicationLocations": ["us-east-1"]}
        await client.push(entry("app", "user", spec=spec), source(user="me"))
        assert await client.exists(Remote("app", "any property"))
        moto.record()
        await client.delete(Remote("app", "any property"))
        calls = {operation: json.loads(body) for operation, body in moto.recorded()}
        assert calls["RemoveRegionsFromReplication"]["RemoveReplicaRegions"] == ["us-east-1"]
        assert calls["DeleteSecret"]["RecoveryWindowInDays"] == 7
        assert calls["DeleteSecret"]["SecretId"].startswith("arn:aws:secretsmanager:")
        await client.delete(Remote("app"))  # it waits for its end already
        await client.delete(Remote("never"))
        assert not await client.exists(Remote("never"))


async def test_a_deletion_without_recovery(moto: Moto) -> None:
    async with opened(moto, secretsManager={"forceDeleteWithoutRecovery": True}) as client:
        await client.push(entry("app", "user"), source(user="me"))
        await client.delete(Remote("app"))
    with pytest.raises(AwsRefused):
        described(moto, "app")


# P-169
async def test_p_169_a_window_that_cannot_be_is_refused_before_a_call(moto: Moto) -> None:
    async with opened(moto, secretsManager={"recoveryWindowInDays": 5}) as client:
        moto.record()
        with pytest.raises(InvalidConfig, match="RecoveryWindowInDays must be between 7 and 30 days"):
            await client.delete(Remote("app"))
        assert not moto.requests()


async def test_writes_to_one_secret_take_turns(moto: Moto) -> None:
    async with opened(moto, prefix="p/") as client:
        assert client.place(Remote("app", "a")) == client.place(Remote("app", "b")) == "p/app"
