"""Reads, pushes and deletions at an HTTP service: statuses, values, Secrets of the store, hostile answers."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.errors import EsoError, causes
from eso.gocompat import jsonenc
from eso.providers.contract import (
    AuthExpired,
    Denied,
    Find,
    InvalidConfig,
    Malformed,
    Push,
    Remote,
    RemoteRef,
    SecretNotFound,
    Source,
    Throttled,
    Timeout,
    Unavailable,
    Validation,
    ValidationFailed,
)
from eso.providers.webhook import codec
from eso.providers.webhook.client import Client
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.unit.providers.webhook.conftest import World, view

PLANTED = "planted-7f3a9c"
LOGIN = [{"name": "c", "secretRef": {"name": "login", "key": "user"}}]
DOCUMENT = {
    "s": "text",
    "i": 7,
    "big": 12345678901234567890,
    "f": 1.5,
    "g": 2.5,
    "e": 1000.0,
    "t": True,
    "n": None,
    "o": {"b": 1, "a": "<&>"},
    "l": ["first", "x"],
    "ll": [[1.5, 2]],
    "el": [],
    "books": [{"n": "a", "p": 5}, {"n": "b", "p": 15}],
}


async def read(client: Client, key: str = "doc", property: str = "", version: str = "") -> bytes:
    ref = RemoteRef(key, property, version)
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: Client, key: str = "doc") -> dict[str, bytes]:
    ref = RemoteRef(key)
    return client.mapping(await client.fetch(client.request(ref)), ref)


# values


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("$.s", "text", id="a text"),
        pytest.param("$.i", "7", id="a number"),
        pytest.param("$.big", "12345678901234567168", id="one beyond 53 bits"),
        pytest.param("$.f", "2", id="a half is rounded to even"),
        pytest.param("$.g", "2", id="down, too"),
        pytest.param("$.e", "1000", id="a decimal point"),
        pytest.param("$.t", "true", id="a truth"),
        pytest.param("$.n", "", id="null"),
        pytest.param("$.o", '{"a":"\\u003c\\u0026\\u003e","b":1}', id="an object"),
        pytest.param("$.l", "first", id="a list is its first element"),
        pytest.param("$.ll", "2", id="at all depths"),
        pytest.param("$.books[*].n", "a", id="the first hit"),
        pytest.param('$.books[?(@.n == "b")].p', "15", id="a filter"),
    ],
)
async def test_a_path_names_a_value(world: World, path: str, expected: str) -> None:
    world.service.put("/doc", DOCUMENT)
    client = await world.open(result={"jsonPath": path})
    assert (await read(client)).decode() == expected
    await client.close()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        pytest.param("$.nope", "failed to get response path $.nope: unknown key nope", id="a member that is not there"),
        pytest.param("$.l[9]", "failed to get response path $.l[9]: index 9 out of bounds", id="an element"),
        pytest.param("$.el", "filter worked but didn't get any result", id="an empty list"),
        pytest.param('$.books[?(@.n == "z")]', "filter worked but didn't get any result", id="a filter without a hit"),
        pytest.param(".s", "failed to get response path .s: parsing error: .s\t:1:1 - 1:2 unexpected", id="no path"),
    ],
)
async def test_a_path_that_names_nothing_proves_no_absence(world: World, path: str, told: str) -> None:
    world.service.put("/doc", DOCUMENT)
    client = await world.open(result={"jsonPath": path})
    with pytest.raises(EsoError) as failed:
        await read(client)
    assert str(failed.value).startswith(told)
    assert not isinstance(failed.value, SecretNotFound)
    await client.close()


async def test_without_a_path_the_body_is_the_value(world: World) -> None:
    world.service.put("/doc", "any \x00 text {")
    client = await world.open()
    assert await read(client, property="ignored") == b"any \x00 text {"
    await client.close()


async def test_a_path_is_a_template(world: World) -> None:
    world.service.put("/doc", DOCUMENT)
    client = await world.open(
        result={"jsonPath": '{{ if .remoteRef.property }}$["{{ .remoteRef.property }}"]{{ end }}'}
    )
    assert await read(client, property="s") == b"text"
    assert json.loads(await read(client))["i"] == 7
    await client.close()


async def test_a_path_that_a_secret_made_is_not_shown(world: World) -> None:
    world.credentials.secrets["login/path"] = PLANTED
    world.service.put("/doc", DOCUMENT)
    template = '$["{{ .c.path }}"]'
    client = await world.open(secrets=LOGIN, result={"jsonPath": template})
    with pytest.raises(Malformed) as failed:
        await read(client)
    assert PLANTED not in str(failed.value)
    assert template in str(failed.value)
    await client.close()


async def test_a_path_that_cannot_be_rendered_is_told_by_what_was_asked(world: World) -> None:
    world.service.put("/doc", DOCUMENT)
    client = await world.open(result={"jsonPath": "{{ nope }}"})
    with pytest.raises(InvalidConfig, match=r"^template: webhooktemplate:1: "):
        await read(client)
    with pytest.raises(InvalidConfig, match=r"^cannot get templated json path: template: webhooktemplate:1: "):
        await extract(client)
    await client.close()


async def test_an_object_becomes_a_map(world: World) -> None:
    world.service.put("/doc", DOCUMENT)
    client = await world.open()
    members = await extract(client)
    assert members["big"] == b"12345678901234567000"
    assert members["f"] == b"1.5"
    assert members["books"] == b'[{"n":"a","p":5},{"n":"b","p":15}]'
    assert members["n"] == b""
    await client.close()


@pytest.mark.parametrize(
    ("document", "path", "expected"),
    [
        pytest.param({"data": '{"a":"1","b":2}'}, "$.data", {"a": b"1", "b": b"2"}, id="a text that is JSON"),
        pytest.param({"o": {"a": 1}}, "$.o", {"a": b"1"}, id="below a path"),
        pytest.param('"{}"', "", {}, id="the whole answer is a text"),
    ],
)
async def test_a_map_may_be_a_text_or_lie_deeper(world: World, document: Any, path: str, expected: Any) -> None:
    world.service.put("/doc", document)
    client = await world.open(result={"jsonPath": path})
    assert await extract(client) == expected
    await client.close()


@pytest.mark.parametrize(
    ("document", "told"),
    [
        pytest.param([1], "failed to get response (wrong type: []interface {})", id="a list"),
        pytest.param(7, "failed to get response (wrong type: float64)", id="a number"),
        pytest.param("null", "failed to get response (wrong type: <nil>)", id="null"),
        pytest.param("nope", "failed to parse response json: invalid character", id="no JSON"),
        pytest.param('"words"', "failed to parse response json from jsonpath: invalid character", id="a text"),
    ],
)
async def test_what_is_no_object_is_no_map(world: World, document: Any, told: str) -> None:
    world.service.put("/doc", document)
    client = await world.open()
    with pytest.raises(Malformed) as failed:
        await extract(client)
    assert str(failed.value).startswith(told)
    await client.close()


# statuses


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        pytest.param(304, EsoError, "not modified", id="304"),
        pytest.param(400, InvalidConfig, "endpoint gave error 400 Bad Request", id="400"),
        pytest.param(401, Denied, "endpoint gave error 401 Unauthorized", id="401 of a store without credentials"),
        pytest.param(403, Denied, "endpoint gave error 403 Forbidden", id="403"),
        pytest.param(404, SecretNotFound, "Secret does not exist", id="404"),
        pytest.param(429, Throttled, "endpoint gave error 429 Too Many Requests", id="429"),
        pytest.param(500, Unavailable, "endpoint gave error 500 Internal Server Error", id="500"),
        pytest.param(503, Unavailable, "endpoint gave error 503 Service Unavailable", id="503"),
        pytest.param(504, Timeout, "endpoint gave error 504 Gateway Timeout", id="504"),
        pytest.param(599, Unavailable, "endpoint gave error 599", id="a status that is none"),
    ],
)
async def test_a_status_has_its_words_and_its_class(world: World, status: int, kind: type, told: str) -> None:
    client = await world.open()
    world.service.fail(Fault(status, body=PLANTED))
    with pytest.raises(EsoError) as failed:
        await read(client)
    assert (type(failed.value), str(failed.value)) == (kind, told)
    await client.close()


async def test_a_401_of_a_store_with_credentials_asks_for_a_new_login(world: World) -> None:
    client = await world.open(secrets=LOGIN, headers={"Authorization": "Bearer {{ .c.pass }}"})
    world.service.fail(Fault(401))
    with pytest.raises(AuthExpired):
        await read(client)
    await client.close()


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_every_2xx_is_an_answer(world: World, status: int) -> None:
    client = await world.open()
    body = "" if status == 204 else "v"
    world.service.fail(Fault(status, body=body))
    assert await read(client) == body.encode()
    await client.close()


async def test_a_redirect_on_the_same_server_is_followed(world: World) -> None:
    world.service.put("/there", "v")
    client = await world.open()
    world.service.fail(Fault(302, headers={"Location": "/there"}, path="/doc"))
    assert await read(client) == b"v"
    await client.close()


async def test_a_timeout_of_the_store_ends_a_request(world: World) -> None:
    client = await world.open(timeout="50ms")
    world.service.fail(Fault(hang=True))
    with pytest.raises(Timeout, match=r"^failed to call endpoint: no reply from http://127.0.0.1:"):
        await read(client)
    await client.close()


async def test_a_server_that_is_gone_is_told_without_the_address(world: World) -> None:
    world.credentials.secrets["login/token"] = PLANTED
    client = await world.open(url="/x?token={{ .c.token }}", secrets=LOGIN)
    await world.service.stop()
    with pytest.raises(Unavailable, match=r"^failed to call endpoint: cannot reach http://127.0.0.1:") as failed:
        await read(client)
    assert PLANTED not in str(failed.value)
    await client.close()


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://{{ .c.token }}.invalid/", id="in a host"),
        pytest.param("http://{{ .c.token }}..invalid/", id="in a host that is none"),
        pytest.param("http://{{ .c.token | b32enc }}.invalid/", id="turned into another spelling"),
        pytest.param("http://127.0.0.1.{{ .c.token }}:1/", id="behind an address"),
        pytest.param("http://a.invalid:{{ .c.token }}/", id="in a port"),
        pytest.param("http://[{{ .c.token }}]/", id="in brackets"),
        pytest.param("{{ .c.token }}://a.invalid/", id="for a scheme"),
        pytest.param("{{ .c.token }}", id="for all of it"),
    ],
)
async def test_a_host_that_a_template_made_is_not_told(world: World, url: str) -> None:
    world.credentials.secrets["login/token"] = PLANTED
    client = await world.provider.open(view(url=url, secrets=LOGIN), world.credentials)
    with pytest.raises(EsoError) as failed:
        await read(client)
    told = " ".join(map(str, causes(failed.value))).lower()
    assert told.startswith("failed to call endpoint: ")
    for spelt in (PLANTED, base64.b32encode(PLANTED.encode()).decode()):
        assert not any(spelt[at : at + 6].lower() in told for at in range(len(spelt) - 5))
    await client.close()


# requests


async def test_a_request_is_what_the_templates_make(world: World) -> None:
    world.service.put("/a/b", "v")
    client = await world.open(
        url="/a/b?k={{ .remoteRef.key }}&u={{ .c.user }}",
        method="PUT",
        headers={"X-Auth": "{{ .c.pass }}", "Content-Type": "text/plain"},
        body="{{ .remoteRef.version }}/{{ .remoteRef.property }}/{{ .remoteRef.namespace }}",
        secrets=LOGIN,
    )
    await read(client, "k&k", "p", "3")
    (asked,) = world.service.asked
    assert (asked.method, asked.path, asked.text) == ("PUT", "/a/b", "3/p/team-a")
    assert asked.query == {"k": "k&k", "u": "bob+b c"}
    assert (asked.headers["X-Auth"], asked.headers["Content-Type"]) == ("p/w&x", "text/plain")
    await client.close()


@pytest.mark.parametrize("method", ["CONNECT", "connect", "TRACE"])
async def test_no_tunnel_is_asked_for(world: World, method: str) -> None:
    client = await world.open(method=method)
    with pytest.raises(InvalidConfig, match=f"a webhook does not send {method.upper()}"):
        await read(client)
    assert world.service.asked == []
    await client.close()


@pytest.mark.parametrize("method", ["GET / HTTP/1.1\r\nHost: other", "GE T", "GET\n", "GÉT", "GET\0"])
async def test_a_method_that_is_none_is_not_sent(world: World, method: str) -> None:
    client = await world.open(method=method)
    with pytest.raises(EsoError):
        await read(client)
    assert world.service.asked == []
    await client.close()


async def test_a_get_may_have_a_body_and_says_nothing_about_it(world: World) -> None:
    world.service.put("/doc", "v")
    client = await world.open(body="b")
    await read(client)
    (asked,) = world.service.asked
    assert (asked.method, asked.text) == ("GET", "b")
    assert "Content-Type" not in asked.headers
    await client.close()


@pytest.mark.parametrize(
    ("block", "told"),
    [
        pytest.param({"headers": {"Host": "x"}}, "it belongs to the connection", id="a header of the connection"),
        pytest.param({"headers": {"X": "{{ .remoteRef.key }}\r\nY: 1"}}, "control character", id="a line in a header"),
        pytest.param({"url": "/\n"}, "the url holds a control character", id="a line in the url"),
    ],
)
async def test_a_request_that_cannot_be_sent_is_refused(world: World, block: dict[str, Any], told: str) -> None:
    client = await world.open(**block)
    with pytest.raises(InvalidConfig, match=told):
        await read(client)
    assert world.service.asked == []
    await client.close()


@pytest.mark.parametrize("url", ["ftp://host/", "word", "", "http://", "https://[::1/"])
async def test_a_url_that_is_none_is_refused(world: World, url: str) -> None:
    client = await world.open()
    block = {"url": url, "result": {}}
    store = client.store
    other = client.bind(type(store)(store.kind, "other", store.namespace, "webhook", block))
    with pytest.raises(InvalidConfig, match="failed to call endpoint"):
        await read(other)
    await client.close()


async def test_members_that_no_template_looks_at_make_no_other_request(world: World) -> None:
    client = await world.open()
    assert client.request(RemoteRef("k", "a", "1")) == client.request(RemoteRef("k", "b", "2"))
    looking = await world.open(body="{{ .remoteRef.property }}")
    assert looking.request(RemoteRef("k", "a")) != looking.request(RemoteRef("k", "b"))
    assert looking.request(RemoteRef("k", "a", "1")) == looking.request(RemoteRef("k", "a", "2"))
    whole = await world.open(body="{{ toJson .remoteRef }}")
    assert whole.request(RemoteRef("k", "", "1")) != whole.request(RemoteRef("k", "", "2"))
    for one in (client, looking, whole):
        await one.close()


async def test_search_is_not_implemented(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^not implemented$"):
        await found(client, Find())
    await client.close()


# Secrets of the store


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        pytest.param(
            {},
            "secret does not contain needed label 'external-secrets.io/type: webhook'."
            " Update secret label to use it with webhook",
            id="no label",
        ),
        pytest.param({"external-secrets.io/type": "other"}, "secret type is not 'webhook'", id="another label"),
    ],
)
# P-191
async def test_p_191_a_secret_without_the_label_is_not_used_and_the_store_stays_valid(
    world: World, labels: dict[str, str], told: str
) -> None:
    world.credentials.labels["login"] = labels
    client = await world.open(secrets=LOGIN)
    assert await client.validate() is Validation.READY
    for call in (
        lambda: read(client),
        lambda: client.delete(Remote("k")),
        lambda: client.exists(Remote("k")),
    ):
        with pytest.raises(InvalidConfig) as failed:
            await call()
        assert str(failed.value) == told
    with pytest.raises(InvalidConfig) as failed:
        await client.push(Push(Remote("k"), "v"), Source({"v": b"1"}))
    assert str(failed.value) == f"failed to push webhook data: {told}"
    assert world.service.asked == []
    await client.close()


async def test_a_secret_that_is_not_there_is_told_when_something_is_asked(world: World) -> None:
    client = await world.open(secrets=[{"name": "c", "secretRef": {"name": "nope"}}])
    told = 'failed to get clustersecretstore webhook secret nope: secrets "nope" not found'
    with pytest.raises(EsoError) as failed:
        await read(client)
    assert str(failed.value) == told
    await client.close()


async def test_a_secret_that_cannot_be_read_fails_the_login(world: World) -> None:
    async def refuse(selector: object) -> object:
        raise EsoError("cannot get it") from EsoError("the API server is busy")

    world.credentials.secret_object = refuse  # type: ignore[method-assign,assignment]  # an API server that fails
    with pytest.raises(EsoError, match="webhook secret login: the API server is busy"):
        await world.open(secrets=LOGIN)


async def test_a_cluster_store_has_to_name_the_namespace_of_its_secrets(world: World) -> None:
    client = await world.open("ClusterSecretStore", secrets=LOGIN)
    with pytest.raises(InvalidConfig, match=r"^no namespace on ClusterScoped webhook secret login$"):
        await read(client)
    await client.close()


async def test_a_cluster_store_sees_the_namespace_of_the_consumer(world: World) -> None:
    world.service.put("/doc", "v")
    client = await world.open("ClusterSecretStore", headers={"X-For": "{{ .remoteRef.namespace }}"})
    await read(client)
    assert world.service.asked[0].headers["X-For"] == "team-a"
    await client.close()


async def test_what_all_consumers_of_a_cluster_store_share_is_computed_for_none_of_them(world: World) -> None:
    shared = await world.open("ClusterSecretStore")
    own = await world.open("ClusterSecretStore", body="{{ .remoteRef.namespace }}")
    assert [client.connection.apart.namespace for client in (shared, own)] == ["", "team-a"]
    await shared.close()
    await own.close()


# validation


async def test_validation_connects_and_asks_nothing(world: World) -> None:
    client = await world.open(url="/{{ .remoteRef.key }}")
    assert await client.validate() is Validation.READY
    assert world.service.asked == []
    await client.close()


async def test_a_port_that_is_closed_is_an_error(world: World) -> None:
    client = await world.open()
    await world.service.stop()
    with pytest.raises(ValidationFailed, match=r"^error accessing external store: cannot reach http://127.0.0.1:"):
        await client.validate()
    await client.close()


# writing


# P-191
async def test_p_191_a_push_sends_the_value_by_post(world: World) -> None:
    client = await world.open(url="/p/{{ .remoteRef.remoteKey }}")
    await client.push(Push(Remote("one"), "user"), Source({"user": b"bob", "pass": b"p<&>w"}))
    await client.push(Push(Remote("all")), Source({"user": b"bob", "pass": b"p<&>w"}))
    assert [(one.method, one.path, one.text) for one in world.service.asked] == [
        ("POST", "/p/one", "bob"),
        ("POST", "/p/all", '{"pass":"p<&>w","user":"bob"}'),
    ]
    await client.close()


async def test_method_headers_and_body_of_a_push_are_the_store_s(world: World) -> None:
    client = await world.open(
        url="/own/{{ .remoteRef.remoteKey }}",
        method="PUT",
        body='{"v":{{ index .remoteRef .remoteRef.remoteKey | toJson }}}',
        headers={"X-Auth": "{{ .c.pass }}", "X-Key": "{{ .remoteRef.remoteKey }} {{ .remoteRef.secretKey }}"},
        secrets=LOGIN,
    )
    await client.push(Push(Remote("a-b"), "pass"), Source({"pass": b"p<&>w"}))
    (asked,) = world.service.asked
    assert (asked.method, asked.path, asked.text) == ("PUT", "/own/a-b", '{"v":"p\\u003c\\u0026\\u003ew"}')
    assert (asked.headers["X-Auth"], asked.headers["X-Key"]) == ("p/w&x", "a-b pass")
    await client.delete(Remote("a-b"))
    deleted = world.service.asked[-1]
    assert (deleted.method, deleted.path, deleted.text) == ("DELETE", "/own/a-b", "")
    assert (deleted.headers["X-Auth"], deleted.headers["X-Key"]) == ("p/w&x", "a-b <no value>")
    await client.close()


@pytest.mark.parametrize(
    ("status", "told"),
    [
        pytest.param(404, "Secret does not exist", id="404"),
        pytest.param(304, "not modified", id="304"),
        pytest.param(500, "endpoint gave error 500 Internal Server Error", id="500"),
    ],
)
async def test_a_push_that_is_refused_is_told(world: World, status: int, told: str) -> None:
    client = await world.open()
    world.service.fail(Fault(status, body=PLANTED))
    with pytest.raises(EsoError) as failed:
        await client.push(Push(Remote("k"), "v"), Source({"v": PLANTED.encode()}))
    assert str(failed.value) == f"failed to push webhook data: failed to push webhook data: {told}"
    await client.close()


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        pytest.param(Push(Remote(""), "v"), "remote key must be defined", id="no remote key"),
        pytest.param(Push(Remote("k"), "z"), "failed to find secret key in secret with key: z", id="no such key"),
    ],
)
async def test_a_push_that_cannot_be_made_is_told(world: World, entry: Push, told: str) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig) as failed:
        await client.push(entry, Source({"v": b"1"}))
    assert str(failed.value).endswith(told)
    assert world.service.asked == []
    await client.close()


# P-191
async def test_p_191_a_deletion_of_what_is_not_there_is_fine_and_a_refused_one_is_told(world: World) -> None:
    client = await world.open()
    await client.delete(Remote("gone"))
    world.service.fail(Fault(403))
    with pytest.raises(Denied, match=r"^delete endpoint gave error 403 Forbidden$"):
        await client.delete(Remote("gone"))
    await client.close()


async def test_a_key_goes_where_it_was_pushed_when_it_is_deleted(world: World) -> None:
    client = await world.open(url="/own/{{ .remoteRef.remoteKey }}")
    await client.push(Push(Remote("a b"), "v"), Source({"v": b"1"}))
    await client.delete(Remote("a b"))
    assert {one.path for one in world.service.asked} == {"/own/a+b"}
    await client.close()


@pytest.mark.parametrize(
    ("block", "shared"),
    [
        pytest.param({}, True, id="without a method"),
        pytest.param({"method": "get"}, True, id="GET"),
        pytest.param({"method": "POST"}, False, id="POST"),
    ],
)
async def test_equal_reads_are_one_only_where_the_method_makes_them_one(
    world: World, block: dict[str, str], shared: bool
) -> None:
    client = await world.open(**block)
    one, other = client.request(RemoteRef("k")), client.request(RemoteRef("k"))
    assert (one == other) is shared
    assert hash(one) == hash(other)  # what paces repeated requests knows them by it
    await client.close()


async def test_existence_is_a_read_with_the_remote_key(world: World) -> None:
    world.service.put("/there", "no JSON")
    client = await world.open(result={"jsonPath": "$.nope"})
    assert await client.exists(Remote("there"))
    assert not await client.exists(Remote("gone"))
    world.service.fail(Fault(500))
    with pytest.raises(Unavailable, match=r"^endpoint gave error 500"):
        await client.exists(Remote("there"))
    await client.close()


async def test_every_await_of_a_push_may_be_cancelled(world: World) -> None:
    client = await world.open(url="/{{ .remoteRef.remoteKey }}", secrets=LOGIN, headers={"X": "{{ .c.pass }}"})
    async for _ in every_await(lambda: client.push(Push(Remote("k"), "v"), Source({"v": b"1"}))):
        continue
    await client.push(Push(Remote("k"), "v"), Source({"v": b"2"}))
    assert world.service.documents["/k"] == "2"
    await client.close()


# hostile answers


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("[" * 100_000, id="deep"),
        pytest.param('{"s":' * 50_000 + "1" + "}" * 50_000, id="deep and whole"),
        pytest.param("<html>sign in</html>", id="a page"),
        pytest.param("", id="nothing"),
        pytest.param("1e400", id="a number beyond all"),
    ],
)
async def test_a_hostile_answer_is_an_error_of_ours(world: World, body: str) -> None:
    client = await world.open(result={"jsonPath": "$.s"})
    world.service.fail(Fault(200, body=body))
    with pytest.raises(EsoError):
        await read(client)
    await client.close()


async def test_an_answer_without_end_is_not_kept(world: World) -> None:
    client = await world.open()
    world.service.fail(Fault(200, body="x" * (11 << 20)))
    with pytest.raises(Malformed, match="longer than 10485760 bytes"):
        await read(client)
    await client.close()


async def test_a_path_over_a_large_answer_is_followed_off_the_loop(world: World) -> None:
    """The loop turns while a thread follows the path."""
    world.service.put("/doc", {f"k{number}": {"x": number} for number in range(20_000)})
    client = await world.open(result={"jsonPath": "$..x"})
    turns = 0

    async def turning() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.get_running_loop().create_task(turning())
    assert await read(client) == b"0"
    beside.cancel()
    assert turns > 1
    await client.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5).map(str.encode),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3).map(str.encode), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_any_json_is_a_value_or_refused(document: Any) -> None:
    with suppress(Malformed):
        assert isinstance(codec.value(jsonenc.decode(jsonenc.encode(document))), bytes)
    with suppress(Malformed):
        members = codec.mapping(jsonenc.decode(jsonenc.encode(document)))
        assert all(isinstance(value, bytes) for value in members.values())
