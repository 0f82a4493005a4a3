"""Replies that a hostile server, or something before the real one, may send in place of AWS's."""

from __future__ import annotations

import asyncio
import json
import traceback
from dataclasses import replace

import pytest

from eso.errors import EsoError
from eso.providers.contract import AuthRejected, Find, InvalidConfig, Malformed, RemoteRef, SecretNotFound, Unavailable
from eso.stores.gate import GateClosed, typed
from tests.fakes.aws import Secret
from tests.fakes.awslogin import ROLE
from tests.fakes.backend import Fault
from tests.unit.providers.aws.world import MAIN, world

DEEP = '{"a":' * 5_000 + "1" + "}" * 5_000
BODIES = [
    pytest.param(Fault(200, body='{"SecretString":"' + "planted" * (3 << 20) + '"}'), Malformed, id="twenty megabytes"),
    pytest.param(Fault(200, body=DEEP), Malformed, id="objects without end"),
    pytest.param(Fault(200, body="[" * 1_000_000), Malformed, id="a million brackets"),
    pytest.param(Fault(200, body="<html>planted</html>"), Malformed, id="a page"),
    pytest.param(Fault(200, body="null"), Malformed, id="null"),
    pytest.param(Fault(200, body=""), Malformed, id="nothing"),
    pytest.param(Fault(200, body='{"SecretString":"x","SecretString":7}'), Malformed, id="a member twice"),
    pytest.param(Fault(302, headers={"Location": "https://planted.example/"}), Unavailable, id="elsewhere"),
    pytest.param(Fault(400, body="[" * 100_000), EsoError, id="a refusal of brackets"),
    pytest.param(Fault(400, body='{"__type":"' + "A" * 100_000 + '"}'), InvalidConfig, id="a code without end"),
    pytest.param(
        Fault(400, body='{"__type":{"planted":1},"message":["planted"]}'), EsoError, id="a refusal of objects"
    ),
    pytest.param(Fault(404, body='{"__type":"planted words"}'), EsoError, id="a 404 that is nobody's word"),
]


@pytest.mark.parametrize("service", ["SecretsManager", "ParameterStore"])
@pytest.mark.parametrize(("fault", "kind"), BODIES)
async def test_a_hostile_reply_ends_one_read_and_shows_nothing(service: str, fault: Fault, kind: type) -> None:
    async with world() as w:
        w.add(service=service)
        w.server.secrets["app"], w.server.parameters["app"] = Secret("x"), "x"
        w.server.fail(replace(fault))  # it counts down
        with pytest.raises(EsoError) as failed:
            await w.read("app")
        error = failed.value
        assert isinstance(error, kind | GateClosed)
        assert not isinstance(error, SecretNotFound)
        told = "".join(traceback.format_exception(failed.value))
        assert "planted" not in told
        assert len(told) < 10_000
        if not isinstance(error, GateClosed | Unavailable):
            assert await w.read("app") == b"x", "and the next read is as before"


@pytest.mark.parametrize("service", ["SecretsManager", "ParameterStore"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"SecretList":7,"Parameters":7}', id="a number for the list"),
        pytest.param('{"SecretList":[7],"Parameters":[7]}', id="numbers in the list"),
        pytest.param('{"SecretList":[{"Name":{}}],"Parameters":[{"Name":[],"Value":{}}]}', id="no texts for names"),
        pytest.param('{"SecretList":null,"Parameters":null}', id="null for the list"),
    ],
)
async def test_a_hostile_list_is_never_an_empty_one(service: str, body: str) -> None:
    async with world() as w:
        w.add(service=service)
        w.server.fail(Fault(200, body=body, times=9))
        with pytest.raises(EsoError):
            await w.stores.find("team-a", MAIN, Find(name_regexp="."))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<html>planted</html>", id="a page"),
        pytest.param("<a>" * 100_000, id="elements without end"),
        pytest.param(
            '<!DOCTYPE x [<!ENTITY a "planted"><!ENTITY b "&a;&a;&a;">]><AssumeRoleResponse>&b;</AssumeRoleResponse>',
            id="entities",
        ),
        pytest.param('{"planted":1}', id="JSON"),
        pytest.param("", id="nothing"),
        pytest.param(
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>s"
            "</SecretAccessKey><SessionToken>t</SessionToken><Expiration>planted</Expiration></Credentials>"
            "</AssumeRoleResult></AssumeRoleResponse>",
            id="a time that is none",
        ),
    ],
)
async def test_a_hostile_answer_of_sts_is_a_refused_login(body: str) -> None:
    async with world() as w:
        w.add(role=ROLE)
        w.server.fail(Fault(200, body=body))
        with pytest.raises(EsoError) as failed:
            await w.read("app")
        assert isinstance(typed(failed.value), AuthRejected)
        assert "planted" not in "".join(traceback.format_exception(failed.value))


async def test_entries_of_a_batch_that_are_none_are_answered_one_by_one() -> None:
    """What is left open by a hostile batch is asked alone."""
    async with world() as w:
        w.add()
        w.server.secrets = {"a": Secret("1"), "b": Secret("2")}
        values = [{"Name": "a", "SecretString": 7}, {"Name": "nobody asked", "SecretString": "planted"}]
        w.server.fail(Fault(200, body=json.dumps({"SecretValues": values, "Errors": [{"SecretId": {}}]})))
        found = await asyncio.gather(w.read("a"), w.read("b"), return_exceptions=True)
        assert isinstance(found[0], EsoError)
        assert found[1] == b"2"


async def test_a_reference_that_no_server_knows_is_not_taken_from_another() -> None:
    async with world() as w:
        w.add()
        w.server.secrets = {"app": Secret("x")}
        with pytest.raises(SecretNotFound):
            await w.stores.read("team-a", MAIN, RemoteRef("app-AbCdEf"))
