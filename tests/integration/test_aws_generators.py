"""ECR and STS tokens of a second implementation of AWS: moto checks what it is sent, and its tokens are used."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import structlog

from e2e.harness.moto import REGION, Moto
from eso.errors import EsoError
from eso.generators.contract import Generator
from eso.generators.kinds import ecr, sts
from eso.providers.env import Env
from eso.runtime.clock import SystemClock
from eso.runtime.offload import Offload
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import TestPools

pytestmark = pytest.mark.real
KEYS = {
    "accessKeyIDSecretRef": {"name": "s", "key": "id"},
    "secretAccessKeySecretRef": {"name": "s", "key": "key"},
    "sessionTokenSecretRef": {"name": "s", "key": "session"},
}
SECRETS = {"s/id": "AKIATEST", "s/key": "canary", "s/session": "session"}
ROLE = "arn:aws:iam::222222222222:role/reader"
MEMBERS = {"access_key_id", "secret_access_key", "session_token", "expiration"}


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    with Moto() as server:
        yield server


@pytest.fixture
async def env(moto: Moto) -> AsyncIterator[Env]:
    offload = Offload(threads=1, name="values")
    yield Env(TestPools(), offload, SystemClock(), structlog.get_logger(), moto.environ)


async def made(generator: Generator, env: Env, secrets: dict[str, str] | None = None, **spec: Any) -> dict[str, str]:
    resource = {"metadata": {"name": "g"}, "spec": {"region": REGION, "auth": {"secretRef": KEYS}} | spec}
    credentials = StaticCredentials(secrets or SECRETS, tokens={})
    values = (await generator.generate(resource, credentials, env)).values
    return {name: value.decode() for name, value in values.items()}


async def test_a_login_for_the_registry_of_the_account(env: Env):
    found = await made(ecr.GENERATOR, env)
    assert found.keys() == {"username", "password", "proxy_endpoint", "expires_at"}
    assert found["username"] == "AWS" and found["password"]
    assert found["proxy_endpoint"] == f"https://123456789012.dkr.ecr.{REGION}.amazonaws.com"
    assert int(found["expires_at"]) > 0


async def test_a_role_leads_to_the_registry_of_its_own_account(env: Env):
    found = await made(ecr.GENERATOR, env, role=ROLE)
    assert found["proxy_endpoint"].startswith("https://222222222222.dkr.ecr.")


async def test_a_session_is_a_login_by_itself_and_lives_as_long_as_was_asked(moto: Moto, env: Env):
    before = int(time.time())
    found = await made(sts.GENERATOR, env, requestParameters={"sessionDuration": 1800})
    assert found.keys() == MEMBERS
    assert before + 1800 <= int(found["expiration"]) <= int(time.time()) + 1801
    ids = ("access_key_id", "secret_access_key", "session_token")
    secrets = dict(zip(SECRETS, (found[name] for name in ids), strict=True))
    moto.record()
    assert (await made(sts.GENERATOR, env, secrets, role=ROLE)).keys() == MEMBERS
    assert moto.requests() == {"AssumeRole": 1, "GetSessionToken": 1}


async def test_a_session_that_aws_refuses_is_told_in_its_words(env: Env):
    with pytest.raises(EsoError) as raised:
        await made(sts.GENERATOR, env, requestParameters={"sessionDuration": 1})
    assert str(raised.value).startswith("unable to get authorization token: ")
    assert "canary" not in str(raised.value)
