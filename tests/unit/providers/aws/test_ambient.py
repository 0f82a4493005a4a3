"""The operator's own identity, from each place that it may stand in, in the order of AWS's Go SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.aws.connect import Connector
from eso.providers.aws.secretsmanager import SecretsManagerReader
from eso.providers.aws.spec import SPEC
from eso.providers.contract import AuthRejected, RemoteRef, Unavailable, ValidationFailed
from eso.providers.kit import awsidentity as ambient
from eso.providers.kit.awsidentity import Keys, ambient_keys, decoded
from eso.stores.gate import typed
from tests.fakes.aws import CONTAINER_PATH, CONTAINER_TOKEN, FakeAws, Secret
from tests.fakes.awslogin import ACCOUNT, ROLE, AwsCredentials, view
from tests.fakes.backend import Fault
from tests.fakes.env import TestPools, env


async def no_web_identity(role: str, token: str, session_name: str) -> Keys:
    raise AssertionError("no token was named")


async def found(environ: Mapping[str, str]) -> Keys:
    return await ambient_keys(environ, no_web_identity)


@asynccontextmanager
async def opened(server: FakeAws, credentials: AwsCredentials, **block: Any) -> AsyncIterator[SecretsManagerReader]:
    connector = Connector(env(pools=TestPools(hosts=server.hosts)))
    try:
        store = view(**block)
        client = await connector.open(store, SPEC.plan(store), credentials)
        assert isinstance(client, SecretsManagerReader)
        yield client
    finally:
        await connector.close()


async def test_keys_of_the_environment_come_first() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c"}
    assert await found(environ | {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"}) == Keys("a", "b", "c")


async def test_the_shared_file_has_profiles(tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    path.write_text(
        "[default]\naws_access_key_id=a\naws_secret_access_key=b\n[other]\naws_access_key_id = c\n"
        "aws_secret_access_key = d%s\naws_session_token = e\n"
    )
    environ = {"AWS_SHARED_CREDENTIALS_FILE": str(path)}
    assert await found(environ) == Keys("a", "b")
    assert await found(environ | {"AWS_PROFILE": "other"}) == Keys("c", "d%s", "e")


async def test_a_web_identity_of_the_pod_is_exchanged(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("token-of-operator\n")
    async with FakeAws() as server:
        server.trusted["token-of-operator"] = "sts.amazonaws.com"
        server.secrets["app"] = Secret("x")
        environ = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(path), "AWS_ROLE_ARN": ROLE, "AWS_ROLE_SESSION_NAME": "mine"}
        async with opened(server, AwsCredentials({}, environ=environ), auth=None) as client:
            ref = RemoteRef("app")
            assert client.value(await client.fetch(client.request(ref)), ref) == b"x"
        (form,) = [form for name, form in server.calls if name == "AssumeRoleWithWebIdentity"]
        assert (form["RoleArn"], form["RoleSessionName"]) == (ROLE, "mine")


@pytest.mark.parametrize("token", ["file", "variable"])
async def test_credentials_of_a_container(tmp_path: Path, token: str) -> None:
    path = tmp_path / "token"
    path.write_text(CONTAINER_TOKEN)
    named = {
        "file": {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(path)},
        "variable": {"AWS_CONTAINER_AUTHORIZATION_TOKEN": CONTAINER_TOKEN},
    }
    async with FakeAws() as server:
        environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.address}{CONTAINER_PATH}"}
        keys = await found(environ | named[token])
        assert server.sessions == {keys.token: keys.access_key}
        assert keys.expires is not None
        with pytest.raises(AuthRejected, match="answered 403"):
            await found(environ)


async def test_a_container_of_ecs_has_a_path_at_a_fixed_host(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeAws() as server:
        monkeypatch.setattr(ambient, "TASK_HOST", server.address)
        environ = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": CONTAINER_PATH}
        keys = await found(environ | {"AWS_CONTAINER_AUTHORIZATION_TOKEN": CONTAINER_TOKEN})
        assert server.sessions == {keys.token: keys.access_key}


async def test_no_container_token_goes_to_a_host_of_somebody_else() -> None:
    environ = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://evil.example/creds",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": CONTAINER_TOKEN,
    }
    with pytest.raises(AuthRejected, match=r"invalid endpoint host, evil\.example"):
        await found(environ)


@pytest.mark.parametrize("version", [2, 1])
async def test_the_role_of_an_instance(version: int) -> None:
    async with FakeAws() as server:
        server.metadata_v2 = version == 2
        keys = await found({"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{server.address}/"})
        assert server.sessions == {keys.token: keys.access_key}
        if version == 1:
            with pytest.raises(AuthRejected, match="the token request was answered 404"):
                await found(
                    {"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.address, "AWS_EC2_METADATA_V1_DISABLED": "true"}
                )


async def test_the_region_is_the_environments_else_the_instances() -> None:
    assert await ambient.region_of({"AWS_REGION": "a", "AWS_DEFAULT_REGION": "b"}) == "a"
    assert await ambient.region_of({"AWS_DEFAULT_REGION": "b"}) == "b"
    async with FakeAws() as server:
        environ = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.address}
        with pytest.raises(AuthRejected, match="no EC2 IMDS region found: answered 404"):
            await ambient.region_of(environ)
        server.instance_region = "eu-central-1"
        assert await ambient.region_of(environ) == "eu-central-1"


async def test_nothing_anywhere_is_a_refused_login_and_no_outage_of_the_service() -> None:
    with pytest.raises(AuthRejected, match="access disabled to EC2 IMDS via environment variable"):
        await found({"AWS_EC2_METADATA_DISABLED": "true"})
    with pytest.raises(AuthRejected, match=r"no credentials: cannot reach http://127\.0\.0\.1:9"):
        await found({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"})
    with pytest.raises(AuthRejected, match="failed to read /nowhere: no such file or directory"):
        await found({"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"})


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>", id="no JSON"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"AccessKeyId":"planted"}', id="half"),
        pytest.param(b'{"AccessKeyId":"planted","SecretAccessKey":7}', id="a number"),
        pytest.param(b'{"AccessKeyId":"planted","SecretAccessKey":"x","Expiration":"soon"}', id="no time"),
        pytest.param(b'{"AccessKeyId":"a","SecretAccessKey":"x","Expiration":"2026-01-01T00:00:00"}', id="no zone"),
        pytest.param(b'{"Code":"Failed","AccessKeyId":"planted","SecretAccessKey":"x"}', id="a failure"),
    ],
)
def test_a_reply_that_holds_no_credentials_is_a_refused_login(body: bytes) -> None:
    with pytest.raises(AuthRejected) as refused:
        decoded(body)
    assert "planted" not in str(refused.value)


# accounts of stores, against an STS that looks at tokens


async def test_the_audience_is_checked_by_sts() -> None:
    async with FakeAws() as server:
        server.trusted["token-of-app"] = "somebody-else"
        credentials = AwsCredentials(
            {}, tokens={"app": "token-of-app"}, accounts={"app": {"eks.amazonaws.com/role-arn": ROLE}}
        )
        with pytest.raises(ValidationFailed, match="InvalidIdentityToken: Incorrect token audience") as failed:
            async with opened(server, credentials, auth=ACCOUNT):
                pass
        assert isinstance(typed(failed.value), AuthRejected)
        assert "token-of-app" not in str(failed.value)


async def test_keys_of_one_role_assume_the_next() -> None:
    async with FakeAws() as server:
        server.secrets["app"] = Secret("x")
        block = {"additionalRoles": [f"{ROLE}-1"], "role": f"{ROLE}-2"}
        async with opened(server, AwsCredentials(), **block) as client:
            ref = RemoteRef("app")
            assert client.value(await client.fetch(client.request(ref)), ref) == b"x"
        signed = [asked.headers.get("X-Amz-Security-Token", "") for asked in server.asked]
        assert [token.rpartition("-")[2] for token in signed] == ["", "1", "2"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(Fault(503, body="<html>", times=9), Unavailable, id="503"),
        pytest.param(Fault(drop=True, times=9), Unavailable, id="no answer"),
        pytest.param(Fault(200, body="<html>"), AuthRejected, id="an answer that is none"),
        pytest.param(Fault(200, body="<AssumeRoleResponse/>"), AuthRejected, id="an answer without keys"),
    ],
)
async def test_trouble_of_sts_closes_the_login_and_not_the_way_to_the_service(
    fault: Fault, kind: type[EsoError]
) -> None:
    async with FakeAws() as server:
        server.fail(fault)
        with pytest.raises(ValidationFailed) as failed:
            async with opened(server, AwsCredentials(), role=ROLE):
                pass
        cause = typed(failed.value)
        assert isinstance(cause, kind)
        assert not isinstance(cause, Unavailable) or cause.answered
