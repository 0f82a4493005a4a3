"""A template block over an object without a schema."""

from __future__ import annotations

import pytest

from eso.api.externalsecret import Template, TemplateFrom, TemplateItem, TemplateSource
from eso.errors import EsoError
from eso.template import LIMITS
from eso.template.apply import CHEAP, Terms, out_of_bounds
from eso.template.manifest import render_manifest

DATA = {"url": b"https://x", "n": b"3", "bad": b"\xff"}


def literal(text: str, target: str = "Data", strategy: str = "") -> TemplateFrom:
    return TemplateFrom(literal=text, target=target, values_decoding_strategy=strategy)


def source(kind: str, key: str, target: str = "Data", scope: str = "Values", strategy: str = "") -> TemplateFrom:
    part = TemplateSource(name="parts", items=(TemplateItem(key=key, template_as=scope),))
    members = {"config_map": part} if kind == "ConfigMap" else {"secret": part}
    return TemplateFrom(**members, target=target, values_decoding_strategy=strategy)


def rendered(
    *entries: TemplateFrom,
    text: str = "",
    of: dict | None = None,
    kind: str = "ConfigMap",
    data: dict[str, str] | None = None,
    terms: Terms | None = None,
) -> dict:
    obj = {"metadata": {"name": "x"}, "spec": {}} | (of or {})
    render_manifest(
        Template(template_from=entries, data=data or {}), DATA, {(kind, "parts"): {"k": text}}, obj, terms or Terms()
    )
    return obj


@pytest.mark.parametrize(
    ("entry", "text", "part"),
    [
        pytest.param(
            literal("a: '{{ .url }}'\nb: {{ .n }}"),
            "",
            {"data": {"a": "https://x", "b": "3"}},
            id="pairs for the data: every value is text",
        ),
        pytest.param(literal("a: 1", ""), "", {"data": {"a": "1"}}, id="no target means the data"),
        pytest.param(literal("a: 1", "DATA"), "", {"data": {"a": "1"}}, id="the letter case of data does not matter"),
        pytest.param(literal("a: aGk=", strategy="Base64"), "", {"data": {"a": "hi"}}, id="pairs are decoded"),
        pytest.param(
            literal("l: '{{ .n }}'", "labels"), "", {"metadata": {"name": "x", "labels": {"l": "3"}}}, id="labels"
        ),
        pytest.param(
            literal("l: x", "Annotations"), "", {"metadata": {"name": "x", "annotations": {"l": "x"}}}, id="annotations"
        ),
        pytest.param(
            literal("replicas: {{ .n }}", "spec"),
            "",
            {"spec": {"replicas": 3}},
            id="C-222 a number stays a number in the spec",
        ),
        pytest.param(
            literal("[1, {a: b}]", "spec.list"), "", {"spec": {"list": [1, {"a": "b"}]}}, id="any YAML at a path"
        ),
        pytest.param(
            literal("a: 1.5\nb: yes\nc: null", "spec.x"),
            "",
            {"spec": {"x": {"a": 1.5, "b": True, "c": None}}},
            id="every scalar of YAML",
        ),
        pytest.param(source("ConfigMap", "k"), "{{ .url }}", {"data": {"k": "https://x"}}, id="a value under its key"),
        pytest.param(
            source("Secret", "k"), "{{ .url }}", {"data": {"k": "https://x"}}, id="a value of a Secret under its key"
        ),
        pytest.param(
            source("ConfigMap", "k", "Spec"),
            "{{ .n }}",
            {"spec": {"k": "3"}},
            id="a value in the spec is text under its key",
        ),
        pytest.param(
            source("ConfigMap", "k", "Labels"),
            "{{ .n }}",
            {"metadata": {"name": "x", "labels": {"k": "3"}}},
            id="a value as label",
        ),
        pytest.param(
            source("ConfigMap", "k", "spec.a"),
            "{{ .n }}",
            {"spec": {"a": 3}},
            id="a value at a path is YAML, and its key is no part of the path",
        ),
        pytest.param(
            source("ConfigMap", "k", "spec.a"), "{a: [", {"spec": {"a": "{a: ["}}, id="a value that is no YAML is text"
        ),
        pytest.param(
            source("ConfigMap", "k", "spec.a", strategy="Base64"),
            "NQ==",
            {"spec": {"a": 5}},
            id="a value is decoded before it is read",
        ),
        pytest.param(
            source("ConfigMap", "k", "spec.a", "KeysAndValues"),
            "b: {{ .n }}",
            {"spec": {"a": {"b": 3}}},
            id="keys and values at a path",
        ),
        pytest.param(
            source("Secret", "k", "Data", "KeysAndValues"),
            "b: {{ .n }}",
            {"data": {"b": "3"}},
            id="keys and values of a Secret",
        ),
        pytest.param(
            source("ConfigMap", "k"), "{{ .bad }}", {"data": {"k": "\ufffd"}}, id="bytes that are no text are replaced"
        ),
        pytest.param(
            source("Secret", "k"),
            '{{ "{{ .url }}" }}',
            {"data": {"k": "{{ .url }}"}},
            id="what a text renders to is not rendered again",
        ),
    ],
)
def test_an_entry_goes_to_its_target(entry: TemplateFrom, text: str, part: dict):
    obj = rendered(entry, text=text, kind="Secret" if entry.secret else "ConfigMap")
    assert obj == {"metadata": {"name": "x"}, "spec": {}} | part


def test_later_entries_and_then_the_templates_own_data_win():
    obj = rendered(literal("a: 1\nb: 1\nc: 1"), literal("b: 2\nc: 2"), data={"c": "{{ .n }}", "d": "4"})
    assert obj["data"] == {"a": "1", "b": "2", "c": "3", "d": "4"}


def test_the_data_of_the_template_is_plain_text_for_any_kind():
    assert rendered(data={"k": "{{ .url }}"})["data"] == {"k": "https://x"}


def test_the_secrets_values_are_not_copied_by_themselves():
    assert rendered() == {"metadata": {"name": "x"}, "spec": {}}


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        pytest.param(
            literal("{{ .missing }}"),
            "failed to execute literal template: unable to execute template at key",
            id="a literal that fails",
        ),
        pytest.param(
            literal("a: [", "spec"),
            "failed to execute literal template: could not unmarshal template YAML: ",
            id="a literal that is no YAML",
        ),
        pytest.param(
            literal("a: 1", "a..b"),
            'failed to execute literal template: invalid path "a..b": empty segment',
            id="C-226 a bad path",
        ),
        pytest.param(
            source("ConfigMap", "gone"),
            "failed to merge configmap template: error in configmap parts: missing key gone",
            id="a missing key of a ConfigMap",
        ),
        pytest.param(
            source("Secret", "k"), 'failed to merge secret template: secrets "parts" not found', id="a missing Secret"
        ),
    ],
)
def test_an_error_names_the_entry(entry: TemplateFrom, told: str):
    with pytest.raises(EsoError) as raised:
        rendered(entry)
    assert told in str(raised.value)


def test_an_error_in_the_data_says_so():
    with pytest.raises(EsoError, match=r"^failed to execute template.data: unable to execute template at key k"):
        rendered(data={"k": "{{ .missing }}"})


def test_metadata_that_a_path_made_unusable_is_refused():
    with pytest.raises(EsoError, match='expected map at key "metadata" but found string'):
        rendered(literal("text", "metadata"), literal("a: b", "Labels"))


def test_a_value_that_is_too_much_for_now_is_not_taken_for_text():
    """It would be YAML where there is time: the result must not depend on who renders."""
    many = "[" + "1," * 40_000 + "1]"
    with pytest.raises(EsoError) as raised:
        rendered(source("ConfigMap", "k", "spec.a"), text=many, terms=Terms(limits=CHEAP))
    assert out_of_bounds(raised.value)
    assert (
        len(rendered(source("ConfigMap", "k", "spec.a"), text=many, terms=Terms(limits=LIMITS))["spec"]["a"]) == 40_001
    )
