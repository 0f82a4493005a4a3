"""The record of an ExternalSecret: what it reads, what an absent member means, how much it weighs."""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.api.externalsecret import (
    Data,
    DataFrom,
    ExternalSecret,
    ExternalSecretSpec,
    FindSpec,
    GeneratorRef,
    RemoteRefSpec,
    Rewrite,
    RewriteMerge,
    RewriteRegexp,
    RewriteTransform,
    SourceRef,
    StoreRef,
    SyncWindow,
    SyncWindows,
    Target,
    Template,
    TemplateFrom,
    TemplateItem,
    TemplateSource,
    decode_external_secret,
)
from eso.api.meta import Condition, ObjectMeta, rfc3339
from eso.gocompat.duration import DurationError

FULL: dict[str, Any] = {
    "apiVersion": "external-secrets.io/v1",
    "kind": "ExternalSecret",
    "metadata": {
        "name": "test-es",
        "namespace": "ns",
        "uid": "u",
        "resourceVersion": "42",
        "generation": 3,
        "creationTimestamp": "2024-05-01T11:00:00Z",
        "labels": {"app": "x"},
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        "finalizers": ["f"],
        "ownerReferences": [
            {
                "apiVersion": "external-secrets.io/v1",
                "kind": "ClusterExternalSecret",
                "name": "c",
                "uid": "cu",
                "controller": True,
            }
        ],
        "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
    },
    "spec": {
        "secretStoreRef": {"name": "store", "kind": "ClusterSecretStore"},
        "refreshPolicy": "Periodic",
        "refreshInterval": "1h30m",
        "syncWindows": {"kind": "deny", "windows": [{"schedule": "@daily", "duration": "90s"}]},
        "target": {
            "name": "test-secret",
            "creationPolicy": "Merge",
            "deletionPolicy": "Delete",
            "immutable": True,
            "immediate": True,
            "manifest": {"apiVersion": "v1", "kind": "ConfigMap"},
            "template": {
                "type": "Opaque",
                "engineVersion": "jinja2",
                "mergePolicy": "Merge",
                "data": {"a": "{{ .a }}"},
                "metadata": {"labels": {"l": "1"}, "annotations": {"a": "2"}, "finalizers": ["x/y"]},
                "templateFrom": [
                    {
                        "configMap": {"name": "cm", "items": [{"key": "k", "templateAs": "KeysAndValues"}]},
                        "target": "Labels",
                    },
                    {
                        "secret": {"name": "s", "items": [{"key": "k"}]},
                        "literal": "",
                        "valuesDecodingStrategy": "Base64",
                    },
                ],
            },
        },
        "data": [
            {
                "secretKey": "targetProperty",
                "remoteRef": {
                    "key": "barz",
                    "property": "bang",
                    "version": "v1",
                    "metadataPolicy": "Fetch",
                    "conversionStrategy": "Unicode",
                    "decodingStrategy": "Auto",
                    "nullBytePolicy": "Fail",
                },
                "sourceRef": {"storeRef": {"name": "other"}},
            }
        ],
        "dataFrom": [
            {
                "extract": {"key": "all"},
                "rewrite": [
                    {"regexp": {"source": "a", "target": "b"}},
                    {"transform": {"template": "t"}},
                    {"merge": {"into": "j"}},
                ],
            },
            {"find": {"path": "p", "name": {"regexp": "x"}, "tags": {"t": "1"}, "decodingStrategy": "None"}},
            {"sourceRef": {"generatorRef": {"kind": "UUID", "name": "u"}}},
        ],
    },
    "status": {
        "refreshTime": "2024-05-01T12:00:00Z",
        "syncedResourceVersion": "3-abc",
        "binding": {"name": "test-secret"},
        "observedGeneration": 3,
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "SecretSynced",
                "message": "secret synced",
                "lastTransitionTime": "2024-05-01T12:00:00Z",
            }
        ],
    },
}


def decoded(body: dict[str, Any]) -> ExternalSecret:
    record = decode_external_secret(json.dumps(body).encode())
    assert isinstance(record, ExternalSecret)
    return record


def of(spec: dict[str, Any]) -> ExternalSecretSpec:
    return decoded({"metadata": {"name": "x"}, "spec": spec}).spec


def test_every_member_is_read() -> None:
    es = decoded(FULL)
    assert (es.namespace, es.name, es.resource_version, es.metadata.generation) == ("ns", "test-es", "42", 3)
    controller = es.metadata.controller
    assert controller is not None
    assert (controller.group, controller.kind, controller.name, controller.uid) == (
        "external-secrets.io",
        "ClusterExternalSecret",
        "c",
        "cu",
    )
    spec = es.spec
    assert spec.secret_store_ref == StoreRef("store", "ClusterSecretStore")
    assert (spec.refresh_policy, spec.refresh_interval_seconds, spec.uses_generators) == ("Periodic", 5400.0, True)
    assert spec.sync_windows == SyncWindows("deny", (SyncWindow("@daily", "90s"),))
    assert spec.sync_windows.windows[0].duration_seconds == 90.0
    target = spec.target
    assert (target.creation_policy, target.deletion_policy, target.immutable, target.immediate) == (
        "Merge",
        "Delete",
        True,
        True,
    )
    assert target.manifest is not None
    assert (target.manifest.api_version, target.manifest.kind) == ("v1", "ConfigMap")
    template = target.template
    assert template is not None
    assert (template.type, template.engine_version, template.merge_policy, template.data) == (
        "Opaque",
        "jinja2",
        "Merge",
        {"a": "{{ .a }}"},
    )
    assert (template.metadata.labels, template.metadata.annotations, template.metadata.finalizers) == (
        {"l": "1"},
        {"a": "2"},
        ("x/y",),
    )
    assert template.template_from == (
        TemplateFrom(config_map=TemplateSource("cm", (TemplateItem("k", "KeysAndValues"),)), target="Labels"),
        TemplateFrom(secret=TemplateSource("s", (TemplateItem("k"),)), literal="", values_decoding_strategy="Base64"),
    )
    assert spec.data == (
        Data(
            "targetProperty",
            RemoteRefSpec("barz", "bang", "v1", "Fetch", "Unicode", "Auto", "Fail"),
            SourceRef(store_ref=StoreRef("other")),
        ),
    )
    extract, find, generator = spec.data_from
    assert extract == DataFrom(
        extract=RemoteRefSpec("all"),
        rewrite=(
            Rewrite(regexp=RewriteRegexp("a", "b")),
            Rewrite(transform=RewriteTransform("t")),
            Rewrite(merge=RewriteMerge("j")),
        ),
    )
    assert find.find is not None
    assert find.find.name is not None
    assert (find.find.path, find.find.name.regexp, find.find.tags, find.find.decoding_strategy) == (
        "p",
        "x",
        {"t": "1"},
        "None",
    )
    assert generator.source_ref == SourceRef(
        generator_ref=GeneratorRef("UUID", "u", "generators.external-secrets.io/v1alpha1")
    )
    status = es.status
    assert status.refresh_time is not None
    assert rfc3339(status.refresh_time) == "2024-05-01T12:00:00Z"
    assert (status.synced_resource_version, status.observed_generation) == ("3-abc", 3)
    assert status.binding is not None
    assert status.binding.name == "test-secret"
    assert status.conditions == (Condition("Ready", "True", "SecretSynced", "secret synced", status.refresh_time),)


def test_managed_fields_are_not_kept() -> None:
    assert b"managedFields" not in msgspec.json.encode(decoded(FULL))


@pytest.mark.parametrize(
    ("written", "full"),
    [
        pytest.param({}, {"target": {"creationPolicy": "Owner", "deletionPolicy": "Retain"}}, id="an absent target"),
        pytest.param(
            {"target": {"template": {}}},
            {"target": {"template": {"engineVersion": "v2", "mergePolicy": "Replace"}, "creationPolicy": "Owner"}},
            id="an empty template",
        ),
        pytest.param(
            {"target": {"template": {"templateFrom": [{"literal": "x"}]}}},
            {"target": {"template": {"templateFrom": [{"literal": "x", "target": "Data"}]}}},
            id="a template source without a target",
        ),
        pytest.param(
            {"dataFrom": [{"rewrite": [{"merge": {}}]}]},
            {
                "dataFrom": [
                    {
                        "rewrite": [
                            {
                                "merge": {
                                    "into": "",
                                    "priorityPolicy": "Strict",
                                    "conflictPolicy": "Error",
                                    "strategy": "Extract",
                                }
                            }
                        ]
                    }
                ]
            },
            id="an empty merge",
        ),
    ],
)
def test_an_object_from_a_file_is_the_object_that_the_api_server_completes(
    written: dict[str, Any], full: dict[str, Any]
) -> None:
    assert of(written) == of(full)


def test_an_empty_text_is_not_an_absent_member_where_that_matters() -> None:
    spec = of(
        {
            "target": {"template": {"templateFrom": [{"literal": "", "target": ""}]}},
            "dataFrom": [{"find": {"path": ""}}],
        }
    )
    template = spec.target.template
    assert template is not None
    assert (template.template_from[0].literal, template.template_from[0].target) == ("", "")
    assert spec.data_from[0].find == FindSpec(path="")


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [
        pytest.param(None, None, id="absent"),
        pytest.param("1h", 3600.0, id="an hour"),
        pytest.param("0", 0.0, id="never"),
        pytest.param("-5m", -300.0, id="negative"),
    ],
)
def test_the_interval(interval: str | None, seconds: float | None) -> None:
    assert ExternalSecretSpec(refresh_interval=interval).refresh_interval_seconds == seconds


@pytest.mark.parametrize("interval", ["", "10", "nonsense", "1d"])
def test_an_interval_that_cannot_be_read_fails_where_it_is_used(interval: str) -> None:
    spec = of({"refreshInterval": interval})
    with pytest.raises(DurationError, match="time: "):
        _ = spec.refresh_interval_seconds


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        pytest.param(
            ExternalSecretSpec(data_from=(DataFrom(source_ref=SourceRef(generator_ref=GeneratorRef("UUID", "u"))),)),
            True,
            id="a generator",
        ),
        pytest.param(
            ExternalSecretSpec(data_from=(DataFrom(source_ref=SourceRef(store_ref=StoreRef("s"))),)),
            False,
            id="another store",
        ),
        pytest.param(
            ExternalSecretSpec(data=(Data("k", source_ref=SourceRef(generator_ref=GeneratorRef("UUID", "u"))),)),
            False,
            id="the deprecated place",
        ),
    ],
)
def test_uses_generators(spec: ExternalSecretSpec, wanted: bool) -> None:
    assert spec.uses_generators is wanted


def test_the_target_has_the_name_of_the_object_unless_it_says_otherwise() -> None:
    assert ExternalSecret(ObjectMeta("x")).target_name == "x"
    assert ExternalSecret(ObjectMeta("x"), ExternalSecretSpec(target=Target("y"))).target_name == "y"


def test_the_field_manager_belongs_to_the_object() -> None:
    assert ExternalSecret(ObjectMeta("x")).field_manager == "externalsecrets.external-secrets.io/x"


def test_store_references_can_be_told_apart() -> None:
    refs = (StoreRef("a"), StoreRef("a", "ClusterSecretStore"), StoreRef("a"))
    assert tuple(dict.fromkeys(refs)) == refs[:2]
    assert [ref.cluster_scoped for ref in refs] == [False, True, False]


texts = st.text(max_size=8)
maps = st.dictionaries(texts, texts, max_size=3)
refs = st.builds(RemoteRefSpec, *[texts] * 7)
stores = st.builds(StoreRef, texts, texts)
sources = st.builds(SourceRef, st.none() | stores, st.none() | st.builds(GeneratorRef, texts, texts, texts))
rewrites = st.one_of(
    st.builds(Rewrite, regexp=st.builds(RewriteRegexp, texts, texts)),
    st.builds(Rewrite, transform=st.builds(RewriteTransform, texts)),
    st.builds(
        Rewrite, merge=st.builds(RewriteMerge, texts, st.lists(texts, max_size=2).map(tuple), texts, texts, texts)
    ),
)
entries = st.builds(
    DataFrom,
    st.none() | refs,
    st.none() | st.builds(FindSpec, st.none() | texts, tags=st.none() | maps),
    st.lists(rewrites, max_size=2).map(tuple),
    st.none() | sources,
)
froms = st.builds(
    TemplateFrom,
    literal=st.none() | texts,
    target=texts,
    secret=st.none() | st.builds(TemplateSource, texts, st.just((TemplateItem("k"),))),
)
templates = st.builds(Template, texts, texts, texts, maps, template_from=st.lists(froms, max_size=2).map(tuple))
specs = st.builds(
    ExternalSecretSpec,
    st.none() | stores,
    st.builds(Target, texts, texts, texts, st.booleans(), st.booleans(), st.none(), st.none() | templates),
    texts,
    st.none() | texts,
    st.none() | st.builds(SyncWindows, texts, st.just((SyncWindow("@daily", "1h"),))),
    st.lists(st.builds(Data, texts, refs, st.none() | sources), max_size=3).map(tuple),
    st.lists(entries, max_size=3).map(tuple),
)


@given(specs, maps)
def test_property_a_record_survives_the_wire(spec: ExternalSecretSpec, labels: dict[str, str]) -> None:
    es = ExternalSecret(ObjectMeta("x", "ns", labels=labels), spec)
    assert decode_external_secret(msgspec.json.encode(es)) == es


def weight(value: Any, seen: set[int]) -> int:
    """Bytes of a record and of everything that only it refers to."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    parts: list[Any] = []
    if isinstance(value, msgspec.Struct):
        parts = [getattr(value, field) for field in value.__struct_fields__]
    elif isinstance(value, dict):
        parts = [*value, *value.values()]
    elif isinstance(value, tuple):
        parts = list(value)
    return sys.getsizeof(value) + sum(weight(part, seen) for part in parts)


def test_a_usual_object_weighs_less_than_two_kilobytes() -> None:
    """Two objects of one team: what they share counts once."""

    def usual(n: int) -> ExternalSecret:
        keys = ("username", "password", "url")
        spec = {
            "refreshInterval": "1h0m0s",
            "secretStoreRef": {"name": "vault-backend", "kind": "SecretStore"},
            "target": {"name": f"app-{n}-secret", "creationPolicy": "Owner", "deletionPolicy": "Retain"},
            "data": [{"secretKey": key, "remoteRef": {"key": f"team-a/app-{n}", "property": key}} for key in keys],
        }
        labels = {
            "app.kubernetes.io/name": f"app-{n}",
            "app.kubernetes.io/instance": f"app-{n}",
            "app.kubernetes.io/managed-by": "Helm",
        }
        meta = FULL["metadata"] | {
            "name": f"app-{n}",
            "uid": f"0f9b2c1e-1111-2222-3333-{n:012d}",
            "labels": labels,
            "annotations": {},
            "ownerReferences": [],
        }
        return decoded(
            {"metadata": meta, "spec": spec, "status": FULL["status"] | {"syncedResourceVersion": "1-" + "a" * 56}}
        )

    seen: set[int] = set()
    first, second = usual(1), usual(2)
    weight(first, seen)
    assert weight(second, seen) < 2048
