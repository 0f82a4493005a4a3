"""The SDK's session: nothing read behind our back, nothing told, nothing tried again."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from eso.net.http import Proxies
from eso.providers.aws.sdk import Sdk
from eso.providers.contract import InvalidConfig, Malformed, Unavailable
from eso.providers.kit.awsidentity import Keys
from tests.fakes.aws import FakeAws, Secret
from tests.fakes.awslogin import KEYS
from tests.fakes.backend import Fault, Proxy
from tests.fakes.env import TestPools, env
from tests.fakes.logs import captured

STATIC = Keys(KEYS["keys/id"], KEYS["keys/secret"])


def sdk(server: FakeAws, **environ: str) -> Sdk:
    return Sdk(env(pools=TestPools(hosts=server.hosts)), environ)


async def api(made: Sdk, service: str = "secretsmanager", region: str = "eu-central-1") -> Any:
    return await made.api(service, region, STATIC, "AWS/Test")


async def test_the_environment_and_the_files_of_a_home_change_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "config").write_text(
        "[default]\nregion=us-west-1\nendpoint_url=http://evil.example\ncredential_process=false\n"
    )
    (folder / "credentials").write_text("[default]\naws_access_key_id=evil\naws_secret_access_key=evil\n")
    for name, value in {
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": "http://evil.example",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://evil.example",
        "AWS_ACCESS_KEY_ID": "evil",
        "AWS_SECRET_ACCESS_KEY": "evil",
        "AWS_PROFILE": "nowhere",
        "AWS_REGION": "us-west-1",
        "AWS_CA_BUNDLE": "/nowhere",
        "AWS_MAX_ATTEMPTS": "9",
        "HTTPS_PROXY": "http://evil.example",
        "HTTP_PROXY": "http://evil.example",
    }.items():
        monkeypatch.setenv(name, value)
    async with FakeAws() as server:
        server.secrets["app"] = Secret("x")
        made = sdk(server)
        assert (await (await api(made)).call("GetSecretValue", SecretId="app", VersionStage="AWSCURRENT"))[
            "Name"
        ] == "app"
        unsigned = await made.api("sts", "eu-central-1", None, "AWS/Test")
        server.trusted["token"] = "sts.amazonaws.com"
        await unsigned.call(
            "AssumeRoleWithWebIdentity", RoleArn="a" * 20, RoleSessionName="session", WebIdentityToken="token"
        )
        assert "external-secrets" in server.asked[0].headers["User-Agent"]
        await made.close()


@pytest.mark.parametrize(
    ("environ", "service"),
    [
        pytest.param("AWS_SECRETSMANAGER_ENDPOINT", "secretsmanager", id="Secrets Manager"),
        pytest.param("AWS_SSM_ENDPOINT", "ssm", id="Parameter Store"),
        pytest.param("AWS_ACM_ENDPOINT", "acm", id="Certificate Manager"),
        pytest.param("AWS_RESOURCE_GROUPS_TAGGING_API_ENDPOINT", "resourcegroupstaggingapi", id="tagging"),
        pytest.param("AWS_SQS_ENDPOINT", "sqs", id="SQS"),
        pytest.param("AWS_STS_ENDPOINT", "sts", id="STS"),
        pytest.param("AWS_ENDPOINT_URL_SSM", "ssm", id="the SDK's own name for one service"),
        pytest.param("AWS_ENDPOINT_URL", "ssm", id="the SDK's own name for all"),
    ],
)
async def test_endpoints_come_from_the_variables_that_the_operator_was_given(environ: str, service: str) -> None:
    async with FakeAws() as server:
        made = sdk(server, **{environ: "http://localhost:4566"})
        found = await api(made, service)
        assert found._raw.meta.endpoint_url == "http://localhost:4566"


async def test_variants_of_endpoints() -> None:
    async with FakeAws() as server:
        plain, fips = await api(sdk(server)), await api(sdk(server, AWS_USE_FIPS_ENDPOINT="true"))
        assert plain._raw.meta.endpoint_url == "https://secretsmanager.eu-central-1.amazonaws.com"
        assert fips._raw.meta.endpoint_url == "https://secretsmanager-fips.eu-central-1.amazonaws.com"
        china = await api(sdk(server), region="cn-north-1")
        assert china._raw.meta.endpoint_url == "https://secretsmanager.cn-north-1.amazonaws.com.cn"


async def test_nothing_is_tried_again() -> None:
    async with FakeAws() as server:
        made = sdk(server)
        found = await api(made)
        server.fail(Fault(500, times=9))
        with pytest.raises(Unavailable) as failed:
            await found.call("GetSecretValue", SecretId="app")
        assert failed.value.answered
        assert len(server.asked) == 1
        await made.close()


async def test_a_debug_log_shows_no_value() -> None:
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    try:
        with captured() as log:
            async with FakeAws() as server:
                server.secrets["app"] = Secret("planted-value")
                made = sdk(server)
                await (await api(made)).call("GetSecretValue", SecretId="app", VersionStage="AWSCURRENT")
                await made.close()
            assert "planted" not in log
    finally:
        root.setLevel(level)


async def test_proxies_of_the_process_are_used_and_no_others() -> None:
    async with FakeAws() as server, Proxy(server) as proxy:
        server.secrets["app"] = Secret("x")
        pools = TestPools(Proxies(proxy.address, proxy.address))
        made = Sdk(env(pools=pools), {"AWS_SECRETSMANAGER_ENDPOINT": "http://aws.example"})
        found = await api(made)
        await found.call("GetSecretValue", SecretId="app", VersionStage="AWSCURRENT")
        assert proxy.targets == ["http://aws.example/"]
        await made.close()


async def test_a_parameter_of_a_wrong_form_is_told_without_its_value() -> None:
    async with FakeAws() as server:
        made = sdk(server)
        found = await api(made)
        with pytest.raises(InvalidConfig) as refused:
            await found.call("GetSecretValue", SecretId={"planted": 1})
        assert "planted" not in str(refused.value)
        assert refused.value.__cause__ is None
        assert server.asked == []


@pytest.mark.parametrize("body", ["[1]", "7", "{", "<html>", '{"SecretString":"planted'])
async def test_a_success_that_is_no_json_is_malformed_and_not_empty(body: str) -> None:
    async with FakeAws() as server:
        made = sdk(server)
        found = await api(made)
        server.fail(Fault(200, body=body))
        with pytest.raises(Malformed, match="the answer is no JSON object") as refused:
            await found.call("ListSecrets")
        assert "planted" not in str(refused.value)
        await made.close()


async def test_connections_are_opened_anew_after_a_while() -> None:
    async with FakeAws() as server:
        server.secrets["app"] = Secret("x")
        made = sdk(server)
        found = await api(made)
        await found.call("GetSecretValue", SecretId="app", VersionStage="AWSCURRENT")
        first = made._pool
        made._opened_at -= 601
        await found.call("GetSecretValue", SecretId="app", VersionStage="AWSCURRENT")
        assert made._pool is not first
        await made.close()
