"""Template blocks: who wins, what is decoded, and the words around each failure."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from eso.api.externalsecret import Template
from eso.template.apply import CHEAP, ApplyFailed, Parts, Terms, apply, out_of_bounds
from eso.template.apply import pairs as parsed
from eso.template.bounds import Limits, World

DATA = {"user": b"alice", "password": b"s3cr3t", "bin": b"\xff\x00"}
SOURCES = {
    ("ConfigMap", "cm"): {
        "value": "cm {{ .user }}",
        "pairs": "user: cm-{{ .user }}\nport: 5432\n",
        "broken": "{{ .user",
        "b64": "{{ .user | b64enc }}",
    },
    ("Secret", "s"): {
        "value": "secret {{ .user }}",
        "pairs": "user: s-{{ .user }}",
        "bad": "{{ .nope }} TOPSECRET",
        "word": "{{ hunter2hunter2 }}",
        "raw": "x\udcff",
    },
}


def template(**block: Any) -> Template:
    """A block as it comes from the API."""
    return msgspec.convert(block, Template)


def entry(**fields: Any) -> dict[str, Any]:
    return fields


def applied(block: Template | None, values: dict[str, bytes] | None = None, **keywords: Any) -> Parts:
    return apply(block, DATA, SOURCES, values or {}, labels={"l": "raw"}, annotations={"a": "raw"}, **keywords)


def test_without_a_template_the_data_goes_over_what_is_there() -> None:
    parts = applied(None, {"user": b"old", "other": b"kept"})
    assert parts == Parts({**DATA, "other": b"kept"}, {"l": "raw"}, {"a": "raw"})


def test_the_maps_that_come_in_stay_as_they_are() -> None:
    values, labels = {"x": b"1"}, {"l": "raw"}
    apply(
        template(data={"y": "2"}, metadata={"labels": {"l": "{{ .user }}"}}),
        DATA,
        SOURCES,
        values,
        labels=labels,
        annotations={},
    )
    assert (values, labels) == ({"x": b"1"}, {"l": "raw"})


@pytest.mark.parametrize(
    ("block", "data"),
    [
        pytest.param({}, DATA, id="an empty template copies the data"),
        pytest.param({"type": "kubernetes.io/tls"}, DATA, id="a template of a type alone copies the data"),
        pytest.param({"data": {"u": "{{ .user }}"}}, {"u": b"alice"}, id="Replace leaves the data out"),
        pytest.param(
            {"data": {"u": "{{ .user }}", "user": "new"}, "mergePolicy": "Merge"},
            {**DATA, "u": b"alice", "user": b"new"},
            id="Merge lets the template win",
        ),
        pytest.param(
            {"data": {"e": "", "b": "{{ .bin }}"}},
            {"e": b"", "b": b"\xff\x00"},
            id="empty and binary results are values",
        ),
        pytest.param(
            {"templateFrom": [{"literal": "a: 1\nb: 1\nc: 1"}, {"literal": "b: 2\nc: 2"}], "data": {"c": "3"}},
            {"a": b"1", "b": b"2", "c": b"3"},
            id="later entries win over earlier ones and data over all",
        ),
        pytest.param(
            {
                "templateFrom": [
                    {
                        "literal": "user: literal",
                        "secret": {"name": "s", "items": [{"key": "pairs", "templateAs": "KeysAndValues"}]},
                        "configMap": {"name": "cm", "items": [{"key": "pairs", "templateAs": "KeysAndValues"}]},
                    }
                ]
            },
            {"user": b"literal", "port": b"5432"},
            id="one entry may name all three sources: configMap, secret, literal",
        ),
        pytest.param(
            {
                "templateFrom": [
                    {"configMap": {"name": "cm", "items": [{"key": "value"}]}},
                    {"secret": {"name": "s", "items": [{"key": "raw"}]}},
                ]
            },
            {"value": b"cm alice", "raw": b"x\xff"},
            id="a value template is stored under its key",
        ),
        pytest.param(
            {"templateFrom": [{"literal": "{{ .user }}: {{ .password }}"}]},
            {"alice": b"s3cr3t"},
            id="keys are rendered too",
        ),
        pytest.param({"templateFrom": [{"literal": "# nothing"}]}, {}, id="a literal of comments gives nothing"),
        pytest.param(
            {
                "templateFrom": [
                    {
                        "literal": (
                            "a: 010\nb: 0x10\nc: yes\nd: 1.10\ne: 3.14159265\nf: 1e3\ng: 123456789.5\nh: null\ni:"
                            " 2020-01-01\nj: '1.10'\nyes: x\n1.10: w"
                        )
                    }
                ]
            },
            {
                "a": b"8",
                "b": b"16",
                "c": b"true",
                "d": b"1.1",
                "e": b"3.1415927",
                "f": b"1000",
                "g": b"1.2345679e+08",
                "h": b"",
                "i": b"2020-01-01",
                "j": b"1.10",
                "true": b"x",
                "1.1": b"w",
            },
            id="scalars become text as JSON and single precision have them",
        ),
        pytest.param(
            {"templateFrom": [{"literal": "a: 1\na: 2\n---\nb: 3"}]},
            {"a": b"2"},
            id="the last duplicate and the first document count",
        ),
        pytest.param(
            {"templateFrom": [{"literal": "a: YQ==", "valuesDecodingStrategy": "Base64"}], "data": {"b": "YQ=="}},
            {"a": b"a", "b": b"YQ=="},
            id="only templateFrom is decoded",
        ),
        pytest.param(
            {"templateFrom": [{"literal": "a: _-8=\nb: +/8=\nc: plain!", "valuesDecodingStrategy": "Auto"}]},
            {"a": b"\xff\xef", "b": b"\xfb\xff", "c": b"plain!"},
            id="Auto takes what fits",
        ),
        pytest.param(
            {
                "templateFrom": [
                    {"configMap": {"name": "cm", "items": [{"key": "b64"}]}, "valuesDecodingStrategy": "Base64URL"}
                ]
            },
            {"b64": b"alice"},
            id="values of sources are decoded",
        ),
        pytest.param(
            {"templateFrom": [{"literal": "a: 1", "target": "spec.x"}, {"literal": "b: 1", "target": ""}]},
            {"b": b"1"},
            id="a path has no place in a Secret, and empty means Data",
        ),
    ],
)
def test_data(block: dict[str, Any], data: dict[str, bytes]) -> None:
    assert applied(template(**block)).data == data


def test_what_is_there_stays_below_the_results() -> None:
    assert applied(template(data={"a": "new"}), {"a": b"old", "b": b"old"}).data == {"a": b"new", "b": b"old"}


def test_metadata_is_rendered_last() -> None:
    block = template(
        metadata={"labels": {"l": "{{ .user }}"}, "annotations": {"a": "{{ .bin }}"}},
        templateFrom=[{"literal": "l: x\nm: w", "target": "labels"}, {"literal": "b: z", "target": "ANNOTATIONS"}],
    )
    parts = applied(block)
    assert (parts.labels, parts.annotations) == ({"l": "alice", "m": "w"}, {"a": "\ufffd\0", "b": "z"})
    assert parts.data == {}


def test_the_type_comes_from_the_template() -> None:
    assert applied(template(type="kubernetes.io/tls")).type == "kubernetes.io/tls"
    assert applied(template(data={"a": "b"})).type == ""


def test_delimiters_of_the_process_apply_to_every_part() -> None:
    block = template(
        data={"a": "[[ .user ]]{{"},
        templateFrom=[{"literal": "b: '[[ .user ]]'"}],
        metadata={"labels": {"l": "[[ .user ]]"}},
    )
    parts = applied(block, terms=Terms("[[", "]]"))
    assert (parts.data, parts.labels) == ({"a": b"alice{{", "b": b"alice"}, {"l": "alice"})


EXECUTE = "could not execute template: could not execute template: unable to execute template at key p: "
FROM = "error fetching templateFrom data: "
PAIRS = FROM + "could not unmarshal template to 'map[string][]byte': "


@pytest.mark.parametrize(
    ("block", "text"),
    [
        pytest.param({"engineVersion": "v1"}, "unsupported template engine version: v1", id="an unknown engine"),
        pytest.param(
            {"engineVersion": "", "data": {"a": "b"}}, "unsupported template engine version: ", id="no engine"
        ),
        pytest.param(
            {"data": {"p": "{{ .nope }}"}},
            EXECUTE
            + 'unable to execute template at key p: template: p:1:3: executing "p" at <.nope>: map has no entry for key'
            ' "nope"',
            id="an execution error",
        ),
        pytest.param(
            {"data": {"p": "{{"}},
            EXECUTE + "unable to parse template at key p: template: p:1: unclosed action",
            id="a parse error",
        ),
        pytest.param(
            {"metadata": {"labels": {"p": "{{"}}},
            EXECUTE + "unable to parse template at key p: template: p:1: unclosed action",
            id="an error in metadata",
        ),
        pytest.param(
            {"templateFrom": [{"literal": "{{"}]},
            FROM + "unable to execute template at key {{: unable to parse template at key {{: template: {{:1: unclosed"
            " action",
            id="a literal is its own name",
        ),
        pytest.param(
            {"templateFrom": [{"configMap": {"name": "cm", "items": [{"key": "broken"}]}}]},
            FROM
            + "unable to execute template at key broken: unable to parse template at key broken: template: broken:1:"
            " unclosed action",
            id="a broken source",
        ),
        pytest.param(
            {"templateFrom": [{"secret": {"name": "s", "items": [{"key": "bad", "templateAs": "KeysAndValues"}]}}]},
            FROM
            + "unable to execute template at key bad: unable to execute template at key bad: "
            + "template: bad:1:3: it fails, and its text is that of a Secret",
            id="a Secret's text is not shown",
        ),
        pytest.param(
            {"templateFrom": [{"secret": {"name": "s", "items": [{"key": "word"}]}}]},
            FROM
            + "unable to execute template at key word: unable to parse template at key word: template: word:1: it does"
            " not parse, and its text is that of a Secret",
            id="not even the word that the parser stumbled over",
        ),
        pytest.param(
            {"templateFrom": [{"configMap": {"name": "cm", "items": [{"key": "nope"}]}}]},
            FROM + "error in configmap cm: missing key nope",
            id="a missing key of a ConfigMap",
        ),
        pytest.param(
            {"templateFrom": [{"secret": {"name": "s", "items": [{"key": "nope"}]}}]},
            FROM + "error in secret s: missing key nope",
            id="a missing key of a Secret",
        ),
        pytest.param(
            {"templateFrom": [{"secret": {"name": "gone", "items": [{"key": "a"}]}}]},
            FROM + 'secrets "gone" not found',
            id="a missing Secret",
        ),
        pytest.param(
            {"templateFrom": [{"configMap": {"name": "cm", "items": [{"key": "value", "templateAs": "X"}]}}]},
            FROM + "unknown scope 'X': expected 'Values' or 'KeysAndValues'",
            id="an unknown scope",
        ),
        pytest.param(
            {"templateFrom": [{"literal": "a: {b: 1}"}]},
            PAIRS + "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal object into Go value of type"
            " string",
            id="a map as a value",
        ),
        pytest.param(
            {"templateFrom": [{"literal": "a: [1]"}]},
            PAIRS
            + "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type string",
            id="a list as a value",
        ),
        pytest.param(
            {"templateFrom": [{"literal": "[1]"}]},
            PAIRS + "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type"
            " map[string]string",
            id="a list at the top",
        ),
        pytest.param(
            {"templateFrom": [{"literal": "hello"}]},
            PAIRS + "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go value of type"
            " map[string]string",
            id="a scalar at the top",
        ),
        pytest.param(
            {"templateFrom": [{"literal": "a: '!'", "valuesDecodingStrategy": "Base64"}]},
            FROM + "failed to decode rendered template value for key a: illegal base64 data at input byte 0",
            id="a value that is not base 64",
        ),
        pytest.param(
            {"templateFrom": [{"literal": "a: b", "valuesDecodingStrategy": "Rot13"}]},
            FROM + "failed to decode rendered template value for key a: decoding strategy Rot13 is not supported",
            id="an unknown strategy",
        ),
    ],
)
def test_failures_read_as_users_know_them(block: dict[str, Any], text: str) -> None:
    with pytest.raises(ApplyFailed) as failure:
        applied(template(**block))
    assert str(failure.value) == text


def test_the_first_key_in_order_fails_first() -> None:
    with pytest.raises(ApplyFailed, match="at key a:"):
        applied(template(data={"b": "{{", "a": "{{"}))


@pytest.mark.parametrize("text", [b"a: b: c", b"? ", b"null: x", b"\xff: a", b"a: *x", b"a:\n\t- b"])
def test_what_is_no_yaml_map_is_said_to_be_none(text: bytes) -> None:
    with pytest.raises(
        ApplyFailed, match=r"^could not unmarshal template to 'map\[string\]\[\]byte': error converting YAML to JSON: "
    ):
        dict(parsed(text, ""))


def test_a_block_never_shows_its_values() -> None:
    assert "s3cr3t" not in repr(applied(None))


def test_a_function_that_quotes_its_argument_does_not_show_a_value() -> None:
    for text, told in (
        ('{{ mustToDate "2006-01-02" .password }}', "the time does not fit its layout"),
        ("{{ .password | b64enc | fail }}", r"error calling fail: \*\*\*"),
    ):
        with pytest.raises(ApplyFailed, match=told) as failed:
            applied(template(data={"t": text}))
        assert "s3cr3t" not in str(failed.value) and "czNjcjN0" not in str(failed.value)


@pytest.mark.parametrize(
    ("block", "limit"),
    [
        pytest.param({"data": {"a": "{{ range 1000000 }}{{ end }}"}}, True, id="too many steps in data"),
        pytest.param(
            {"templateFrom": [{"literal": "{{ range 1000000 }}{{ end }}"}]}, True, id="too many steps in a literal"
        ),
        pytest.param({"templateFrom": [{"literal": 'a: [{{ repeat 200000 "x," }}]'}]}, True, id="too much YAML"),
        pytest.param({"data": {"a": "{{ .nope }}"}}, False, id="a plain mistake"),
    ],
)
def test_who_must_not_wait_can_tell_a_limit_from_a_mistake(block: dict[str, Any], limit: bool) -> None:
    with pytest.raises(ApplyFailed) as failure:
        applied(template(**block), terms=Terms(limits=CHEAP))
    assert out_of_bounds(failure.value) is limit


@pytest.mark.parametrize("engine", ["v2", "jinja2"])
def test_all_values_of_one_object_share_the_time_of_one_rendering(engine: str) -> None:
    """Each value may stay below the limit; a thousand of them may not hold up everybody else."""
    with pytest.raises(ApplyFailed, match="exceeds the limit of") as refused:
        applied(template(engineVersion=engine, data={"a": "x"}), terms=Terms(limits=Limits(until=0.0)))
    assert out_of_bounds(refused.value)


def test_the_time_begins_with_the_object() -> None:
    moments = iter((100.0, 200.0))
    world = World(lambda: 0, lambda: next(moments), bytes)
    first = Limits(seconds=10.0).together(world)
    assert (first.until, first.together(world).until) == (110.0, 110.0)


def test_all_values_of_one_object_share_the_output_of_one_rendering() -> None:
    block = template(data={f"k{n}": "0123456789" for n in range(11)})
    with pytest.raises(ApplyFailed, match="exceed the limit of 100 bytes of output") as refused:
        applied(block, terms=Terms(limits=Limits(output_bytes=100)))
    assert out_of_bounds(refused.value)
    assert len(applied(block, terms=Terms(limits=Limits(output_bytes=110))).data) == 11
