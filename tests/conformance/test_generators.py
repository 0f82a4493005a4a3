"""L. Generators: section L of the core cases, and the G cases that an API server can decide. The others are tested
beside their code in tests/unit/generators."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from e2e.harness.cluster import ApiRefused, Json
from eso.api.generators import FINALIZER_GENERATOR_STATE, LABEL_OWNER_KEY, owner_key
from tests.conformance.conftest import Case
from tests.harness.deploytokens import DeployTokens

API = "generators.external-secrets.io/v1alpha1"
FETCH_FAILED = "could not get secret data from provider"
PLACE = "error processing spec.dataFrom[0].sourceRef.generatorRef, err: "


def ref(kind: str, name: str = "gen", **more: Any) -> Json:
    rewrite = {key: more.pop(key) for key in ("rewrite",) if key in more}
    return {"sourceRef": {"generatorRef": {"kind": kind, "name": name, **more}}, **rewrite}


def renamed(source: str, target: str) -> Json:
    return {"rewrite": [{"regexp": {"source": source, "target": target}}]}


def generator(case: Case, kind: str, name: str = "gen", /, **spec: Any) -> None:
    body = {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}
    case.api.create(f"{kind.lower()}s", case.namespace, body)


def cluster_generator(case: Case, kind: str, **blocks: Any) -> str:
    name = f"gen-{case.namespace}"
    spec = {"kind": kind, "generator": blocks}
    body = {"apiVersion": API, "kind": "ClusterGenerator", "metadata": {"name": name}, "spec": spec}
    case.api.create("clustergenerators", "", body)
    case._cluster_wide.append(("clustergenerators", name))
    return name


def using(case: Case, *entries: Json, **more: Any) -> None:
    case.external_secret(secretStoreRef=None, data=None, dataFrom=list(entries), **more)


def quiet(case: Case, name: str = "test-es") -> None:
    """No pass happens by itself: nothing is tried again."""
    before = case.passes(name)
    case.holds(lambda: case.passes(name) == before, 3.0)


def states(case: Case) -> list[Json]:
    found = case.api.list("generatorstates", case.namespace)
    return sorted(found, key=lambda one: (one["spec"]["state"]["tokenID"], str(one["metadata"]["name"])))


def deadlines(case: Case) -> list[bool]:
    return ["garbageCollectionDeadline" in one["spec"] for one in states(case)]


@pytest.fixture
def gitlab(case: Case) -> Iterator[DeployTokens]:
    """A kind that leaves something behind: GitlabDeployToken `gen`, its login in Secret `login`."""
    with DeployTokens() as server:
        login(case)
        auth = {"token": {"secretRef": {"name": "login", "key": "token"}}}
        scopes = ["read_registry"]
        generator(case, "GitlabDeployToken", url=server.address, projectID="g/p", name="d", scopes=scopes, auth=auth)
        yield server
        for state in states(case):
            case.edit("generatorstates", state["metadata"]["name"], {"metadata": {"finalizers": None}})


def login(case: Case) -> None:
    body = {"metadata": {"name": "login"}, "data": {"token": base64.b64encode(b"canary-login").decode()}}
    case.api.create("secrets", case.namespace, body)


# references


# G-001, C-183, C-185
def test_g001_c_183_c_185_the_keys_of_a_generator_are_in_the_secret(live: Case):
    generator(live, "Fake", data={"foo": "bar", "baz": "bang"})
    using(live, ref("Fake"))
    live.synced()
    assert live.secret() == {"foo": "bar", "baz": "bang"}


# C-184
def test_c_184_a_cluster_generator_works_like_the_namespaced_one(live: Case):
    using(live, ref("ClusterGenerator", cluster_generator(live, "Fake", fakeSpec={"data": {"foo": "bar"}})))
    live.synced()
    assert live.secret() == {"foo": "bar"}


# G-004
def test_g004_a_cluster_generator_gives_two_objects_values_of_their_own(live: Case):
    name = cluster_generator(live, "Password", passwordSpec={"length": 24})
    using(live, ref("ClusterGenerator", name))
    live.external_secret(
        "other", target={"name": "other"}, secretStoreRef=None, data=None, dataFrom=[ref("ClusterGenerator", name)]
    )
    live.synced()
    live.synced("other")
    assert live.secret() != live.secret("other")


@pytest.mark.parametrize(
    ("api_version", "text"),
    [
        pytest.param(
            "example.com/v1", "generatorRef may only reference the generators group, but got example.com", id="G-002"
        ),
        pytest.param("apps/v1", "generatorRef may only reference the generators group, but got apps", id="C-190 apps"),
        pytest.param(
            "generators.external-secrets.io/v9",
            "generatorRef references unknown GVK generators.external-secrets.io/v9, Kind=Fake",
            id="a version that does not exist",
        ),
        pytest.param(
            "a/b/c", "generatorRef has invalid APIVersion: unexpected GroupVersion string: a/b/c", id="no version"
        ),
    ],
)
def test_a_reference_that_only_an_edit_can_mend_is_not_tried_again(live: Case, api_version: str, text: str):
    using(live, ref("Fake", apiVersion=api_version))
    live.failed(FETCH_FAILED)
    live.told(f"{PLACE}unable to get generator: terminal error: {text}")
    quiet(live)


# G-003, C-188
def test_g003_c_188_a_generator_that_is_not_there_is_waited_for(live: Case):
    using(live, ref("Fake"))
    live.failed(FETCH_FAILED)
    live.told(f'{PLACE}unable to get generator: Fake.generators.external-secrets.io "gen" not found')
    generator(live, "Fake", data={"foo": "bar"})
    live.synced(within=60)


# G-005, C-189
def test_g005_c_189_a_cluster_generator_without_the_block_of_its_kind(live: Case):
    using(live, ref("ClusterGenerator", cluster_generator(live, "Fake", passwordSpec={"length": 24})))
    live.failed(FETCH_FAILED)
    text = "terminal error: invalid ClusterGenerator: when kind is Fake, FakeSpec must be set"
    live.told(f"{PLACE}unable to get generator: {text}")
    quiet(live)


@pytest.mark.parametrize(
    "blocks", [{}, {"fakeSpec": {"data": {}}, "uuidSpec": {}}], ids=["G-006 no block", "G-006 two blocks"]
)
def test_the_schema_wants_exactly_one_block(case: Case, blocks: Json):
    with pytest.raises(ApiRefused):
        cluster_generator(case, "Fake", **blocks)


# G-007
def test_g007_a_namespace_in_a_selector_is_ignored(live: Case):
    body = {"metadata": {"name": "seed"}, "data": {"k": base64.b64encode(b"foo").decode()}}
    live.api.create("secrets", live.namespace, body)
    secret = {"name": "seed", "key": "k", "namespace": "kube-system"}
    generator(live, "MFA", secret=secret, when="1998-05-05T05:05:05Z")
    using(live, ref("MFA"))
    live.synced()
    assert live.secret() == {"token": "674024", "timeLeft": "25"}


# G-008, C-187
def test_g008_c_187_a_generator_of_another_class_leaves_the_object_alone(live: Case):
    generator(live, "Fake", controller="other", data={"foo": "bar"})
    using(live, ref("Fake"), target={"deletionPolicy": "Delete"})
    live.eventually(lambda: live.passes() > 0, what="a pass")
    assert live.es().get("status") in (None, {})
    assert live.es()["metadata"].get("finalizers") is None
    assert live.raw_secret() is None and live.events() == []


# values


# G-015, C-191
def test_g015_c_191_a_rewrite_renames_the_keys(live: Case):
    generator(live, "Password", length=24)
    using(live, ref("Password", **renamed("password", "db-password")))
    live.synced()
    assert set(live.secret() or {}) == {"db-password"}


# G-016, C-191
def test_g016_c_191_a_key_that_a_secret_cannot_have(live: Case):
    generator(live, "Fake", data={"a/b": "c"})
    using(live, ref("Fake"))
    live.failed(FETCH_FAILED)
    live.told(f"{PLACE}invalid secret keys (TIP: use rewrite or conversionStrategy to change keys)")


# G-017
def test_g017_the_later_entry_wins(live: Case):
    generator(live, "Fake", data={"k": "one"})
    generator(live, "Fake", "second", data={"k": "two"})
    using(live, ref("Fake"), ref("Fake", "second"))
    live.synced()
    assert live.secret() == {"k": "two"}


# G-018
def test_g018_two_entries_have_two_values(live: Case):
    generator(live, "UUID")
    using(live, ref("UUID", **renamed("uuid", "a")), ref("UUID", **renamed("uuid", "b")))
    live.synced()
    found = live.secret() or {}
    assert set(found) == {"a", "b"} and found["a"] != found["b"]


# G-019, C-186
def test_g019_c_186_each_interval_makes_a_new_value(live: Case):
    generator(live, "Password", length=24)
    using(live, ref("Password"), refreshInterval="1s")
    live.synced()
    seen: set[str] = set()

    def three() -> bool:
        seen.add((live.secret() or {})["password"])
        return len(seen) >= 3

    live.eventually(three, 20, what="three values")
    assert {len(one) for one in seen} == {24}


# G-020
def test_g020_created_once_keeps_its_value_until_the_secret_is_deleted(live: Case):
    generator(live, "UUID")
    using(live, ref("UUID"), refreshPolicy="CreatedOnce")
    live.synced()
    first = live.secret()
    live.edit_es({"metadata": {"annotations": {"a": "b"}}})
    live.holds(lambda: live.secret() == first, 2.0)
    live.delete("secrets", "test-secret")
    live.eventually(lambda: live.secret() not in (None, first), what="a new value")


# G-021
def test_g021_an_edit_of_the_generator_waits_for_the_next_refresh(live: Case):
    generator(live, "Fake", data={"k": "one"})
    using(live, ref("Fake"))
    live.synced()
    live.edit("fakes", "gen", {"spec": {"data": {"k": "two"}}})
    live.holds(lambda: live.secret() == {"k": "one"}, 2.0)
    live.edit_es({"metadata": {"annotations": {"a": "b"}}})
    live.eventually(lambda: live.secret() == {"k": "two"}, what="the refresh")


def test_an_empty_generator_is_an_empty_provider(live: Case):
    generator(live, "Fake")
    using(live, ref("Fake"))
    assert live.synced()["message"] == "secret retained due to DeletionPolicy=Retain"


# states


# G-030
def test_g030_a_state_tells_what_it_takes_to_clean_up(live: Case, gitlab: DeployTokens):
    using(live, ref("GitlabDeployToken"))
    live.synced()
    assert live.secret() == {"username": "user-1", "token": "canary-token-1"}
    (state,) = states(live)
    meta = state["metadata"]
    assert re.fullmatch(r"gen-externalsecret-test-es-\w+", meta["name"])
    assert meta["labels"] == {LABEL_OWNER_KEY: owner_key("ExternalSecret", live.namespace, "test-es", "0")}
    assert meta["finalizers"] == [FINALIZER_GENERATOR_STATE]
    (owner,) = meta["ownerReferences"]
    assert set(owner) == {"apiVersion", "kind", "name", "uid"}
    assert state["spec"]["state"] == {"url": gitlab.address, "projectID": "g/p", "tokenID": 1}
    assert state["spec"]["resource"]["metadata"] == {"name": "gen", "namespace": live.namespace}


# G-031
def test_g031_a_generator_that_leaves_nothing_behind_has_no_state(live: Case):
    generator(live, "Password", length=24)
    using(live, ref("Password"))
    live.synced()
    assert live.api.list("generatorstates", live.namespace) == []


# G-032, C-193
def test_g032_c_193_the_third_values_end_the_first_ones(case: Case, gitlab: DeployTokens):
    with case.running(generator_gc_grace_period="3s"):
        using(case, ref("GitlabDeployToken"))
        case.synced()
        for count in (2, 3):
            case.edit_es({"metadata": {"annotations": {"count": str(count)}}})
            case.eventually(lambda n=count: gitlab.given == list(range(1, n + 1)))
            if count < 3:  # the third one's begin the grace period of the first
                case.eventually(lambda n=count: len(states(case)) == n)
            case.holds(lambda n=count: len(gitlab.given) == n, 0.5)  # the operator's watch shows the state, too
        case.eventually(lambda: gitlab.valid == {2, 3} and len(states(case)) == 2, 20, what="the grace period is over")
        owners = [one["metadata"]["ownerReferences"][0] for one in states(case)]
        assert not any(owner.get("controller") for owner in owners)
        assert all(one["metadata"]["labels"].keys() == {LABEL_OWNER_KEY} for one in states(case))


# C-193
def test_c_193_the_deadline_is_two_minutes_ahead(live: Case, gitlab: DeployTokens):
    using(live, ref("GitlabDeployToken"))
    live.synced()
    began = datetime.now(UTC).replace(microsecond=0)
    for count in (2, 3):
        live.edit_es({"metadata": {"annotations": {"count": str(count)}}})
        live.eventually(lambda n=count: len(states(live)) == n)
        live.holds(lambda n=count: len(states(live)) == n, 0.5)  # the operator's watch shows it, too
    live.eventually(lambda: deadlines(live) == [True, False, False])
    end = datetime.fromisoformat(states(live)[0]["spec"]["garbageCollectionDeadline"])
    assert began <= end - timedelta(minutes=2) <= datetime.now(UTC)


# G-034, C-192
def test_g034_c_192_values_beside_an_entry_that_fails_are_taken_back(live: Case, gitlab: DeployTokens):
    using(live, ref("GitlabDeployToken"), ref("Fake", "nope"))
    live.failed(FETCH_FAILED)
    live.eventually(lambda: gitlab.given and gitlab.valid == set(), what="they are revoked")
    assert states(live) == []


# G-035
def test_g035_values_that_cannot_be_taken_back_are_tried_again(live: Case, gitlab: DeployTokens):
    gitlab.revocable = False
    using(live, ref("GitlabDeployToken"), ref("Fake", "nope"))
    live.failed(FETCH_FAILED)
    live.eventually(lambda: deadlines(live)[:1] == [True], what="a state that has expired")
    generator(live, "Fake", "nope", data={"k": "v"})
    live.synced(within=60)
    gitlab.revocable = True
    live.eventually(lambda: len(gitlab.valid) == 1 and deadlines(live) == [False], 60, what="only the good ones stay")


# G-033, G-036
def test_g033_g036_a_deletion_waits_for_its_clean_up(live: Case, gitlab: DeployTokens):
    """Without Kubernetes' garbage collector, which would delete the states of a deleted owner, the test does so."""
    using(live, ref("GitlabDeployToken"))
    live.synced()
    live.delete("secrets", "login")
    name = states(live)[0]["metadata"]["name"]
    live.delete("generatorstates", name)
    live.told("could not cleanup generator state: error getting GitLab token from secret: ", name=name)
    assert gitlab.valid == {1} and "deletionTimestamp" in states(live)[0]["metadata"]
    login(live)
    live.eventually(lambda: states(live) == [] and gitlab.valid == set(), 60, what="the state goes")


# G-037
def test_g037_a_deadline_is_not_anticipated(live: Case, gitlab: DeployTokens):
    using(live, ref("GitlabDeployToken"))
    live.synced()
    end = datetime.fromtimestamp(int(datetime.now(UTC).timestamp()) + 4, UTC)
    body = {"spec": {"garbageCollectionDeadline": end.strftime("%Y-%m-%dT%H:%M:%SZ")}}
    live.edit("generatorstates", states(live)[0]["metadata"]["name"], body)
    rest = (end - datetime.now(UTC)).total_seconds()
    live.holds(lambda: len(states(live)) == 1 or datetime.now(UTC) >= end, max(0.1, rest))
    live.eventually(lambda: states(live) == [], what="it goes")


# G-038
def test_g038_without_tracking_there_is_no_state(case: Case, gitlab: DeployTokens):
    with case.running(enable_generator_state="false"):
        using(case, ref("GitlabDeployToken"))
        case.synced()
        assert states(case) == []


# G-038, G-039
def test_g038_g039_a_push_keeps_its_state_though_it_fails(case: Case, gitlab: DeployTokens):
    with case.running(enable_generator_state="false"):
        case.store()
        spec = {
            "refreshInterval": "1h",
            "secretStoreRefs": [{"name": "test-store"}],
            "selector": {"generatorRef": {"kind": "GitlabDeployToken", "name": "gen"}},
            "data": [{"match": {"secretKey": "nope", "remoteRef": {"remoteKey": "x"}}}],
        }
        body = {"apiVersion": "external-secrets.io/v1alpha1", "kind": "PushSecret", "spec": spec}
        case.api.create("pushsecrets", case.namespace, body | {"metadata": {"name": "push"}})
        case.cluster.wait_ready("pushsecrets", case.namespace, "push", status="False")
        found = states(case)
        assert found and all(one["metadata"]["name"].startswith("gen-pushsecret-push-") for one in found)
        key = owner_key("PushSecret", case.namespace, "push", "__pushsecret")
        assert {one["metadata"]["labels"][LABEL_OWNER_KEY] for one in found} == {key}


def test_values_are_in_the_secret_and_nowhere_else(live: Case, gitlab: DeployTokens):
    using(live, ref("GitlabDeployToken"))
    live.synced()
    seen = [str(live.es()), str(states(live)), str(live.events())]
    assert live.operator is not None
    seen += [str(line) for line in live.operator.log.lines] + [live.operator.metrics()]
    assert not any("canary" in text for text in seen)
