from __future__ import annotations

import pytest

from eso.api.externalsecret import Template
from eso.template import LIMITS, TemplateError
from eso.template.apply import ApplyFailed, apply, costly
from eso.template.jinja import render

DATA = {
    "user": b"alice",
    "pass": b"s3cr:t/&",
    "my-key": b"dashed",
    "json": b'{"host":"db","tags":["a","b"]}',
    "b64": b"aGVsbG8=",
    "raw": b"\xff\x00\x80",
}
CANARY = b"hunter2-canary"


def out(source: str, **data: bytes) -> bytes:
    return render(source, {**DATA, **data}, name="key", left="", right="", keep=True, limits=LIMITS)


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        pytest.param(
            "postgres://{{ user }}:{{ pass | urlencode }}@db",
            b"postgres://alice:s3cr%3At/%26@db",
            id="keys are variables",
        ),
        pytest.param("{{ data['my-key'] }}", b"dashed", id="a key with a dash"),
        pytest.param("{{ b64 | b64dec }} {{ user | b64enc }}", b"hello YWxpY2U=", id="base64"),
        pytest.param("{{ (json | fromJson).host }}", b"db", id="JSON in"),
        pytest.param("{{ {'b': 1, 'a': user} | toJson }}", b'{"a":"alice","b":1}', id="JSON out, keys sorted"),
        pytest.param(
            "{% for t in (json | fromJson).tags %}{{ loop.index }}={{ t }};{% endfor %}", b"1=a;2=b;", id="a loop"
        ),
        pytest.param("{% if user == 'alice' %}yes{% else %}no{% endif %}", b"yes", id="a condition"),
        pytest.param("{{ user | upper | quote }}", b'"ALICE"', id="filters in a row"),
        pytest.param("{{ raw }}", b"\xff\x00\x80", id="binary values pass through"),
        pytest.param("a\n", b"a\n", id="a trailing newline stays"),
        pytest.param("{{ '<&>' }}", b"<&>", id="nothing is escaped"),
        pytest.param(
            "{{ user | sha256sum }}", b"2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90", id="a digest"
        ),
        pytest.param("{{ {'a': [1, 2]} | toYaml }}", b"a:\n- 1\n- 2", id="YAML out"),
    ],
)
def test_a_template_renders(source, wanted):
    assert out(source) == wanted


@pytest.mark.parametrize(
    ("source", "phase", "text"),
    [
        pytest.param("{{ nope }}", "execute", "'nope' is undefined", id="an unknown key is an error"),
        pytest.param("{{ user", "parse", "line 1", id="a syntax error names the line"),
        pytest.param("{{ user | nofilter }}", "parse", "nofilter", id="an unknown filter"),
        pytest.param("{{ user | b64dec }}", "execute", "illegal base64 data", id="a filter that cannot"),
        pytest.param("{{ 1 / 0 }}", "execute", "ZeroDivisionError", id="a failing expression shows its kind only"),
        pytest.param("{{ user.__class__.__mro__ }}", "execute", "unsafe", id="attributes of Python are out of reach"),
        pytest.param("{{ ''.__class__.__base__.__subclasses__() }}", "execute", "unsafe", id="so are classes"),
        pytest.param("{% include '/etc/passwd' %}", "execute", "TypeError", id="there are no files"),
        pytest.param("{{ lipsum.__globals__ }}", "execute", "'lipsum' is undefined", id="nor helpers with globals"),
    ],
)
def test_a_template_fails_with_its_reason(source, phase, text):
    with pytest.raises(TemplateError) as failed:
        out(source)
    assert failed.value.phase == phase
    assert text in str(failed.value) and str(failed.value).startswith("template: key: ")


@pytest.mark.parametrize(
    "source",
    [
        "{{ canary | b64dec }}",
        "{{ canary | fromJson }}",
        "{{ canary.nope }}",
        "{{ canary | int + [] }}",
        "{{ {}[canary] }}",
    ],
)
def test_no_error_shows_a_value(source):
    with pytest.raises(TemplateError) as failed:
        out(source, canary=CANARY)
    assert CANARY.decode() not in str(failed.value)


def test_the_engine_is_chosen_by_the_template_and_never_runs_on_the_loop():
    template = Template(engine_version="jinja2", data={"url": "{{ user }}@db"})
    assert apply(template, DATA, {}, {}, labels={}, annotations={}).data == {"url": b"alice@db"}
    assert costly(template, {})
    with pytest.raises(ApplyFailed, match="unsupported template engine version: v1"):
        apply(Template(engine_version="v1", data={"a": "b"}), DATA, {}, {}, labels={}, annotations={})


def test_a_long_output_and_an_endless_recursion_end_by_themselves():
    for source in (
        "{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    ):
        with pytest.raises(TemplateError) as failed:
            out(source)
        assert failed.value.phase == "bounds" and "exceeds" in str(failed.value)
    assert out("{{ user }}") == b"alice"
