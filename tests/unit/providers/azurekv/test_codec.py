"""What replies become: values, properties, tags, maps, pages."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.azurekv import codec, refusal
from eso.providers.azurekv.codec import Kind
from eso.providers.contract import Busy, Denied, InvalidConfig, Malformed, RemoteRef
from eso.providers.kit.http import NothingThere

TIMES = {"exp": 1_735_675_200, "nbf": 1_700_000_000, "created": 1_700_000_000, "updated": 1_700_000_001}


def found(kind: Kind = Kind.SECRET, **reply: Any) -> codec.Found:
    body = {Kind.SECRET: {"value": "v"}, Kind.CERTIFICATE: {"cer": "eA=="}, Kind.KEY: {"key": {"kty": "RSA"}}}[kind]
    return codec.found_in(json.dumps(body | reply).encode(), kind, "app")


def value(got: codec.Found, property: str = "", policy: str = "", *, legacy: bool = True) -> bytes:
    return codec.value(got, RemoteRef("app", property, "", policy), legacy=legacy)


@pytest.mark.parametrize(
    ("key", "word", "name"),
    [
        ("app", "secret", "app"),
        ("secret/app", "secret", "app"),
        ("cert/app", "cert", "app"),
        ("key/app/of/more", "key", "app"),
        ("other/app", "other", "app"),
        ("/app", "", "app"),
    ],
)
def test_types_of_remote_keys(key: str, word: str, name: str) -> None:
    assert codec.named(key) == (word, name)


DOCUMENT = '{"a":{"b":"path"},"a.b":"dotted","c.d":"only dotted","n":1.50,"t":true,"o":{"x": [1 , 2]},"nil":null}'


@pytest.mark.parametrize(
    ("property", "text"),
    [
        pytest.param("", DOCUMENT, id="all of it"),
        pytest.param("a.b", "path", id="a path comes first"),
        pytest.param("c.d", "only dotted", id="then the member whose name has the dots"),
        pytest.param("n", "1.5", id="a number"),
        pytest.param("t", "true", id="a truth"),
        pytest.param("o", '{"x": [1 , 2]}', id="an object as it is written"),
        pytest.param("nil", "", id="null"),
    ],
)
def test_properties_of_a_secret(property: str, text: str) -> None:
    assert value(found(value=DOCUMENT), property) == text.encode()


@pytest.mark.parametrize("text", ["no JSON", "{}", '{"x":'])
def test_a_property_that_is_not_there(text: str) -> None:
    with pytest.raises(EsoError) as missing:
        value(found(value=text), "a.b")
    assert str(missing.value) == "property a.b does not exist in key app"


def test_a_certificate_is_its_der_whatever_the_property() -> None:
    got = found(Kind.CERTIFICATE, cer=base64.b64encode(b"\x30\x82\xff").decode())
    assert value(got) == value(got, "x.y") == b"\x30\x82\xff"


JWK = {"kid": "https://v/keys/k/1", "kty": "RSA", "key_ops": ["sign", "<"], "n": "AQ", "e": "AQAB", "d": "planted"}


def test_a_key_is_the_json_of_its_public_part() -> None:
    got = found(Kind.KEY, key=JWK | {"x5c": ["other"], "crv": None})
    assert value(got) == rb'{"e":"AQAB","key_ops":["sign","\u003c"],"kid":"https://v/keys/k/1","kty":"RSA","n":"AQ"}'
    assert value(got, "n") == b"AQ"
    assert value(got, "key_ops.0") == b"sign"


TAGS = {"team": "a", "json": '{"x":{"y":"deep"}}', "a.b": "dotted", "nil": None}


@pytest.mark.parametrize(
    ("property", "text"),
    [
        ("team", "a"),
        ("a.b", "dotted"),
        ("json.x.y", "deep"),
        ("json", '{"x":{"y":"deep"}}'),
        ("nil", ""),
        ("attribute.expires", "2024-12-31T20:00:00Z"),
        ("attribute.notBefore", "2023-11-14T22:13:20Z"),
    ],
)
def test_tags(property: str, text: str) -> None:
    assert value(found(tags=TAGS, attributes=TIMES), property, "Fetch") == text.encode()


@pytest.mark.parametrize("kind", list(Kind))
def test_all_tags_of_every_type(kind: Kind) -> None:
    got = found(kind, tags={"b": "<", "a": "1", "attribute.created": "mine"}, attributes={"created": 0, "exp": None})
    legacy = rb'{"a":"1","attribute.created":"1970-01-01T00:00:00Z","b":"\u003c"}'
    assert value(got, "", "Fetch") == legacy
    assert value(got, "", "Fetch", legacy=False) == rb'{"a":"1","attribute.created":"mine","b":"\u003c"}'
    assert value(found(kind, tags=None), "", "Fetch") == b"{}"


@pytest.mark.parametrize(
    ("property", "text"),
    [
        ("other", "tag other does not exist"),
        ("other.x", "tag other.x does not exist"),
        (".team", "tag .team does not exist"),
        ("json.z", "property z does not exist in key json.z"),
        ("attribute.expires", "tag attribute.expires does not exist"),
    ],
)
def test_tags_that_are_not_there(property: str, text: str) -> None:
    with pytest.raises(EsoError) as missing:
        value(found(tags=TAGS, attributes=TIMES), property, "Fetch", legacy=False)
    assert str(missing.value) == text


def mapped(got: codec.Found, key: str = "app", property: str = "", policy: str = "", *, legacy: bool = True) -> Any:
    return codec.mapping(got, RemoteRef(key, property, "", policy), legacy=legacy)


def test_a_map_of_a_secret() -> None:
    assert mapped(found(value='{"a":"x","n":1e3,"o":{"k": 1},"nil":null}')) == {
        "a": b"x",
        "n": b"1e3",
        "o": b'{"k": 1}',
        "nil": b"",
    }
    assert mapped(found(value='{"in":{"a":"x"}}'), property="in") == {"a": b"x"}
    with pytest.raises(EsoError, match=r"^error unmarshalling json data: invalid character"):
        mapped(found(value="planted"))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Kind.CERTIFICATE, "cannot get use dataFrom to get certificate secret"),
        (Kind.KEY, "cannot get use dataFrom to get key secret"),
    ],
)
def test_only_secrets_become_maps(kind: Kind, text: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        mapped(found(kind))
    assert str(refused.value) == text


def test_a_map_of_tags() -> None:
    tags = {"a": "1", "o": '{"x":"y","n":null}', "no": '{"x":1}', "list": "[]", "null": "null", "nil": None}
    got = found(tags=tags, attributes={"exp": 1_735_675_200})
    expected = {"app_a": b"1", "app_o_x": b"y", "app_o_n": b"", "app_no": b'{"x":1}', "app_list": b"[]", "app_nil": b""}
    assert mapped(got, policy="Fetch", legacy=False) == expected
    assert mapped(got, policy="Fetch") == expected | {"app_attribute.expires": b"2024-12-31T20:00:00Z"}


@pytest.mark.parametrize(
    ("key", "property", "expected"),
    [
        pytest.param("app", "a", {"app_a": b"1"}, id="one tag"),
        pytest.param("secret/app", "a", {"secret/app_a": b""}, id="the raw key does not match, as in the reference"),
        pytest.param("app", "o.x", {"app_o.x": b""}, id="a tag that is taken apart has no members any more"),
    ],
)
def test_a_map_of_one_tag(key: str, property: str, expected: dict[str, bytes]) -> None:
    got = found(tags={"a": "1", "o": '{"x":"y"}'})
    assert mapped(got, key, property, "Fetch", legacy=False) == expected


def test_a_tag_that_is_not_there_fails_the_map() -> None:
    with pytest.raises(EsoError, match="tag zz does not exist"):
        mapped(found(tags={"a": "1"}), property="zz", policy="Fetch")


@pytest.mark.parametrize(
    "reply",
    [
        {"value": None},
        {"value": 7},
        {"attributes": []},
        {"attributes": {"exp": "soon"}},
        {"attributes": {"exp": True}},
        {"attributes": {"exp": 1e9}},
        {"attributes": {"exp": 10**18}},
        {"tags": []},
        {"tags": {"a": 1}},
        {"contentType": {}},
    ],
)
def test_a_secret_of_another_shape_is_malformed(reply: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        found(**reply)


@pytest.mark.parametrize("cer", [None, 7, "%", "a"])
def test_a_certificate_of_another_shape_is_malformed(cer: Any) -> None:
    with pytest.raises(Malformed):
        found(Kind.CERTIFICATE, cer=cer)


@pytest.mark.parametrize(
    "key", [None, [], {}, "x", {"n": 7}, {"n": "x", "key_ops": "sign"}, {"n": "x", "key_ops": [1]}]
)
def test_a_key_of_another_shape_is_malformed(key: Any) -> None:
    with pytest.raises(Malformed):
        found(Kind.KEY, key=key)


# lists

BASE = "https://shop.vault.azure.net"


def test_a_page_has_names_tags_and_what_follows() -> None:
    item = {"id": f"{BASE}/secrets/app", "attributes": {"enabled": False}, "tags": {"a": None}}
    body = json.dumps({"value": [item, {"id": f"{BASE}/secrets/b"}], "nextLink": f"{BASE}/secrets?x=1"}).encode()
    items, following = codec.page(body)
    assert [(one.name, one.enabled, one.tags) for one in items] == [("app", False, {"a": ""}), ("b", True, {})]
    assert codec.following_query(BASE, following) == {"x": "1"}
    assert codec.page(b'{"value":[],"nextLink":null}') == ([], "")


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"value":null,"nextLink":null}',
        '{"value":{}}',
        '{"value":[],"nextLink":7}',
        '{"value":[7]}',
        '{"value":[{}]}',
        '{"value":[{"id":""}]}',
        '{"value":[{"id":"https://v/secrets/"}]}',
        '{"value":[{"id":"https://[/secrets/a"}]}',
        '{"value":[{"id":"https://v/secrets/a","attributes":[1]}]}',
        '{"value":[{"id":"https://v/secrets/a","attributes":{"enabled":"yes"}}]}',
    ],
)
def test_a_page_of_another_shape_is_malformed(body: str) -> None:
    with pytest.raises(Malformed):
        codec.page(body.encode())


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.com/secrets?x=1",
        "http://shop.vault.azure.net/secrets?x=1",
        "https://shop.vault.azure.net:444/secrets?x=1",
        "https://shop.vault.azure.net/keys?x=1",
        "https://shop.vault.azure.net/secrets",
        "/secrets?x=1",
        "https://[",
    ],
)
def test_no_reply_chooses_where_the_next_page_is(url: str) -> None:
    with pytest.raises(Malformed):
        codec.following_query(BASE, url)


def test_the_next_page_may_name_the_usual_port() -> None:
    assert codec.following_query(BASE, f"{BASE}:443/secrets?$skiptoken=a%3D&b=") == {"$skiptoken": "a=", "b": ""}


# refusals


def refused(status: int, code: str = "", inner: str = "", message: str = "") -> EsoError:
    error = {"code": code, "message": message} | ({"innererror": {"code": inner}} if inner else {})
    return refusal.of_vault(Reply(status, {}, json.dumps({"error": error}).encode()))


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        pytest.param(
            refused(404, "SecretNotFound", message="planted"),
            refusal.Missing,
            "Key Vault answered 404 Not Found (SecretNotFound)",
            id="a proven absence",
        ),
        pytest.param(
            refused(404, "VaultNotFound"), NothingThere, "Key Vault answered 404 Not Found (VaultNotFound)", id="v"
        ),
        pytest.param(refused(404, "planted"), NothingThere, "Key Vault answered 404 Not Found", id="an unknown code"),
        pytest.param(
            refused(403, "Forbidden", "SecretDisabled"),
            Denied,
            "Key Vault answered 403 Forbidden (Forbidden, SecretDisabled)",
            id="a disabled secret",
        ),
        pytest.param(
            refused(403, "Forbidden", "AccessDenied", "The user 'planted' does not have secrets get permission on key"),
            Denied,
            "Key Vault answered 403 Forbidden (Forbidden, AccessDenied, does not have secrets get permission)",
            id="a policy that lacks a permission",
        ),
        pytest.param(
            refused(409, "Conflict", "ObjectIsDeletedButRecoverable", "planted"),
            InvalidConfig,
            "Key Vault answered 409 Conflict (Conflict, ObjectIsDeletedButRecoverable)",
            id="a name that is taken by a deleted object",
        ),
        pytest.param(
            refused(409, "Conflict", "ObjectIsBeingDeleted"),
            Busy,
            "Key Vault answered 409 Conflict (Conflict, ObjectIsBeingDeleted)",
            id="an object that is being deleted",
        ),
    ],
)
def test_refusals(error: EsoError, kind: type, text: str) -> None:
    assert type(error) is kind
    assert str(error) == text
    assert "planted" not in f"{error}{error.fix}"


MEMBERS = ("value", "cer", "key", "kty", "n", "key_ops", "tags", "attributes", "exp", "enabled", "id", "nextLink")
NAMES = st.sampled_from([*MEMBERS, "contentType", "error", "code", "innererror", "message"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=10,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example({"key": {"key_ops": True}}, 300)
@given(st.dictionaries(NAMES, VALUES, max_size=6), st.integers(300, 599))
def test_replies_of_any_shape_end_in_a_value_or_a_typed_error(reply: dict[str, Any], status: int) -> None:
    body = json.dumps(reply).encode("utf-8", "surrogatepass")
    for kind in Kind:
        with suppress(EsoError):
            got = codec.found_in(body, kind, "app")
            for property in ("", "a.b"):
                for policy in ("", "Fetch"):
                    with suppress(EsoError):
                        value(got, property, policy)
                    with suppress(EsoError):
                        mapped(got, property=property, policy=policy)
    with suppress(EsoError):
        codec.page(body)
    assert isinstance(refusal.of_vault(Reply(status, {}, body)), EsoError)
