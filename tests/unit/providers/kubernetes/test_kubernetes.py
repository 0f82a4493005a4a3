"""The provider `kubernetes`: rules of stores, logins, what a reference gives, searches, pushes, kubeconfigs."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.contract import (
    Busy,
    Consumer,
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
)
from eso.providers.kit.clusterspec import NO_ROOTS
from eso.providers.kit.kubeconfig import kubeconfig
from eso.providers.kubernetes.client import KubernetesClient
from eso.providers.kubernetes.spec import SPEC
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole, found
from tests.fakes.kubernetes import TOKEN, FakeCluster

Json = dict[str, Any]
OPEN: list[KubernetesClient] = []
BEARER = {"token": {"bearerToken": {"name": "login", "key": "token"}}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    return StoreView(kind, "s", "" if kind == "ClusterSecretStore" else "team-a", "kubernetes", block, "uid", 1)


@pytest.fixture
async def cluster() -> AsyncIterator[FakeCluster]:
    async with FakeCluster() as made:
        OPEN.clear()
        yield made
        for client in OPEN:
            await client.close()


async def opened(cluster: FakeCluster, kind: str = "SecretStore", **block: Any) -> KubernetesClient:
    whole = Whole("kubernetes")
    store = view(kind, **({"server": {"url": cluster.address}, "auth": BEARER} | block))
    client = await whole.open(store, StaticCredentials({"login/token": f"{TOKEN}\n"}))
    assert isinstance(client, KubernetesClient)
    OPEN.append(client)
    return client


async def read(client: KubernetesClient, key: str, property: str = "", policy: str = "None") -> bytes:
    ref = RemoteRef(key, property, metadata_policy=policy)
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: KubernetesClient, key: str, property: str = "", policy: str = "None") -> dict[str, bytes]:
    ref = RemoteRef(key, property, metadata_policy=policy)
    return client.mapping(await client.fetch(client.request(ref)), ref)


# rules


@pytest.mark.parametrize(
    ("store", "text"),
    [
        pytest.param(
            view("ClusterSecretStore", server={"caProvider": {"name": "c"}}),
            "CAProvider.namespace must not be empty with ClusterSecretStore",
            id="a cluster store names the namespace of its authority",
        ),
        pytest.param(
            view(server={"caProvider": {"name": "c", "namespace": "team-a"}}),
            "CAProvider.namespace must be empty with SecretStore",
            id="a store does not",
        ),
        pytest.param(
            view(auth={"cert": {"clientCert": {"key": "c"}}}), "ClientCert.Name cannot be empty", id="cert name"
        ),
        pytest.param(
            view(auth={"cert": {"clientCert": {"name": "c"}}}), "ClientCert.Key cannot be empty", id="cert key"
        ),
        pytest.param(
            view(auth={"token": {"bearerToken": {"key": "c"}}}), "BearerToken.Name cannot be empty", id="token"
        ),
        pytest.param(
            view("ClusterSecretStore", auth=BEARER),
            "cluster scope requires namespace",
            id="a token without a namespace",
        ),
        pytest.param(
            view(auth={"serviceAccount": {"name": "a", "namespace": "other"}}),
            "namespace should either be empty or match",
            id="an account of another namespace",
        ),
    ],
)
def test_what_admission_refuses(store: StoreView, text: str) -> None:
    with pytest.raises(InvalidConfig, match=text):
        SPEC.check(store)


@pytest.mark.parametrize(
    ("block", "warnings"),
    [
        pytest.param({"auth": BEARER}, [NO_ROOTS], id="the system's authorities are trusted"),
        pytest.param({"auth": BEARER, "server": {"caBundle": "x"}}, [], id="a bundle"),
        pytest.param({"authRef": {"name": "k", "key": "c"}}, [], id="a kubeconfig"),
    ],
)
def test_a_warning_names_missing_authorities(block: Json, warnings: list[str]) -> None:
    assert SPEC.check(view(**block)) == warnings


def test_what_makes_a_login_and_whose_it_is() -> None:
    account = {"serviceAccount": {"name": "a"}}
    plan = SPEC.plan(view("ClusterSecretStore", auth=account, remoteNamespace="x"))
    assert plan.consumer is Consumer.CREDENTIALS
    assert plan.login == {"auth": account}
    assert plan.references == (("ServiceAccount", "", "a"),)
    named = SPEC.plan(view("ClusterSecretStore", authRef={"name": "k", "key": "c"}))
    assert named.consumer is Consumer.NONE
    assert named.references == (("Secret", "", "k"),)
    assert plan.endpoint == "https://kubernetes.default"
    assert SPEC.plan(view(server={"url": "api:6443", "caBundle": "x"})).endpoint.startswith("https://api:6443#")


# logins


@pytest.mark.parametrize(
    ("block", "text"),
    [
        pytest.param({}, "failed to prepare auth: no auth provider given", id="nothing"),
        pytest.param(
            {"auth": BEARER, "authRef": {"name": "login", "key": "token"}},
            "failed to prepare auth: authRef and inline auth cannot both be set",
            id="both",
        ),
        pytest.param(
            {"auth": BEARER | {"serviceAccount": {"name": "a"}}},
            "failed to prepare auth: multiple auth methods provided: set exactly one of Token, ServiceAccount, or Cert",
            id="two methods",
        ),
        pytest.param(
            {"auth": {"token": {"bearerToken": {"name": "none", "key": "token"}}}},
            "failed to prepare auth: could not fetch Auth.Token.BearerToken: cannot find secret data for key: ",
            id="a missing token",
        ),
        pytest.param(
            {"auth": {"cert": {"clientCert": {"name": "none", "key": "c"}, "clientKey": {"name": "none", "key": "k"}}}},
            "failed to prepare auth: could not fetch client key and cert: unable to fetch client certificate: ",
            id="a missing certificate",
        ),
        pytest.param(
            {
                "auth": {
                    "cert": {
                        "clientCert": {"name": "login", "key": "token"},
                        "clientKey": {"name": "login", "key": "token"},
                    }
                },
                "server": {"url": "api"},
            },
            "error configuring clientset: tls: failed to find any PEM data in certificate input",
            id="a certificate that is none",
        ),
        pytest.param(
            {"auth": BEARER, "server": {"url": "https://[::bad"}},
            'error configuring clientset: host must be a URL or a host:port pair: "https://\\[::bad"',
            id="an address that is none",
        ),
    ],
)
async def test_logins_that_fail(block: Json, text: str) -> None:
    store = view(**block)
    with pytest.raises(EsoError, match=f"^{text}"):
        await Whole("kubernetes").open(store, StaticCredentials({"login/token": TOKEN}))


async def test_a_token_of_an_account_lasts_an_hour_and_is_then_replaced() -> None:
    store = view(
        auth={"serviceAccount": {"name": "reader", "audiences": ["other"]}}, server={"url": "http://127.0.0.1:1"}
    )
    credentials = StaticCredentials({}, tokens={"reader": TOKEN})
    client = await Whole("kubernetes").open(store, credentials)
    assert client.lifetime == 3600.0
    assert not await client.renew()
    await client.close()


async def test_a_referent_store_without_a_consumer_counts_as_ready_and_reads_nothing() -> None:
    store = view("ClusterSecretStore", auth={"serviceAccount": {"name": "reader"}})
    client = await Whole("kubernetes").open(store, StaticCredentials({}, namespace=""))
    assert await client.validate() is Validation.READY
    with pytest.raises(InvalidConfig):
        await client.fetch(client.request(RemoteRef("db")))


# values


@pytest.mark.parametrize(
    ("property", "value"),
    [
        pytest.param(
            "",
            b'{".dotted":"x","bin":"\\ufffd","json":"{\\"a\\":{\\"b\\":1.50},\\"c.d\\":\\"<\\"}"}',
            id="all of it",
        ),
        pytest.param("bin", b"\xff", id="bytes that are no text come as they are"),
        pytest.param(".dotted", b"x", id="an exact key with a dot"),
        pytest.param("json.a.b", b"1.5", id="a path into a value"),
        pytest.param("json.c\\.d", b"<", id="a path with an escaped dot"),
    ],
)
async def test_what_a_reference_gives(cluster: FakeCluster, property: str, value: bytes) -> None:
    cluster.put("db", {"json": b'{"a":{"b":1.50},"c.d":"<"}', "bin": b"\xff", ".dotted": b"x"})
    assert await read(await opened(cluster), "db", property) == value


@pytest.mark.parametrize("property", ["nope", "json.nope", ".json", "json.", "nope.a"])
async def test_a_property_that_is_not_there(cluster: FakeCluster, property: str) -> None:
    cluster.put("db", {"json": b'{"a":1}'})
    with pytest.raises(EsoError, match=f'property {property} does not exist in data of secret "db"'):
        await read(await opened(cluster), "db", property)


@pytest.mark.parametrize(
    ("property", "value"),
    [
        pytest.param("", b'{"annotations":{"n":"{\\"a\\":1}"},"labels":{"a.b/c":"3","l":"<2>"}}', id="all of it"),
        pytest.param("labels", b'{"a.b/c":"3","l":"<2>"}', id="all labels"),
        pytest.param("labels.l", b"<2>", id="one label"),
        pytest.param("annotations.n.a", b"1", id="a path into an annotation"),
        pytest.param("labels.a.b/c", None, id="a label with dots cannot be named"),
        pytest.param("other", None, id="another part of the metadata"),
    ],
)
async def test_metadata(cluster: FakeCluster, property: str, value: bytes | None) -> None:
    cluster.put("db", {}, labels={"l": "<2>", "a.b/c": "3"}, annotations={"n": '{"a":1}'})
    client = await opened(cluster)
    if value is not None:
        assert await read(client, "db", property, "Fetch") == value
    else:
        with pytest.raises(EsoError, match=f'property {property} does not exist in metadata of secret "db"'):
            await read(client, "db", property, "Fetch")


async def test_metadata_that_is_not_there_is_null(cluster: FakeCluster) -> None:
    cluster.put("db", {})
    client = await opened(cluster)
    assert await read(client, "db", "", "Fetch") == b'{"annotations":null,"labels":null}'
    assert await extract(client, "db", "", "Fetch") == {"labels": b"null", "annotations": b"null"}


async def test_a_map_is_the_data_and_a_property_of_it_is_one_value_taken_apart(cluster: FakeCluster) -> None:
    cluster.put("db", {"json": b'{"user":"bob","n":1.50,"o":{"a":[1]}}', "bin": b"\xff"})
    client = await opened(cluster)
    assert (await extract(client, "db"))["bin"] == b"\xff"
    assert await extract(client, "db", "json") == {"user": b'"bob"', "n": b"1.5", "o": b'{"a":[1]}'}
    with pytest.raises(EsoError, match="property nope does not exist in key db"):
        await extract(client, "db", "nope")
    cluster.put("db", {"text": b"plain"})
    with pytest.raises(EsoError):
        await extract(client, "db", "text")


async def test_a_missing_secret_is_proven_absent_for_a_map_and_an_ordinary_error_for_a_value(
    cluster: FakeCluster,
) -> None:
    client = await opened(cluster)
    with pytest.raises(EsoError, match=r'^secrets "gone" not found$') as missing:
        await read(client, "gone")
    assert not isinstance(missing.value, SecretNotFound)
    with pytest.raises(SecretNotFound):
        await extract(client, "gone")


@pytest.mark.parametrize("key", ["", "..", "a/b", "../../other/secrets/x"])
async def test_a_key_cannot_leave_the_namespace(cluster: FakeCluster, key: str) -> None:
    client = await opened(cluster)
    with pytest.raises(InvalidConfig):
        client.request(RemoteRef(key))


# searches


async def test_searches_page_by_name_or_by_label(cluster: FakeCluster) -> None:
    for name in ("a-db", "b-db", "c", "d-db"):
        cluster.put(name, {"k": name.encode()}, labels={"team": "x"} if name != "c" else {})
    cluster.put("e-db", {"k": b"elsewhere"}, namespace="other")
    client = await opened(cluster)
    assert list(await found(client, Find(name_regexp="-db$"))) == ["a-db", "b-db", "d-db"]
    assert await found(client, Find(name_regexp="nope", tags=(("team", "x"),))) == {
        name: b'{"k":"%s"}' % name.encode() for name in ("a-db", "b-db", "d-db")
    }
    assert len(await found(client, Find(tags=()))) == 4
    with pytest.raises(InvalidConfig, match="unexpected find operator"):
        await found(client, Find(path="x"))
    with pytest.raises(InvalidConfig, match="unable to validate selector tags: "):
        await found(client, Find(tags=(("a b", "x"),)))
    cluster.fail(Fault(403, body='{"kind":"Status","message":"secrets is forbidden"}'))
    with pytest.raises(EsoError, match=r"^unable to list secrets: secrets is forbidden"):
        await found(client, Find(name_regexp="x"))


# validation


@pytest.mark.parametrize(
    ("rules", "allowed", "text"),
    [
        pytest.param([{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}], False, "", id="the rule"),
        pytest.param([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}], False, "", id="everything"),
        pytest.param([{"verbs": ["list"], "resources": ["secrets"]}], True, "", id="another authorizer"),
        pytest.param(
            [{"verbs": ["list"], "resources": ["secrets"]}], False, "client is not allowed to get secrets", id="no"
        ),
        pytest.param([], False, "client is not allowed to get secrets", id="nothing"),
    ],
)
async def test_validation_asks_for_the_right_to_read(
    cluster: FakeCluster, rules: list[Json], allowed: bool, text: str
) -> None:
    cluster.rules, cluster.allowed = rules, allowed
    client = await opened(cluster)
    if text:
        with pytest.raises(ValidationFailed, match=text):
            await client.validate()
    else:
        assert await client.validate() is Validation.READY


async def test_a_store_whose_server_refuses_the_review_is_not_ready(cluster: FakeCluster) -> None:
    client = await opened(cluster)
    cluster.fail(Fault(401, body='{"kind":"Status","reason":"Unauthorized","message":"Unauthorized"}'))
    with pytest.raises(ValidationFailed, match=r"^could not verify if client is valid: Unauthorized"):
        await client.validate()


# pushes


SOURCE = Source({"k": b"v", "other": b"2"}, "src", "team-a", "Opaque", {"l": "1"}, {"n": "1"})


def envelope(**spec: Any) -> Json:
    version = "kubernetes.external-secrets.io/v1alpha1"
    return {"apiVersion": version, "kind": "PushSecretMetadata", "spec": spec}


# P-185
async def test_p_185_a_whole_secret_replaces_the_data_and_writes_nothing_twice(cluster: FakeCluster) -> None:
    client = await opened(cluster)
    cluster.put("dest", {"old": b"x"}, labels={"theirs": "1"})
    for _ in range(3):
        await client.push(Push(Remote("dest")), SOURCE)
    assert cluster.data("dest") == {"k": b"v", "other": b"2"}
    assert cluster.secrets["default", "dest"]["metadata"]["labels"] == {"theirs": "1", "l": "1"}
    assert cluster.count(method="PUT") == 1


# P-185
async def test_p_185_properties_are_single_keys(cluster: FakeCluster) -> None:
    client = await opened(cluster)
    await client.push(Push(Remote("dest", "one"), "k"), SOURCE)
    await client.push(Push(Remote("dest", "all")), SOURCE)
    await client.push(Push(Remote("dest", "missing"), "nope"), SOURCE)
    assert cluster.data("dest") == {"one": b"v", "all": b'{"k":"v","other":"2"}', "missing": b""}
    with pytest.raises(InvalidConfig, match="requires property in RemoteRef to push secret value"):
        await client.push(Push(Remote("dest"), "k"), SOURCE)


@pytest.mark.parametrize(
    ("spec", "labels"),
    [
        pytest.param({}, {"theirs": "1", "l": "1"}, id="merged"),
        pytest.param({"labels": {"l": "2"}}, {"theirs": "1", "l": "2"}, id="with more"),
        pytest.param({"sourceMergePolicy": "Replace", "labels": {"m": "1"}}, {"theirs": "1", "m": "1"}, id="instead"),
        pytest.param({"targetMergePolicy": "Replace"}, {"l": "1"}, id="only ours"),
        pytest.param({"targetMergePolicy": "Ignore"}, {"theirs": "1"}, id="only theirs"),
    ],
)
# P-185
async def test_p_185_labels_of_a_push(cluster: FakeCluster, spec: Json, labels: Json) -> None:
    cluster.put("dest", {}, labels={"theirs": "1"})
    await (await opened(cluster)).push(Push(Remote("dest"), metadata=envelope(**spec)), SOURCE)
    assert cluster.secrets["default", "dest"]["metadata"]["labels"] == labels


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        pytest.param({"sourceMergePolicy": "X"}, 'unexpected source merge policy "X"', id="source policy"),
        pytest.param({"targetMergePolicy": "X"}, 'unexpected target merge policy "X"', id="target policy"),
        pytest.param({"nope": 1}, 'unable to parse metadata parameters: .*unknown field "nope"', id="an unknown field"),
        pytest.param({"remoteNamespace": "x"}, "only supported with ClusterSecretStore", id="another namespace"),
    ],
)
# P-186
async def test_p_186_metadata_that_is_refused(cluster: FakeCluster, spec: Json, text: str) -> None:
    with pytest.raises(InvalidConfig, match=text):
        await (await opened(cluster)).push(Push(Remote("dest"), metadata=envelope(**spec)), SOURCE)
    assert cluster.secrets == {}


# P-186
async def test_p_186_what_went_to_another_namespace_is_removed_there(cluster: FakeCluster) -> None:
    client = await opened(
        cluster,
        "ClusterSecretStore",
        auth={"token": {"bearerToken": {"name": "login", "key": "token", "namespace": "team-a"}}},
    )
    cluster.put("dest", {"theirs": b"1"})
    remote = Remote("dest", metadata=envelope(remoteNamespace="other"))
    await client.push(Push(remote, metadata=remote.metadata), SOURCE)
    assert await client.exists(remote)
    await client.delete(remote)
    assert sorted(cluster.secrets) == [("default", "dest")]
    assert client.place(remote) != client.place(Remote("dest"))


# P-188
@pytest.mark.parametrize(
    ("given", "made"), [("kubernetes.io/dockerconfigjson", "kubernetes.io/dockerconfigjson"), ("", "Opaque")]
)
async def test_p_188_a_new_secret_has_the_type_of_its_source(cluster: FakeCluster, given: str, made: str) -> None:
    source = Source({"k": b"v"}, "src", "team-a", given, {}, {})
    await (await opened(cluster)).push(Push(Remote("dest")), source)
    assert cluster.secrets["default", "dest"].get("type") == made


async def test_the_annotation_of_kubectl_does_not_travel(cluster: FakeCluster) -> None:
    source = Source({"k": b"v"}, annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}", "n": "1"})
    await (await opened(cluster)).push(Push(Remote("dest")), source)
    assert cluster.secrets["default", "dest"]["metadata"]["annotations"] == {"n": "1"}


# P-187
async def test_p_187_deleting_takes_the_key_or_the_last_one_with_the_secret(cluster: FakeCluster) -> None:
    client = await opened(cluster)
    cluster.put("dest", {"a": b"1", "b": b"2"})
    for remote, left in (
        (Remote("gone"), {"a", "b"}),
        (Remote("dest", "nope"), {"a", "b"}),
        (Remote("dest", "a"), {"b"}),
    ):
        await client.delete(remote)
        assert set(cluster.data("dest")) == left
    assert await client.exists(Remote("dest", "b")) and not await client.exists(Remote("dest", "a"))
    await client.delete(Remote("dest", "b"))
    assert cluster.secrets == {}
    assert not await client.exists(Remote("dest"))


async def test_somebody_who_writes_at_the_same_time_makes_the_push_busy(cluster: FakeCluster) -> None:
    client = await opened(cluster)
    cluster.put("dest", {})
    cluster.fail(Fault(409, body='{"kind":"Status","reason":"Conflict","message":"modified"}', path="dest$", times=0))
    live = client._live

    async def raced(namespace: str, name: str) -> Json | None:
        found = await live(namespace, name)
        cluster.put("dest", {"theirs": b"1"})
        return found

    client._live = raced  # type: ignore[method-assign]  # somebody writes between the read and the write
    with pytest.raises(Busy):
        await client.push(Push(Remote("dest")), SOURCE)
    assert cluster.data("dest") == {"theirs": b"1"}


async def test_every_await_of_a_push_may_be_cancelled(cluster: FakeCluster) -> None:
    client = await opened(cluster)
    async for _ in every_await(lambda: client.push(Push(Remote("dest")), SOURCE)):
        cluster.secrets.clear()
    await client.push(Push(Remote("dest")), SOURCE)


# kubeconfigs


def config(user: Json | None = None, cluster: Json | None = None, **changes: Any) -> bytes:
    ca = base64.b64encode(b"ca").decode()
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [
            {
                "name": "k",
                "cluster": {"server": "https://api:6443/", "certificate-authority-data": ca, **(cluster or {})},
            }
        ],
        "users": [{"name": "u", "user": {"token": "t", **(user or {})}}],
    } | changes
    return json.dumps(document).encode()


def test_a_kubeconfig_with_data_inside() -> None:
    pem = base64.b64encode(b"pem").decode()
    reached = kubeconfig(config({"client-certificate-data": pem, "client-key-data": pem}))
    assert (reached.server, reached.ca, reached.token) == ("https://api:6443", b"ca", "t")
    assert (reached.certificate, reached.key) == (b"pem", b"pem")
    assert "pem" not in repr(reached)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        pytest.param(config({"exec": {"command": "sh"}}), "a plugin: exec is not supported", id="a plugin"),
        pytest.param(config({"auth-provider": {"name": "x"}}), "a plugin", id="an old plugin"),
        pytest.param(config({"tokenFile": "/var/run/x"}), "a file: tokenFile", id="a token in a file"),
        pytest.param(config({"client-key": "/x"}), "a file: client-key", id="a key in a file"),
        pytest.param(config(cluster={"certificate-authority": "/x"}), "a file", id="an authority in a file"),
        pytest.param(config(cluster={"insecure-skip-tls-verify": True}), "an unverified server", id="no verification"),
        pytest.param(config(cluster={"server": "file:///etc/passwd"}), "no https URL", id="no server"),
        pytest.param(config(**{"current-context": ""}), "no current-context", id="no context"),
        pytest.param(config(**{"current-context": "x"}), 'no entry "x" in contexts', id="another context"),
        pytest.param(config(users=[]), 'no entry "u" in users', id="no user"),
        pytest.param(b"{", "is not YAML", id="broken"),
        pytest.param(b"- a", "is no object", id="a list"),
        pytest.param(b"[" * 100_000, "is not YAML", id="deep"),
        pytest.param(b"x" * ((1 << 20) + 1), "is longer than", id="long"),
        pytest.param(b"!!python/object/apply:os.system [id]", "is not YAML", id="a tag of Python"),
    ],
)
def test_a_kubeconfig_that_is_refused(document: bytes, text: str) -> None:
    with pytest.raises(InvalidConfig, match=text):
        kubeconfig(document)


@pytest.mark.parametrize("value", [b"planted", b"[1]", b"7", b"\xff\xfe", b""], ids=repr)
async def test_a_property_that_is_no_object_is_no_map_and_is_not_quoted(cluster: FakeCluster, value: bytes) -> None:
    cluster.put("db", {"text": value})
    with pytest.raises(EsoError) as failed:
        await extract(await opened(cluster), "db", "text")
    assert str(failed.value) == "failed to unmarshal secret: invalid JSON format"


@pytest.mark.parametrize("key", ["", ".", "..", "a/b", "../configmaps/a", "a%2fb"])
async def test_a_key_that_names_no_single_secret_is_neither_read_nor_written_nor_deleted(
    cluster: FakeCluster, key: str
) -> None:
    client = await opened(cluster)
    for work in (
        read(client, key),
        client.push(Push(Remote(key)), Source({"v": b"x"})),
        client.delete(Remote(key)),
        client.exists(Remote(key)),
    ):
        with pytest.raises(InvalidConfig, match="name"):
            await work
    assert not cluster.asked


@pytest.mark.parametrize("namespace", [".", "..", "../x", "a/b"])
async def test_a_push_leaves_no_namespace_by_its_metadata(cluster: FakeCluster, namespace: str) -> None:
    bearer = {"name": "login", "key": "token", "namespace": "team-a"}
    client = await opened(cluster, "ClusterSecretStore", auth={"token": {"bearerToken": bearer}})
    with pytest.raises(InvalidConfig, match="invalid name"):
        await client.push(Push(Remote("a"), metadata=envelope(remoteNamespace=namespace)), Source({"v": b"x"}))
    assert not cluster.asked
