"""Whole messages: name, line, column and the expression they point to."""

from __future__ import annotations

import pytest

from eso.template import TemplateError, render

DATA = {"user": b"alice", "bytes": b"\xff\x00"}


def message(source: str, *, name: str = "t", missing: str = "error") -> tuple[str, str]:
    with pytest.raises(TemplateError) as failure:
        render(source, DATA, name=name, missing=missing)  # type: ignore[arg-type]  # parametrised as text
    return failure.value.phase, str(failure.value)


@pytest.mark.parametrize(
    ("source", "phase", "text"),
    [
        pytest.param(
            "{{ .nope }}",
            "execute",
            'template: t:1:3: executing "t" at <.nope>: map has no entry for key "nope"',
            id="a missing key",
        ),
        pytest.param(
            "é\n ä{{ upper  5 }}",
            "execute",
            'template: t:2:13: executing "t" at <5>: expected string; found 5',
            id="columns count bytes, from the line's start",
        ),
        pytest.param(
            '{{define "d"}}\n{{ .x.y }}{{end}}{{template "d" dict "x" nil}}',
            "execute",
            'template: t:2:5: executing "d" at <.x.y>: nil pointer evaluating interface {}.y',
            id="a defined template is named, and a chain points to its second field",
        ),
        pytest.param(
            '{{ (printf  "%s" .user | upper) 1 }}',
            "execute",
            'template: t:1:4: executing "t" at <printf "%s" .user | upper>: can\'t give argument to non-function printf'
            ' "%s" .user | upper',
            id="an expression is re-printed with single spaces",
        ),
        pytest.param(
            '{{ fail "no" }}',
            "execute",
            'template: t:1:3: executing "t" at <fail "no">: error calling fail: no',
            id="a failing function",
        ),
        pytest.param(
            "{{ upper }}",
            "execute",
            'template: t:1:3: executing "t" at <upper>: wrong number of args for upper: want 1 got 0',
            id="an argument count",
        ),
        pytest.param(
            "{{ range $i, $v := list nil }}{{ $v.x }}{{ end }}",
            "execute",
            'template: t:1:35: executing "t" at <$v.x>: nil pointer evaluating interface {}.x',
            id="a nil element of a list keeps its static type",
        ),
        pytest.param(
            "{{ range list 5 }}{{ with . }}{{ .x }}{{ end }}{{ end }}",
            "execute",
            'template: t:1:33: executing "t" at <.x>: can\'t evaluate field x in type int',
            id="a value that went through a pipeline has its own type",
        ),
        pytest.param(
            "{{ upper (list nil | first) }}",
            "execute",
            'template: t:1:21: executing "t" at <first>: invalid value; expected string',
            id="a computed nil",
        ),
        pytest.param(
            '{{ upper (dict "a" nil).a }}',
            "execute",
            'template: t:1:19: executing "t" at <nil>: wrong type for value; expected string; got interface {}',
            id="a nil that is an element",
        ),
        pytest.param(
            '{{template "x" .}}',
            "execute",
            'template: t:1:11: executing "t" at <{{template "x" .}}>: template "x" not defined',
            id="an undefined template",
        ),
        pytest.param("a\n{{ nope }}", "parse", 'template: t:2: function "nope" not defined', id="an unknown function"),
        pytest.param("{{ .user\n\n", "parse", "template: t:3: unclosed action started at t:1", id="an unclosed action"),
        pytest.param(
            "{{ .user\n'",
            "parse",
            "template: t:2: unterminated character constant in action started at t:1",
            id="an error in a long action",
        ),
        pytest.param(
            "{{/* a */ b}}",
            "parse",
            "template: t:1: comment ends before closing delimiter",
            id="a comment that shares its action",
        ),
        pytest.param("{{ end }}", "parse", "template: t:1: unexpected {{end}}", id="an end without a beginning"),
        pytest.param(
            '{{define "a"}}x{{end}}{{define "a"}}y{{end}}',
            "parse",
            'template: t:1: template: multiple definition of template "a"',
            id="a second definition",
        ),
        pytest.param(
            '{{ .user "aaaaaaaaaaaaaaaa" := }}',
            "parse",
            'template: t:1: unexpected ":=" in operand',
            id="a misplaced token",
        ),
        pytest.param(
            "{{template abcdefghijklm}}",
            "parse",
            'template: t:1: unexpected "abcdefghij"... in template clause',
            id="a long token is cut",
        ),
    ],
)
def test_messages_are_the_language_s_own(source: str, phase: str, text: str) -> None:
    assert message(source) == (phase, text)


def test_the_name_is_part_of_every_message() -> None:
    assert message("{{", name="tls.crt") == ("parse", "template: tls.crt:1: unclosed action")
    assert message("{{ .a }}", name="tls.crt")[1].startswith('template: tls.crt:1:3: executing "tls.crt" at <.a>: ')


@pytest.mark.parametrize(
    ("source", "output"),
    [
        pytest.param("{{ .nope }}", b"<no value>", id="it prints as no value"),
        pytest.param("{{ .nope.x.y }}", b"<no value>", id="its fields are missing too"),
        pytest.param("{{ if .nope }}a{{ else }}b{{ end }}", b"b", id="it is false"),
        pytest.param('{{ printf "%v" .nope }}', b"<nil>", id="functions see nil"),
    ],
)
def test_a_missing_key_is_nil_where_the_caller_says_so(source: str, output: bytes) -> None:
    assert render(source, DATA, missing="default") == output


def test_a_missing_key_still_is_no_string() -> None:
    assert message("{{ upper .nope }}", missing="default")[1].endswith("invalid value; expected string")


def test_other_delimiters_leave_the_usual_ones_alone() -> None:
    assert render("{{ .user }} [[- .user -]] x", DATA, left="[[", right="]]") == b"{{ .user }}alicex"
    assert render("{{ .user }}", DATA, left="", right="") == b"alice"


def test_a_map_of_maps_is_webhook_data() -> None:
    assert (
        render("{{ .remoteRef.key }}/{{ .auth.token }}", {"remoteRef": {"key": b"a"}, "auth": {"token": b"b"}})
        == b"a/b"
    )


def test_binary_values_pass_through_unchanged() -> None:
    assert render("<{{ .bytes }}>", DATA) == b"<\xff\x00>"


def test_template_text_that_is_not_utf8_passes_through_except_in_interpreted_strings() -> None:
    assert render(b'\xfe{{ "\xfd" }}{{ `\xfc` }}', {}) == b"\xfe\xef\xbf\xbd\xfc"
