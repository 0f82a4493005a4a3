"""What the front door of stores makes of an `aws` store: requests counted at the server, logins, gates."""

from __future__ import annotations

import asyncio
import json

import pytest

from eso.errors import EsoError
from eso.providers.contract import (
    AuthRejected,
    Find,
    Malformed,
    Push,
    Remote,
    SecretNotFound,
    Source,
    Throttled,
    Validation,
    ValidationFailed,
)
from eso.stores.gate import GateClosed, typed
from tests.fakes.aws import Secret
from tests.fakes.awslogin import ROLE
from tests.fakes.backend import Fault
from tests.unit.providers.aws.world import CLUSTER, MAIN, NAMESPACED, world


async def test_a_thousand_objects_over_two_hundred_secrets_are_a_dozen_calls() -> None:
    async with world() as w:
        w.add()
        for number in range(200):
            w.server.secrets[f"app-{number}"] = Secret(
                json.dumps({f"k{part}": f"{number}.{part}" for part in range(5)})
            )

        async def one(number: int) -> None:
            secret, part = number % 200, number // 200
            assert await w.read(f"app-{secret}", property=f"k{part}") == f"{secret}.{part}".encode()

        async with asyncio.TaskGroup() as group:
            for number in range(1000):
                group.create_task(one(number))
        assert set(w.server.operations()) == {"BatchGetSecretValue"}
        assert w.server.operations()["BatchGetSecretValue"] <= 12


async def test_each_of_a_batch_has_its_own_answer_over_all_its_pages() -> None:
    async with world() as w:
        w.add()
        w.server.page_bytes = 300
        for number in range(15):
            w.server.secrets[f"app-{number}"] = Secret("x" * 100 + str(number))
        w.server.secrets["deleted"] = Secret("x", deleted=True)
        w.server.denied.add("GetSecretValue forbidden")
        w.server.secrets["forbidden"] = Secret("x")
        keys = [*(f"app-{number}" for number in range(15)), "deleted", "gone", "forbidden"]
        answers = await asyncio.gather(*(w.read(key) for key in keys), return_exceptions=True)
        assert answers[:15] == [b"x" * 100 + str(number).encode() for number in range(15)]
        assert [type(answer).__name__ for answer in answers[15:]] == ["SecretNotFound", "SecretNotFound", "Denied"]
        assert set(w.server.operations()) == {"BatchGetSecretValue"}
        assert w.server.operations()["BatchGetSecretValue"] > 3


async def test_a_login_that_may_not_batch_is_remembered() -> None:
    async with world() as w:
        w.add()
        w.server.denied.add("BatchGetSecretValue")
        for number in range(5):
            w.server.secrets[f"app-{number}"] = Secret(str(number))
        for _ in range(3):
            found = await asyncio.gather(*(w.read(f"app-{number}") for number in range(5)))
            assert found == [str(number).encode() for number in range(5)]
        assert w.server.operations() == {"BatchGetSecretValue": 1, "GetSecretValue": 15}


async def test_the_next_session_of_a_role_knows_that_it_may_not_batch() -> None:
    async with world() as w:
        w.add(role=ROLE)
        w.server.denied.add("BatchGetSecretValue")
        w.server.secrets = {f"app-{number}": Secret(str(number)) for number in range(3)}
        for _ in range(4):
            assert await asyncio.gather(*(w.read(key) for key in w.server.secrets)) == [b"0", b"1", b"2"]
            w.server.sessions.clear()
        found = w.server.operations()
        assert (found["AssumeRole"], found["BatchGetSecretValue"]) == (4, 1)


async def test_a_name_that_cannot_be_one_fails_nobody_else_and_travels_alone_from_then_on() -> None:
    async with world() as w:
        w.add()
        w.server.secrets = {f"app-{number}": Secret(str(number)) for number in range(4)}
        for _ in range(2):
            keys = ["not a name", *w.server.secrets]
            found = await asyncio.gather(*(w.read(key) for key in keys), return_exceptions=True)
            assert found[1:] == [b"0", b"1", b"2", b"3"]
            assert type(found[0]).__name__ == "InvalidConfig"
        assert w.server.operations() == {"BatchGetSecretValue": 2, "GetSecretValue": 6}


async def test_a_server_without_batches_is_asked_one_by_one() -> None:
    async with world() as w:
        w.add()
        w.server.secrets = {f"app-{number}": Secret(str(number)) for number in range(3)}
        unknown = json.dumps({"__type": "UnknownOperationException", "message": ""})
        w.server.fail(Fault(400, body=unknown))
        for _ in range(2):
            assert await asyncio.gather(*(w.read(key) for key in w.server.secrets)) == [b"0", b"1", b"2"]
        assert w.server.operations() == {"GetSecretValue": 6}


async def test_a_parameter_that_may_not_be_read_travels_alone_from_then_on() -> None:
    async with world() as w:
        w.add(service="ParameterStore")
        w.server.parameters = {f"app-{number}": str(number) for number in range(5)}
        w.server.denied.add("GetParameter app-0")
        for _ in range(2):
            found = await asyncio.gather(*(w.read(f"app-{number}") for number in range(5)), return_exceptions=True)
            assert found[1:] == [b"1", b"2", b"3", b"4"]
            assert type(found[0]).__name__ == "Denied"
        # the first window: the batch and five alone; the second one: a batch of four and the one that is denied
        assert w.server.operations() == {"GetParameters": 2, "GetParameter": 6}


async def test_a_login_that_may_not_batch_parameters_is_remembered() -> None:
    async with world() as w:
        w.add(service="ParameterStore")
        w.server.parameters = {f"app-{number}": str(number) for number in range(3)}
        w.server.denied.add("GetParameters")
        for _ in range(2):
            await asyncio.gather(*(w.read(f"app-{number}") for number in range(3)))
        assert w.server.operations() == {"GetParameters": 1, "GetParameter": 6}


async def test_a_session_that_ended_is_replaced_without_a_failed_read() -> None:
    async with world() as w:
        w.add(role=ROLE)
        w.server.secrets["app"] = Secret("x")
        assert await w.read("app") == b"x"
        w.server.sessions.clear()
        assert await w.read("app") == b"x"
        assert w.server.operations()["AssumeRole"] == 2


async def test_keys_that_nobody_knows_are_rejected_and_close_the_login() -> None:
    async with world() as w:
        w.add()
        w.server.keys.clear()
        with pytest.raises(EsoError) as rejected:
            await w.read("app")
        assert isinstance(typed(rejected.value), AuthRejected)
        with pytest.raises(GateClosed):
            await w.read("app")
        assert w.server.operations() == {}


async def test_throttling_holds_the_quota_of_the_login() -> None:
    async with world() as w:
        w.add()
        w.server.secrets["app"] = Secret("x")
        throttled = json.dumps({"__type": "ThrottlingException", "message": "Rate exceeded"})
        w.server.fail(Fault(400, body=throttled, headers={"Retry-After": "60"}))
        with pytest.raises((GateClosed, Throttled)):
            await w.read("app")
        with pytest.raises(GateClosed, match="Rate exceeded"):
            await w.read("app")


async def test_a_role_that_may_not_be_assumed_fails_the_validation_and_not_the_client() -> None:
    async with world() as w:
        record = w.add(role=ROLE)
        w.server.denied.add("AssumeRole")
        with pytest.raises(
            ValidationFailed, match="failed to refresh cached credentials, operation error STS"
        ) as failed:
            await w.stores.validate(record)
        assert isinstance(failed.value.__cause__, AuthRejected)


async def test_a_store_with_keys_is_valid_without_a_call() -> None:
    async with world() as w:
        record = w.add()
        assert await w.stores.validate(record) == (Validation.READY, "ReadWrite")
        assert not w.server.calls


async def test_a_cluster_store_without_namespaces_reads_with_the_keys_of_each_consumer() -> None:
    async with world() as w:
        record = w.add("ClusterSecretStore")
        w.server.secrets["app"] = Secret("x")
        assert await w.stores.validate(record) == (Validation.UNKNOWN, "ReadWrite")
        assert await w.read("app", store=CLUSTER) == b"x"
        with pytest.raises(EsoError, match='cannot get Kubernetes secret "keys" from namespace "team-b"'):
            await w.read("app", "team-b", CLUSTER)


async def test_tags_name_each_consumer_so_each_has_a_login_of_its_own() -> None:
    async with world() as w:
        w.add("ClusterSecretStore", auth=NAMESPACED, role=ROLE, sessionTagsPolicy="Simple")
        w.server.secrets["app"] = Secret("x")
        for namespace in ("team-a", "team-b", "team-a"):
            assert await w.read("app", namespace, CLUSTER) == b"x"
        forms = [form for name, form in w.server.calls if name == "AssumeRole"]
        tags = [{form[f"Tags.member.{n}.Key"]: form[f"Tags.member.{n}.Value"] for n in (1, 2, 3)} for form in forms]
        store = {"esoStoreName": "main", "esoStoreKind": "ClusterSecretStore"}
        assert tags == [{"esoNamespace": "team-a"} | store, {"esoNamespace": "team-b"} | store]


async def test_an_absence_is_proven_for_the_one_who_asked() -> None:
    async with world() as w:
        w.add()
        with pytest.raises(SecretNotFound):
            await w.read("gone")


async def test_a_push_reads_its_policy_in_its_own_namespace_though_logins_are_shared() -> None:
    async with world() as w:
        record = w.add("ClusterSecretStore", auth=NAMESPACED)
        ref = {"kind": "ConfigMap", "name": "policy", "key": "text"}
        spec = {"resourcePolicy": {"policySourceRef": ref}}
        header = {"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata"}
        entry = Push(Remote("app"), "user", header | {"spec": spec})
        for namespace in ("team-a", "team-b"):
            given = Source({"user": b"me"}, "source", namespace)
            with pytest.raises(EsoError, match=f"failed to get ConfigMap {namespace}/policy: "):
                await w.stores.push(namespace, record, entry, given)
            assert w.rest.gets[-1] == f"configmaps/{namespace}/policy"


@pytest.mark.parametrize(
    ("service", "find"),
    [
        ("SecretsManager", Find(name_regexp=".")),
        ("SecretsManager", Find(tags=(("a", "b"),))),
        ("ParameterStore", Find(name_regexp=".")),
        ("ParameterStore", Find(tags=(("a", "b"),))),
    ],
)
async def test_a_search_whose_answer_has_no_list_is_not_empty(service: str, find: Find) -> None:
    async with world() as w:
        w.add(service=service)
        w.server.fail(Fault(200, body="{}"))
        with pytest.raises(Malformed, match="the answer has no "):
            await w.stores.find("team-a", MAIN, find)


@pytest.mark.parametrize(
    ("service", "absent", "update"),
    [
        ("SecretsManager", "ResourceNotFoundException", "PutSecretValue"),
        ("ParameterStore", "ParameterNotFound", "PutParameter"),
    ],
)
async def test_a_push_that_meets_another_creation_goes_on_with_what_is_there(
    service: str, absent: str, update: str
) -> None:
    async with world() as w:
        record = w.add(service=service)
        await w.stores.push("team-a", record, Push(Remote("app"), "k"), Source({"k": b"first"}, "s", "team-a"))
        w.server.calls.clear()
        w.server.fail(Fault(400, body=json.dumps({"__type": absent, "message": ""})))  # not there yet when it was read
        await w.stores.push("team-a", record, Push(Remote("app"), "k"), Source({"k": b"second"}, "s", "team-a"))
        assert await w.read("app") == b"second"
        assert w.server.operations()[update] >= 1
