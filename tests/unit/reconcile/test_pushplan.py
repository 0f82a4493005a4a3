"""What goes where: conversion of keys, rules for many keys, single entries, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from eso.api.meta import ObjectMeta
from eso.api.pushsecret import PushSecretSpec
from eso.api.secretstore import SecretStore
from eso.errors import EsoError
from eso.providers.contract import Push, Source
from eso.reconcile.pushsecret.keys import convert_key
from eso.reconcile.pushsecret.plan import Whole, planned, prepared
from eso.template import LIMITS, Limits
from eso.template.apply import cheaply, out_of_bounds
from eso.values.convert import convert_key as to_unicode

STORE = SecretStore(ObjectMeta(name="s", namespace="ns", labels={"tier": "a"}))
OTHER = SecretStore(ObjectMeta(name="other", namespace="ns"))
HERE = {"storeRef": {"name": "s"}}
DB = {"db-host": b"h", "db-port": b"p", "app-name": b"n", "app-version": b"v"}


def spec(*data_to: dict[str, Any], data: list[dict[str, Any]] | None = None) -> PushSecretSpec:
    body = {"dataTo": [HERE | rule for rule in data_to], "data": data or []}
    return msgspec.convert(body, PushSecretSpec)


def entry(key: str, remote: str, prop: str = "", strategy: str = "None") -> dict[str, Any]:
    ref = {"remoteKey": remote} | ({"property": prop} if prop else {})
    return {"match": {"secretKey": key, "remoteRef": ref}, "conversionStrategy": strategy}


def plan(wanted: PushSecretSpec, data: dict[str, bytes], store: SecretStore = STORE) -> list[tuple[str, str]]:
    """(secret key, entry key) in order."""
    return [(one.data.match.secret_key, one.key) for one in planned(wanted, store, Source(data))]


def refused(wanted: PushSecretSpec, data: dict[str, bytes]) -> str:
    with pytest.raises(EsoError) as error:
        planned(wanted, STORE, Source(data))
    return str(error.value)


def sent(wanted: PushSecretSpec, data: dict[str, bytes]) -> list[tuple[Push, dict[str, bytes]]]:
    source = Source(data)
    made = [prepared(one, Whole(source)) for one in planned(wanted, STORE, source)]
    return [(push, dict(whole.data)) for push, whole in made]


# --- conversion of keys


@pytest.mark.parametrize(
    ("key", "converted"),
    [
        pytest.param("some-array_U005b_0_U005d_.entity", "some-array[0].entity", id="P-105 brackets"),
        pytest.param("_U0xxx_x_U005b_", "_U0xxx_x[", id="P-106 what is no code stays"),
        pytest.param("_U1f600_", "\U0001f600", id="P-107 five digits"),
        pytest.param("_U005B_", "[", id="capital digits"),
        pytest.param("_U005b", "_U005b", id="an unfinished code stays"),
        pytest.param("_U005b__U005d_", "[]", id="one after the other"),
    ],
)
def test_reverse_unicode_turns_codes_into_characters(key: str, converted: str) -> None:
    assert convert_key(key, "ReverseUnicode") == converted
    assert convert_key(key, "None") == key


@pytest.mark.parametrize("key", ["a[0]", "ä b/ü", "\U0001f600 smile", "plain"])
def test_p_107_what_the_other_direction_encodes_comes_back(key: str) -> None:
    assert convert_key(to_unicode(key, "Unicode"), "ReverseUnicode") == key


def test_p_105_an_explicit_entry_names_the_converted_key() -> None:
    wanted = spec(data=[entry("some-array[0].entity", "x", strategy="ReverseUnicode")])
    ((push, data),) = sent(wanted, {"some-array_U005b_0_U005d_.entity": b"v"})
    assert (push.secret_key, data) == ("some-array[0].entity", {"some-array[0].entity": b"v"})


# P-108
def test_p_108_keys_that_become_one_are_refused() -> None:
    wanted = spec(data=[entry("a[", "x", strategy="ReverseUnicode")])
    with pytest.raises(EsoError) as error:
        sent(wanted, {"a[": b"1", "a_U005b_": b"2"})
    assert str(error.value) == (
        "could not apply conversion strategy to keys: secret name collision during conversion: a["
    )


# P-031
def test_p_031_a_key_that_the_source_does_not_have() -> None:
    with pytest.raises(EsoError) as error:
        sent(spec(data=[entry("unexisting", "x")]), {"key": b"v"})
    assert str(error.value) == "secret key unexisting does not exist"


# --- dataTo


@pytest.mark.parametrize(
    ("rule", "keys"),
    [
        pytest.param({}, [(k, k) for k in sorted(DB)], id="P-110 all keys, in order"),
        pytest.param(
            {"match": {"regexp": "^db-.*"}}, [("db-host", "db-host"), ("db-port", "db-port")], id="P-111 by expression"
        ),
        pytest.param({"match": {"regexp": "host"}}, [("db-host", "db-host")], id="P-112 found anywhere"),
        pytest.param(
            {"match": {"regexp": "db-host"}, "rewrite": [{"regexp": {"source": "^db-", "target": "app/db/"}}]},
            [("db-host", "app/db/host")],
            id="P-113 rewritten by expression",
        ),
        pytest.param(
            {"match": {"regexp": "db-host"}, "rewrite": [{"transform": {"template": "{{ .value | upper }}"}}]},
            [("db-host", "DB-HOST")],
            id="P-114 rewritten by template",
        ),
        pytest.param(
            {
                "match": {"regexp": "db-host"},
                "rewrite": [
                    {"regexp": {"source": "^db-", "target": ""}},
                    {"regexp": {"source": "^", "target": "app/"}},
                ],
            },
            [("db-host", "app/host")],
            id="P-115 one rewrite after the other",
        ),
        pytest.param(
            {"match": {"regexp": "db-host"}, "rewrite": [{"regexp": {"source": ".*", "target": "app/config"}}]},
            [("db-host", "app/config")],
            id="P-116 an empty match after a match does not count",
        ),
        pytest.param(
            {
                "match": {"regexp": "db-host"},
                "rewrite": [{"regexp": {"source": r"^(\w+)-(\w+)$", "target": "${2}/$1"}}],
            },
            [("db-host", "host/db")],
            id="P-117 groups",
        ),
        pytest.param({"match": {"regexp": "^nothing$"}}, [], id="P-119 no key matches"),
        pytest.param({"remoteKey": "all"}, [("", "all")], id="P-133 a bundle"),
        pytest.param(
            {"match": {"regexp": "db"}, "rewrite": [{"transform": {"template": "{{ .nope }}{{ .value }}"}}]},
            [("db-host", "<no value>db-host"), ("db-port", "<no value>db-port")],
            id="a name that the template does not have",
        ),
    ],
)
def test_a_rule_for_many_keys(rule: dict[str, Any], keys: list[tuple[str, str]]) -> None:
    assert plan(spec(rule), DB) == keys


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        pytest.param(
            [{"match": {"regexp": "[invalid"}}],
            'failed to expand dataTo: dataTo[0]: match failed: failed to compile regexp pattern "[invalid": '
            "error parsing regexp: missing closing ]: `[invalid`",
            id="P-118 a pattern that is none",
        ),
        pytest.param(
            [{"match": {"regexp": "host"}, "rewrite": [{"regexp": {"source": r"^(\w+)-(\w+)$", "target": "$1x"}}]}],
            'failed to expand dataTo: dataTo[0]: empty remote key produced for source key "db-host"',
            id="P-117 an unknown group leaves nothing",
        ),
        pytest.param(
            [
                {"match": {"regexp": "host"}, "rewrite": [{"regexp": {"source": ".+", "target": "app/config"}}]},
                {"match": {"regexp": "port"}, "rewrite": [{"regexp": {"source": ".+", "target": "app/config"}}]},
            ],
            'failed to expand dataTo: dataTo[1]: duplicate remote key "app/config" from source key "db-port" '
            "(conflicts with dataTo[0]:db-host)",
            id="P-128 two rules with one destination",
        ),
        pytest.param(
            [{"match": {"regexp": "db"}, "rewrite": [{"regexp": {"source": ".+", "target": "same"}}]}],
            'failed to expand dataTo: dataTo[0]: duplicate remote key "same" from source key "db-port" '
            "(conflicts with dataTo[0]:db-host)",
            id="P-129 two keys of one rule with one destination",
        ),
        pytest.param(
            [{"remoteKey": "b"}, {"remoteKey": "b"}],
            'failed to expand dataTo: dataTo[1]: duplicate remote key "b" from source key "(bundle)" '
            "(conflicts with dataTo[0]:(bundle))",
            id="two bundles with one name",
        ),
        pytest.param(
            [{"rewrite": [{"regexp": {"source": "(", "target": ""}}]}],
            'failed to expand dataTo: dataTo[0]: rewrite failed: rewrite[0]: invalid regexp "(": '
            "error parsing regexp: missing closing ): `(`",
            id="a rewrite that is no expression",
        ),
        pytest.param(
            [{"remoteKey": "b", "rewrite": [{"regexp": {"source": "a", "target": "b"}}]}],
            "failed to expand dataTo: dataTo[0]: remoteKey and rewrite are mutually exclusive: "
            "rewrite is only supported in per-key mode (without remoteKey)",
            id="a bundle with rewrites",
        ),
    ],
)
def test_a_rule_that_cannot_be_applied(rules: list[dict[str, Any]], text: str) -> None:
    assert refused(spec(*rules), DB) == text


def test_a_broken_template_of_a_rewrite_is_told_with_its_place() -> None:
    wanted = spec({"rewrite": [{"transform": {"template": "{{ .value"}}]})
    assert refused(wanted, DB).startswith(
        "failed to expand dataTo: dataTo[0]: rewrite failed: rewrite[0]: invalid template: "
    )


# P-120
def test_p_120_an_explicit_entry_takes_its_key_out_of_the_rules() -> None:
    assert plan(spec({}, data=[entry("db-host", "custom-db-host")]), DB) == [
        ("app-name", "app-name"),
        ("app-version", "app-version"),
        ("db-port", "db-port"),
        ("db-host", "custom-db-host"),
    ]


# P-121
def test_p_121_the_same_where_both_convert() -> None:
    wanted = spec({"conversionStrategy": "ReverseUnicode"}, data=[entry("a[", "mine", strategy="ReverseUnicode")])
    assert plan(wanted, {"a_U005b_": b"1"}) == [("a[", "mine")]


# P-122
def test_p_122_converted_names_are_destinations_and_the_original_key_is_recorded() -> None:
    (one,) = planned(spec({"conversionStrategy": "ReverseUnicode"}), STORE, Source({"a_U005b_": b"1"}))
    assert (one.data.match.secret_key, one.key, one.data.conversion_strategy) == ("a_U005b_", "a[", "None")


# P-123
def test_p_123_a_rule_is_for_the_stores_that_it_names() -> None:
    body = {
        "dataTo": [
            {"storeRef": {"name": "s"}, "remoteKey": "one"},
            {"storeRef": {"name": "other"}, "remoteKey": "two"},
            {"storeRef": {"labelSelector": {"matchLabels": {"tier": "a"}}}, "remoteKey": "three"},
            {"storeRef": {"name": "s", "kind": "ClusterSecretStore"}, "remoteKey": "four"},
        ]
    }
    wanted = msgspec.convert(body, PushSecretSpec)
    assert plan(wanted, DB) == [("", "one"), ("", "three")]
    assert plan(wanted, DB, OTHER) == [("", "two")]


# P-130
def test_p_130_a_rule_and_an_entry_with_one_destination() -> None:
    rule = {"match": {"regexp": "db-host"}, "rewrite": [{"regexp": {"source": ".+", "target": "myapp/config"}}]}
    assert refused(spec(rule, data=[entry("api-key", "myapp/config")]), DB | {"api-key": b"k"}) == (
        'failed to merge data entries: duplicate remote key "myapp/config": '
        'source keys "db-host" and "api-key" both map to the same destination'
    )


# P-131
def test_p_131_one_remote_key_may_have_several_properties_but_none_of_them_twice() -> None:
    assert plan(spec(data=[entry("db-host", "k", "p1"), entry("db-port", "k", "p2")]), DB) == [
        ("db-host", "k/p1"),
        ("db-port", "k/p2"),
    ]
    assert refused(spec(data=[entry("db-host", "k", "p1"), entry("db-port", "k", "p1")]), DB) == (
        'failed to merge data entries: duplicate remote key "k" with property "p1": '
        'source keys "db-host" and "db-port" both map to the same destination'
    )


# P-132
def test_p_132_equal_values_have_two_destinations() -> None:
    rule = {"rewrite": [{"regexp": {"source": "-host$", "target": "/endpoint"}}]}
    assert plan(spec(rule), {"a-host": b"x", "b-host": b"x"}) == [("a-host", "a/endpoint"), ("b-host", "b/endpoint")]


# P-134, P-136
def test_p_134_p_136_a_bundle_has_the_matching_keys_by_their_converted_names() -> None:
    rule = {"remoteKey": "b", "match": {"regexp": r"^DB"}, "conversionStrategy": "ReverseUnicode"}
    ((push, data),) = sent(spec(rule), {"DB_U005b_": b"1", "APP": b"2"})
    assert (push.secret_key, push.remote.key, data) == ("", "b", {"DB[": b"1"})


# P-135
def test_p_135_a_bundle_beside_single_keys() -> None:
    assert plan(spec({"remoteKey": "b"}, {"match": {"regexp": "db-host"}}), DB) == [("", "b"), ("db-host", "db-host")]


# P-137
def test_p_137_an_explicit_whole_secret_takes_the_place_of_all_bundles() -> None:
    whole = {"match": {"remoteRef": {"remoteKey": "whole"}}}
    assert plan(spec({"remoteKey": "one"}, {"remoteKey": "two"}, data=[whole]), DB) == [("", "whole")]


def test_metadata_travels_with_every_entry_of_a_rule() -> None:
    entries = sent(spec({"metadata": {"spec": {"x": 1}}}), {"a": b"1", "b": b"2"})
    assert [push.metadata for push, _ in entries] == [{"spec": {"x": 1}}] * 2


def test_rewrites_end_at_a_limit() -> None:
    rule = {"rewrite": [{"transform": {"template": "{{ range until 100000 }}x{{ end }}"}}]}
    with pytest.raises(EsoError) as error:
        planned(spec(rule), STORE, Source(DB), Limits(steps=1000))
    assert out_of_bounds(error.value)


# --- what one object may ask for

KEYS = {f"k{i}": b"v" for i in range(2000)}


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(
            spec(data=[entry(f"k{i}", f"r{i}", strategy="ReverseUnicode") for i in range(2000)]),
            id="entries that name converted keys",
        ),
        pytest.param(spec(*[{"match": {"regexp": ""}, "remoteKey": f"b{i}"} for i in range(2000)]), id="bundles"),
        pytest.param(spec(*[{"remoteKey": f"b{i}", "match": {"regexp": "^no$"}} for i in range(2000)]), id="rules"),
    ],
)
def test_many_rules_for_many_keys_are_not_planned_where_it_would_hold_up_others(wanted: PushSecretSpec) -> None:
    with pytest.raises(EsoError) as error:
        cheaply(lambda limits: planned(wanted, STORE, Source(KEYS), limits), LIMITS.of_pass())
    assert out_of_bounds(error.value)


def test_bundles_of_many_bytes_cost_by_their_bytes() -> None:
    wanted = spec(*[{"remoteKey": f"b{i}"} for i in range(100)])
    with pytest.raises(EsoError) as error:
        planned(wanted, STORE, Source({"k": bytes(1 << 20)}), Limits(steps=100_000))
    assert "exceeds the limit of 100000 steps" in str(error.value)


def test_what_a_plan_costs_is_paid_by_the_pass() -> None:
    limits = LIMITS.of_pass()
    assert limits.account is not None
    before = limits.account.left
    planned(spec({}), STORE, Source(KEYS), limits)
    assert before - limits.account.left > len(KEYS)


def test_a_source_is_converted_once_for_all_entries() -> None:
    source = Whole(Source({"a_U005b_": b"1", "b": b"2"}))
    wanted = spec(data=[entry("a[", "x", strategy="ReverseUnicode"), entry("b", "y", strategy="ReverseUnicode")])
    one, two = (prepared(each, source)[1] for each in planned(wanted, STORE, source.source))
    assert one is two and dict(one.data) == {"a[": b"1", "b": b"2"}


def test_plans_for_many_sources_and_stores_cost_something_each() -> None:
    limits = LIMITS.of_pass()
    assert limits.account is not None
    before = limits.account.left
    planned(spec(), STORE, Source({}), limits)
    assert before - limits.account.left >= 50
