"""J. Templates."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.conftest import Case

ONE = [{"secretKey": "targetProperty", "remoteRef": {"key": "barz", "property": "bang"}}]


def config_map(case: Case, name: str, **data: str) -> None:
    case.api.create(
        "configmaps",
        case.namespace,
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data},
    )


def templated(
    case: Case, template: dict[str, Any], name: str = "test-es", target: str = "test-secret", **spec: Any
) -> None:
    case.external_secret(name, target={"name": target, "template": template}, **spec)


def foreign(case: Case, name: str) -> None:
    """A Secret that was there before, as it is to stay."""
    case.foreign_secret(name, {"kept": "as it was"}, annotations={"theirs": "yes"})


def untouched(case: Case, name: str) -> bool:
    """Data, type and annotations of `foreign`; the managed label is put on before anything is decided."""
    found = case.raw_secret(name)
    assert found is not None
    return (case.secret(name), found["type"], found["metadata"]["annotations"]) == (
        {"kept": "as it was"},
        "Opaque",
        {"theirs": "yes"},
    )


# C-136
def test_c_136_template_data_replaces_what_was_fetched(live: Case):
    templated(live, {"data": {"loud": '{{ .targetProperty | upper | replace "-" "_" }}', "fixed": "as written"}})
    live.synced()
    assert live.secret() == {"loud": "SOME_VALUE", "fixed": "as written"}


# C-137
def test_c_137_merge_policy_merge_keeps_what_was_fetched(live: Case):
    templated(live, {"mergePolicy": "Merge", "data": {"loud": "{{ .targetProperty | upper }}"}})
    live.synced()
    assert live.secret() == {"targetProperty": "some-value", "loud": "SOME-VALUE"}


# C-138
def test_c_138_a_template_with_only_type_and_metadata_keeps_the_data(live: Case):
    live.provider.values = {"crt": b"certificate", "key": b"private"}
    data = [{"secretKey": f"tls.{k}", "remoteRef": {"key": k}} for k in ("crt", "key")]
    templated(live, {"type": "kubernetes.io/tls", "metadata": {"labels": {"app": "web"}}}, data=data)
    live.synced()
    assert live.secret() == {"tls.crt": "certificate", "tls.key": "private"}
    found = live.raw_secret()
    assert (found["type"], found["metadata"]["labels"]["app"]) == ("kubernetes.io/tls", "web")


# C-139
def test_c_139_precedence(live: Case):
    live.provider.map = {"targetProperty": b"from-dataFrom", "bar": b"bar-value"}
    config_map(
        live, "cm", **{"from-cm": "{{ .targetProperty }}-cm", "both": "from the ConfigMap", "all": "from the ConfigMap"}
    )
    live.foreign_secret("tpl", {"from-secret": "{{ .bar }}-secret", "both": "from the Secret"})
    template = {
        "data": {"all": "{{ .targetProperty }} {{ .bar }}"},
        "templateFrom": [
            {"configMap": {"name": "cm", "items": [{"key": k} for k in ("from-cm", "both", "all")]}},
            {"secret": {"name": "tpl", "items": [{"key": k} for k in ("from-secret", "both")]}},
        ],
    }
    templated(live, template, dataFrom=[{"extract": {"key": "datamap"}}])
    live.synced()
    assert live.secret() == {
        "from-cm": "some-value-cm",
        "from-secret": "bar-value-secret",
        "both": "from the Secret",
        "all": "some-value bar-value",
    }


# C-140
def test_c_140_template_from_with_keys_and_values(live: Case):
    live.provider.values = {"k": b"the-key", "v": b"the-value"}
    config_map(live, "cm", tpl="{{ .targetKey }}-cm: {{ .targetValue }}")
    live.foreign_secret("tpl", {"tpl": "{{ .targetKey }}-secret: {{ .targetValue }}"})
    items = [{"key": "tpl", "templateAs": "KeysAndValues"}]
    data = [{"secretKey": s, "remoteRef": {"key": k}} for s, k in (("targetKey", "k"), ("targetValue", "v"))]
    templated(
        live,
        {"templateFrom": [{"configMap": {"name": "cm", "items": items}}, {"secret": {"name": "tpl", "items": items}}]},
        data=data,
    )
    live.synced()
    assert live.secret() == {"the-key-cm": "the-value", "the-key-secret": "the-value"}


# C-141
def test_c_141_literals_into_data_labels_and_annotations(live: Case):
    live.provider.value = b'[{"name":"one","value":"1"},{"name":"two","value":"2"}]'
    template = {
        "templateFrom": [
            {"target": "Data", "literal": "fixed: {{ len .targetProperty }}"},
            {
                "target": "Data",
                "literal": "{{ range (.targetProperty | fromJson) }}{{ .name }}: {{ .value | quote }}\n{{ end }}",
            },
            {"target": "Labels", "literal": "length: l{{ len .targetProperty }}"},
            {"target": "Annotations", "literal": "note: {{ (index (.targetProperty | fromJson) 1).name }}"},
        ]
    }
    templated(live, template)
    live.synced()
    assert live.secret() == {"fixed": "55", "one": "1", "two": "2"}
    meta = live.raw_secret()["metadata"]
    assert (meta["labels"]["length"], meta["annotations"]["note"]) == ("l55", "two")


# C-142
def test_c_142_targets_in_any_letter_case(live: Case):
    targets = {"data": "a: in data", "ANNOTATIONS": "b: in annotations", "lAbElS": "c: in-labels"}
    templated(live, {"templateFrom": [{"target": t, "literal": text} for t, text in targets.items()]})
    live.synced()
    meta = live.raw_secret()["metadata"]
    assert (live.secret(), meta["annotations"]["b"], meta["labels"]["c"]) == (
        {"a": "in data"},
        "in annotations",
        "in-labels",
    )


# C-143
@pytest.mark.parametrize("kind", ["configMap", "secret"])
def test_c_143_a_missing_key_of_a_source(live: Case, kind: str):
    if kind == "configMap":
        config_map(live, "source", there="x")
    else:
        live.foreign_secret("source", {"there": "x"})
    templated(live, {"templateFrom": [{kind: {"name": "source", "items": [{"key": "absent"}]}}]})
    live.failed("could not update secret")
    live.told(
        f"could not apply template: error fetching templateFrom data: error in {kind.lower()} source: missing "
        "key absent"
    )
    assert live.secret() is None


# C-144
def test_c_144_an_unknown_variable_changes_nothing(live: Case):
    live.external_secret()
    live.synced()
    live.edit_es(
        {"spec": {"target": {"template": {"data": {"new": "{{ .targetProperty }}", "password": "{{ .nope }}"}}}}}
    )
    live.failed("could not update secret")
    engine = 'template: password:1:3: executing "password" at <.nope>: map has no entry for key "nope"'
    twice = "unable to execute template at key password: " * 2
    live.told(
        "unable to mutate secret test-secret: could not apply template: "
        + "could not execute template: " * 2
        + twice
        + engine
    )
    assert live.secret() == {"targetProperty": "some-value"}


# C-145
def test_c_145_values_of_template_from_are_decoded_keys_and_template_data_never(live: Case):
    live.provider.value = b"YmFy"
    decoding = [{"literal": "YmFy: {{ .targetProperty }}", "valuesDecodingStrategy": "Base64"}]
    templated(live, {"data": {"raw": "{{ .targetProperty }}"}, "templateFrom": decoding})
    live.synced()
    assert live.secret() == {"YmFy": "bar", "raw": "YmFy"}
    bad = [{"literal": "a: foo", "valuesDecodingStrategy": "Base64"}]
    templated(live, {"templateFrom": bad}, "bad", "bad")
    live.failed("could not update secret", "bad")
    live.told("failed to decode rendered template value for key a: illegal base64 data at input byte", "bad")
    assert live.secret("bad") is None


# C-146
def test_c_146_a_change_of_a_config_map_resyncs_at_once(live: Case):
    """Ours: it is a trigger; in the reference it waits for the next refresh."""
    config_map(live, "cm", tpl="one {{ .targetProperty }}")
    templated(live, {"templateFrom": [{"configMap": {"name": "cm", "items": [{"key": "tpl"}]}}]}, refreshInterval="1h")
    live.synced()
    assert live.secret() == {"tpl": "one some-value"}
    live.edit("configmaps", "cm", {"data": {"tpl": "two {{ .targetProperty }}"}})
    live.eventually(lambda: live.secret() == {"tpl": "two some-value"}, within=5)


# C-147
def test_c_147_a_refresh_picks_up_template_changes(live: Case):
    templated(
        live, {"data": {"a": "{{ .targetProperty }}"}, "metadata": {"labels": {"one": "1"}}}, refreshInterval="1s"
    )
    live.synced()
    more = {
        "data": {"b": "{{ .targetProperty }}!"},
        "metadata": {"labels": {"two": "2"}, "annotations": {"who": "{{ .targetProperty }}"}},
    }
    live.edit_es({"spec": {"target": {"template": more}}})
    live.eventually(lambda: live.secret() == {"a": "some-value", "b": "some-value!"}, within=5)
    meta = live.raw_secret()["metadata"]
    assert (meta["labels"]["one"], meta["labels"]["two"], meta["annotations"]["who"]) == ("1", "2", "some-value")
    live.edit_es({"spec": {"target": {"template": {"data": {"a": None}, "metadata": {"labels": {"one": None}}}}}})
    live.eventually(lambda: live.secret() == {"b": "some-value!"}, within=5)
    assert "one" not in live.raw_secret()["metadata"]["labels"]


# C-148
def test_c_148_the_type_of_an_existing_secret_cannot_change(live: Case):
    live.external_secret()
    live.synced()
    live.edit_es({"spec": {"target": {"template": {"type": "kubernetes.io/tls"}}}})
    live.failed("could not update secret")
    live.told("unable to update secret test-secret: ")
    live.told("field is immutable (the live Secret has type Opaque, and a type cannot change: delete the Secret, ")
    passes = live.passes()
    live.eventually(lambda: live.passes() > passes, what="tried again with back-off")
    assert (live.raw_secret()["type"], live.secret()) == ("Opaque", {"targetProperty": "some-value"})
    assert len([text for text in live.events() if "field is immutable" in text]) == 1


# C-149
def test_c_149_path_targets_are_refused_at_reconcile(live: Case):
    targets = ["type", "metadata.annotations", "Metadata.Annotations", "immutable", "metadata.ownerReferences"]
    for n, target in enumerate(targets):
        foreign(live, f"s{n}")
        templated(live, {"templateFrom": [{"target": target, "literal": "a: b"}]}, f"es{n}", f"s{n}")
    for n, target in enumerate(targets):
        live.failed("could not update secret", f"es{n}")
        allowed = 'is not allowed when targeting a Secret, must be one of "Data", "Annotations" or "Labels"'
        live.told(
            f'unable to mutate secret s{n}: could not apply template: templateFrom target="{target}" {allowed}',
            f"es{n}",
        )
        assert untouched(live, f"s{n}")


TOKEN = "kubernetes.io/service-account-token"  # a Secret type
PRIVILEGED = [
    pytest.param(
        {"type": TOKEN, "metadata": {"annotations": {"kubernetes.io/service-account.name": "admin"}}},
        f'template.type="{TOKEN}" with annotation "kubernetes.io/service-account.name" is not allowed',
        id="C-150 the token of a ServiceAccount",
    ),
    pytest.param(
        {
            "type": TOKEN,
            "templateFrom": [{"target": "aNNotations", "literal": "kubernetes.io/service-account.name: admin"}],
        },
        f'template.type="{TOKEN}" with templateFrom target="Annotations" is not allowed',
        id="C-150 the same through templateFrom",
    ),
    pytest.param(
        {"type": "bootstrap.kubernetes.io/token"},
        'template.type="bootstrap.kubernetes.io/token" is not allowed',
        id="C-150 a bootstrap token",
    ),
]


@pytest.mark.parametrize(("template", "text"), PRIVILEGED)
def test_c_150_privileged_templates_are_refused_at_reconcile(live: Case, template: dict[str, Any], text: str):
    foreign(live, "old")
    templated(live, template, "updates", "old")
    templated(live, template, "creates", "new")
    live.failed("could not update secret", "updates")
    live.failed("could not update secret", "creates")
    live.told(f"unable to mutate secret old: could not apply template: {text}", "updates")
    live.told(f"could not apply template: {text}", "creates")
    assert untouched(live, "old")
    assert live.raw_secret("new") is None


def test_a_function_that_quotes_its_argument_does_not_put_a_value_into_an_event(live: Case):
    live.provider.value = b"classified-value"
    templated(live, {"data": {"a": '{{ mustToDate "2006-01-02" .targetProperty }}'}})
    live.failed("could not update secret")
    live.told("error calling mustToDate: the time does not fit its layout")
    assert not [m for m in live.events() if "classified" in m]
