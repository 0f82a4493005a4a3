"""K. dataFrom, rewrite, conversion, decoding."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from e2e.harness.objects import vault_provider
from e2e.harness.openbao import OpenBao
from eso.api.externalsecret import decode_external_secret
from eso.reconcile.externalsecret.assemble import assemble
from eso.reconcile.externalsecret.readplan import read_plan
from tests.conformance.conftest import Case
from tests.harness.scripted import Static

Json = dict[str, Any]
FAILED = "could not get secret data from provider"


def extract(case: Case, name: str, values: Mapping[str, Any], *entries: Json, **more: Any) -> None:
    """An ExternalSecret `name` for a Secret of that name: one `extract` of `values` per entry. What is not text is
    written as JSON."""
    case.provider.maps[name] = {
        k: v if isinstance(v, bytes) else v.encode() if isinstance(v, str) else json.dumps(v).encode()
        for k, v in values.items()
    }
    wanted = []
    for entry in entries or ({},):
        options = dict(entry)
        wanted.append({"extract": {"key": name} | options.pop("extract", {})} | options)
    case.external_secret(name, target={"name": name}, data=None, dataFrom=wanted, **more)


def find(case: Case, name: str, values: Mapping[str, bytes], entry: Json | None = None) -> None:
    """The same for `find`."""
    case.provider.found = values
    options = dict(entry or {})
    wanted = {"find": {"name": {"regexp": ".*"}} | options.pop("find", {})} | options
    case.external_secret(name, target={"name": name}, data=None, dataFrom=[wanted])


def gives(case: Case, name: str, wanted: Mapping[str, str]) -> None:
    case.synced(name)
    assert case.secret(name) == wanted


def refused(case: Case, name: str, text: str) -> None:
    assert case.failed(FAILED, name)["reason"] == "SecretSyncedError"
    case.told(text, name)
    assert case.secret(name) is None


def regexp(source: str, target: str) -> Json:
    return {"regexp": {"source": source, "target": target}}


def rewritten(*steps: Json) -> Json:
    return {"rewrite": list(steps)}


def merge(**options: Any) -> Json:
    return {"merge": options}


def vault_store(case: Case, openbao: OpenBao) -> str:
    """`vault-store` on a mount of its own; returns the mount."""
    mount = case.namespace
    openbao.mount_kv(mount)
    openbao.policy(mount, {f"{mount}/data/*": ["read"], f"{mount}/metadata/*": ["read", "list"]})
    openbao.kubernetes_role(mount, [mount], ["default"], [mount])
    case.store("vault-store", provider=vault_provider(openbao, role=mount, account="default", path=mount))
    return mount


# C-151
def test_c_151_extract(live: Case):
    extract(live, "all", {"foo": "1", "bar": "2"})
    gives(live, "all", {"foo": "1", "bar": "2"})


# C-152
def test_c_152_extract_with_a_property(case: Case):
    """What a property means is the provider's business, so this one runs against the real `fake` provider."""
    document = json.dumps({"db": {"user": "u", "port": 5432}, "other": "x"})
    case.provider = Static()
    with case.running():
        case.store(provider={"fake": {"data": [{"key": "doc", "value": document}]}})
        case.external_secret(data=None, dataFrom=[{"extract": {"key": "doc", "property": "db"}}])
        case.synced()
    assert case.secret() == {"user": "u", "port": "5432"}


# C-153
def test_c_153_find_by_name(live: Case, openbao: OpenBao):
    find(live, "scripted", {"app-one": b"1", "app-two": b"2"}, {"find": {"name": {"regexp": "^app-"}}})
    gives(live, "scripted", {"app-one": "1", "app-two": "2"})
    (asked,) = {call.name_regexp for kind, call in live.provider.calls if kind == "find"}
    assert asked == "^app-"
    mount = vault_store(live, openbao)
    for key in ("app-one", "app-two", "other"):
        openbao.put(mount, key, {"key": key})
    by_name = [{"find": {"name": {"regexp": "^app-"}}}]
    live.external_secret(
        "real", target={"name": "real"}, secretStoreRef={"name": "vault-store"}, data=None, dataFrom=by_name
    )
    gives(live, "real", {"app-one": '{"key":"app-one"}', "app-two": '{"key":"app-two"}'})


# C-154
def test_c_154_find_by_tags_and_with_a_path(live: Case, openbao: OpenBao):
    find(live, "scripted", {"one": b"1"}, {"find": {"name": None, "tags": {"team": "a"}, "path": "teams"}})
    gives(live, "scripted", {"one": "1"})
    (asked,) = {(call.path, call.tags) for kind, call in live.provider.calls if kind == "find"}
    assert asked == ("teams", (("team", "a"),))
    mount = vault_store(live, openbao)
    for key, team in (("teams/one", "a"), ("teams/two", "b"), ("three", "a")):
        openbao.put(mount, key, {"key": key})
        openbao.request("POST", f"{mount}/metadata/{key}", {"custom_metadata": {"team": team, "env": "test"}})
    store = {"secretStoreRef": {"name": "vault-store"}, "data": None}
    live.external_secret(
        "tags", target={"name": "tags"}, dataFrom=[{"find": {"tags": {"team": "a", "env": "test"}}}], **store
    )
    live.external_secret(
        "path", target={"name": "path"}, dataFrom=[{"find": {"path": "teams", "name": {"regexp": ".*"}}}], **store
    )
    live.external_secret(
        "both", target={"name": "both"}, dataFrom=[{"find": {"path": "teams", "tags": {"team": "a"}}}], **store
    )
    gives(live, "tags", {"teams_one": '{"key":"teams/one"}', "three": '{"key":"three"}'})
    gives(live, "path", {"teams_one": '{"key":"teams/one"}', "teams_two": '{"key":"teams/two"}'})
    gives(live, "both", {"teams_one": '{"key":"teams/one"}'})


# C-155
def test_c_155_default_conversion(live: Case):
    keys = {"/path/key1": b"1", "key2/path": b"2", "path/to/keyring": b"3"}
    wanted = {"_path_key1": "1", "key2_path": "2", "path_to_keyring": "3"}
    find(live, "absent", keys)
    gives(live, "absent", wanted)
    find(live, "named", keys, {"find": {"conversionStrategy": "Default"}})
    gives(live, "named", wanted)


# C-156
def test_c_156_unicode_conversion(live: Case):
    find(live, "one", {"a/😀": b"1"}, {"find": {"conversionStrategy": "Unicode"}})
    gives(live, "one", {"a_U002f__U1f600_": "1"})


@pytest.mark.parametrize("strategy", [{}, {"conversionStrategy": "Default"}], ids=["C-157 absent", "C-157 Default"])
def test_c_157_two_keys_that_convert_to_one(live: Case, strategy: Json):
    extract(live, "one", {"foo$bar": "1", "foo_bar": "2"}, {"extract": strategy})
    refused(live, "one", "secret name collision during conversion: foo_bar")


# C-158
def test_c_158_a_rewrite_disables_conversion(live: Case):
    same = rewritten(regexp("(.*)", "$1"))
    extract(live, "extracted", {"foo/bar": "1"}, same)
    find(live, "found", {"foo/bar": b"1"}, same)
    text = "invalid secret keys (TIP: use rewrite or conversionStrategy to change keys): key has invalid character /"
    refused(live, "extracted", f"error processing spec.dataFrom[0].extract, err: {text}")
    refused(live, "found", f"error processing spec.dataFrom[0].find, err: {text}")


# C-159
def test_c_159_a_rewrite_of_the_whole_key_happens_once(live: Case):
    extract(
        live, "one", {"foo": "1", "bar": "2"}, rewritten(regexp("(.*)", "new-$1")), rewritten(regexp("(.*)", "old-$1"))
    )
    gives(live, "one", {"new-foo": "1", "new-bar": "2", "old-foo": "1", "old-bar": "2"})


REWRITES = [
    pytest.param({"foo-bar": "1"}, [regexp("-", "_")], {"foo_bar": "1"}, id="C-160 a part of the key"),
    pytest.param({"foo": "1"}, [regexp("hello", "world")], {"foo": "1"}, id="C-160 no match"),
    pytest.param({"my/initial/path/foo": "1"}, [regexp("^my/initial/path/", "")], {"foo": "1"}, id="C-160 a prefix"),
    pytest.param(
        {"foo": "1", "foodaloo": "2"},
        [regexp("f(.*)o", "a_new_path_$1")],
        {"a_new_path_o": "1", "a_new_path_oodalo": "2"},
        id="C-161 a numbered group",
    ),
    pytest.param(
        {"foo": "1", "floo": "2"},
        [regexp("f(?P<content>.*)o", "a_new_path_${content}_${1}")],
        {"a_new_path_o_o": "1", "a_new_path_lo_lo": "2"},
        id="C-161 a named group",
    ),
    pytest.param(
        {"foo": "1", "bar": "2"},
        [regexp("(f.*)", "$1_x")],
        {"bar": "2"},
        id="C-162 an unbraced name is greedy and empties the key",
    ),
    pytest.param(
        {"my/app/bar/key": "1"},
        [regexp("my/(.*?)/bar/(.*)", "$1-$2"), regexp("-", "_"), regexp("ass", "***")],
        {"app_key": "1"},
        id="C-163",
    ),
    pytest.param(
        {"my/app/key": "1"},
        [regexp("my/(.*?)/(.*)", "$1-$2"), {"transform": {"template": '{{ .value | upper | replace "-" "_" }}'}}],
        {"APP_KEY": "1"},
        id="C-164",
    ),
]


@pytest.mark.parametrize(("values", "steps", "wanted"), REWRITES)
def test_c_160_to_c_164_rewrites(live: Case, values: Mapping[str, str], steps: list[Json], wanted: Mapping[str, str]):
    extract(live, "one", values, rewritten(*steps))
    gives(live, "one", wanted)


def test_c_162_an_emptied_map_is_retained(live: Case):
    extract(live, "one", {"foo": "1"}, rewritten(regexp("(.*)", "$1_x")))
    assert live.synced("one")["message"] == "secret retained due to DeletionPolicy=Retain"
    assert live.secret("one") is None


def test_c_163_a_rewritten_key_has_to_be_a_key(live: Case):
    steps = [regexp("my/(.*?)/bar/(.*)", "$1-$2"), regexp("-", "_"), regexp("ass", "***")]
    extract(live, "one", {"my/app/bar/key": "1", "my/app/bar/password": "2"}, rewritten(*steps))
    refused(live, "one", "key has invalid character *, only alphanumeric, '-', '.' and '_' are allowed: app_p***word")


# C-165
def test_c_165_an_invalid_expression_or_template(live: Case):
    extract(live, "regexp", {"a": "1"}, rewritten(regexp("a", "b"), regexp("(", "x")))
    extract(live, "template", {"a": "1"}, rewritten({"transform": {"template": "{{"}}))
    extract(live, "fails", {"a": "1"}, rewritten({"transform": {"template": "{{ .value.x.y }}"}}))
    where = "error applying rewrite to keys: failed rewrite operation"
    refused(
        live,
        "regexp",
        f"{where}[1]: regexp failed with failed to compile: error parsing regexp: missing closing ): `(`",
    )
    refused(live, "template", f"{where}[0]: transform failed with failed to parse template: ")
    refused(live, "fails", f'{where}[0]: transform failed with failed to execute template for key "a": ')


HOSTS = {"redis": {"host": "redis"}, "mongo": {"host": "mongo"}, "other": {"host": "other"}}
MERGES = [
    pytest.param(
        {"one": {"a": "1"}, "two": {"b": "2"}}, [merge()], {"a": "1", "b": "2"}, id="C-166 members become keys"
    ),
    pytest.param(
        HOSTS,
        [merge(conflictPolicy="Ignore", priority=["mongo", "redis"])],
        {"host": "redis"},
        id="C-168 the last of the priorities wins",
    ),
    pytest.param(
        {"one": {"a": "1"}},
        [merge(priority=["absent"], priorityPolicy="IgnoreNotFound")],
        {"a": "1"},
        id="C-169 an absent priority that may be absent",
    ),
    pytest.param(
        {"one": {"b": "<1>"}, "two": {"a": 2}},
        [merge(strategy="JSON", into="credentials")],
        {"one": '{"b": "<1>"}', "two": '{"a": 2}', "credentials": '{"a":2,"b":"<1>"}'},
        id="C-170 the object beside its parts",
    ),
    pytest.param(
        {"a": {"host": "dba", "pass": "yola", "port": 123}, "b": {"host": "dbb", "pass": "yolb"}},
        [
            merge(strategy="JSON", into="merged", priority=["a"], conflictPolicy="Ignore"),
            merge(strategy="Extract", priority=["b"], conflictPolicy="Ignore"),
        ],
        {"host": "dbb", "pass": "yolb", "port": "123"},
        id="C-173 twice",
    ),
    pytest.param(
        {"one": {"int": 5432, "float": 1.5, "yes": True, "null": None, "map": {"a": "<"}, "list": ["x", 1]}},
        [merge()],
        {"int": "5432", "float": "1.5", "yes": "true", "null": "", "map": '{"a":"\\u003c"}', "list": '["x",1]'},
        id="C-174 how members are written",
    ),
]


@pytest.mark.parametrize(("values", "steps", "wanted"), MERGES)
def test_c_166_to_c_174_merges(live: Case, values: Mapping[str, Any], steps: list[Json], wanted: Mapping[str, str]):
    extract(live, "one", values, rewritten(*steps))
    gives(live, "one", wanted)


USERS = {"one": {"username": "1"}, "two": {"username": "2"}}
MERGE_FAILURES = [
    pytest.param(USERS, merge(), "merge failed with conflicts: username", id="C-167 absent"),
    pytest.param(USERS, merge(conflictPolicy="Error"), "merge failed with conflicts: username", id="C-167 Error"),
    pytest.param(
        HOSTS,
        merge(priority=["absent"], conflictPolicy="Ignore"),
        'merge failed with key "absent" not found in input map',
        id="C-169 absent",
    ),
    pytest.param(
        {"one": {"a": 1}},
        merge(priority=["absent"], priorityPolicy="Strict"),
        'merge failed with key "absent" not found in input map',
        id="C-169 Strict",
    ),
    pytest.param({"one": {"a": 1}}, merge(strategy="JSON"), "merge failed with missing 'into' field", id="C-171"),
    pytest.param({"one": "plain text"}, merge(), "merge failed with failed to unmarshal JSON: ", id="C-172 no JSON"),
    pytest.param({"one": [1]}, merge(), "merge failed with failed to unmarshal JSON: ", id="C-172 no object"),
]


@pytest.mark.parametrize(("values", "step", "text"), MERGE_FAILURES)
def test_c_167_to_c_172_failing_merges(live: Case, values: Mapping[str, Any], step: Json, text: str):
    extract(live, "one", values, rewritten(step))
    refused(
        live,
        "one",
        "error processing spec.dataFrom[0].extract, err: error applying rewrite to keys: failed rewrite "
        f"operation[0]: {text}",
    )


def one(name: str, strategy: str | None = None, **options: str) -> Json:
    ref = {"key": name, **({"decodingStrategy": strategy} if strategy else {}), **options}
    return {"secretKey": name, "remoteRef": ref}


# C-175
def test_c_175_decoding_strategies(live: Case):
    url = base64.urlsafe_b64encode(b"\xfb\xff>?").decode()
    assert "-" in url and "_" in url
    live.provider.values = {
        "base64": b"YmFy",
        "url": url.encode(),
        "auto": b"foo",
        "auto-url": url.encode(),
        "absent": b"YmFy",
        "none": b"YmFy",
        "bad": b"foo",
    }
    good = [
        one("base64", "Base64"),
        one("url", "Base64URL"),
        one("auto", "Auto"),
        one("auto-url", "Auto"),
        one("absent"),
        one("none", "None"),
    ]
    live.external_secret(data=good)
    live.synced()
    raw = live.raw_secret()["data"]
    decoded = {k: base64.b64decode(v) for k, v in raw.items()}
    assert decoded == {
        "base64": b"bar",
        "url": b"\xfb\xff>?",
        "auto": b"foo",
        "auto-url": b"\xfb\xff>?",
        "absent": b"YmFy",
        "none": b"YmFy",
    }
    live.external_secret("bad", target={"name": "bad"}, data=[one("bad", "Base64")])
    refused(live, "bad", "error processing spec.data[0] (key: bad), err: ")
    live.told("illegal base64 data at input byte", "bad")


# C-176
def test_c_176_base64_with_newlines(live: Case):
    long = bytes(range(256))
    live.provider.values = {
        "wrapped": base64.encodebytes(long),
        "crlf": base64.encodebytes(long).replace(b"\n", b"\r\n"),
    }
    live.external_secret(data=[one("wrapped", "Base64"), one("crlf", "Base64")])
    live.synced()
    assert {base64.b64decode(v) for v in live.raw_secret()["data"].values()} == {long}


# C-177
def test_c_177_auto_on_a_map(live: Case):
    extract(live, "one", {"encoded": "YmFy", "plain": "b a r", "empty": ""}, {"extract": {"decodingStrategy": "Auto"}})
    gives(live, "one", {"encoded": "bar", "plain": "b a r", "empty": ""})


# C-178
def test_c_178_each_source_decodes_in_its_own_way(live: Case):
    live.provider.map = {"encoded": b"YmFy", "plain": b"b a r"}
    live.provider.values = {("same", ""): b"YmFy"}
    data = [{"secretKey": s.lower(), "remoteRef": {"key": "same", "decodingStrategy": s}} for s in ("Base64", "None")]
    live.external_secret(data=data, dataFrom=[{"extract": {"key": "same", "decodingStrategy": "Auto"}}])
    live.synced()
    assert live.secret() == {"encoded": "bar", "plain": "b a r", "base64": "bar", "none": "YmFy"}


# C-179
def test_c_179_null_bytes(live: Case):
    value = b"A\0B"
    live.provider.value = value
    live.external_secret("data", target={"name": "data"}, data=[one("secret-key", nullBytePolicy="Fail")])
    extract(live, "extract", {"b": value, "a": value, "fine": "x"}, {"extract": {"nullBytePolicy": "Fail"}})
    find(live, "find", {"b": value, "a": value}, {"find": {"nullBytePolicy": "Fail"}})

    def text(key: str) -> str:
        return (
            f'fetched secret value for key "{key}" contains null bytes; use a text-safe format such as '
            "PEM/base64 or leave nullBytePolicy unset"
        )

    refused(live, "data", text("secret-key"))
    refused(live, "extract", text("a"))
    refused(live, "find", text("a"))
    live.external_secret("absent", target={"name": "absent"}, data=[one("x")])
    extract(live, "ignore", {"x": value}, {"extract": {"nullBytePolicy": "Ignore"}})
    gives(live, "absent", {"x": "A\0B"})
    gives(live, "ignore", {"x": "A\0B"})


# C-180
def test_c_180_long_and_empty_keys(live: Case):
    extract(live, "long", {"k" * 254: "1"})
    extract(live, "empty", {"": "dropped", "kept": "1"})
    refused(live, "long", "key has length 254 but max is 253: (following is truncated): " + "k" * 253)
    gives(live, "empty", {"kept": "1"})


# C-181
def test_c_181_later_entries_win(live: Case):
    live.provider.maps = {"first": {"key": b"first", "only": b"1"}, "second": {"key": b"second"}}
    entries = [{"extract": {"key": k}} for k in ("first", "second")]
    live.external_secret("without", target={"name": "without"}, data=None, dataFrom=entries)
    live.external_secret(
        "with", target={"name": "with"}, data=[{"secretKey": "key", "remoteRef": {"key": "x"}}], dataFrom=entries
    )
    gives(live, "without", {"key": "second", "only": "1"})
    gives(live, "with", {"key": "some-value", "only": "1"})


# C-182
def test_c_182_an_entry_of_only_a_store_contributes_nothing(live: Case):
    live.external_secret(dataFrom=[{"sourceRef": {"storeRef": {"name": "absent"}}}])
    live.synced()
    assert live.secret() == {"targetProperty": "some-value"}


# C-175
def test_c_175_an_unknown_strategy_that_the_schema_would_refuse():
    spec = {"data": [{"secretKey": "a", "remoteRef": {"key": "a", "decodingStrategy": "Rot13"}}]}
    es = decode_external_secret(json.dumps({"metadata": {"name": "n", "namespace": "ns"}, "spec": spec}).encode())
    (read,) = read_plan(es)
    with pytest.raises(Exception, match="decoding strategy Rot13 is not supported"):
        assemble([(read, b"x")], skip_missing=False)
