"""A value that a failing template was given shows in no message."""

from __future__ import annotations

import pytest

from eso.template import TemplateError, render

DATA = {
    "p": b"hunter2-hunter2",
    "b": b"aHVudGVyMi1odW50ZXIy",
    "j": b'{"a":["hunter2-hunter2"],"n":271828}',
    "lines": b'hunter2\n"hunter2"',
    "n": b"271828",
}


@pytest.mark.parametrize(
    "source",
    [
        "{{ range .p }}{{ end }}",
        "{{ range (.b | b64dec) }}{{ end }}",
        "{{ range (fromJson .j).n }}{{ end }}",
        "{{ fail .p }}",
        '{{ fail (printf "wrong: %s" .p) }}',
        '{{ fail (printf "wrong: %q" .lines) }}',
        "{{ fail (.b | b64dec) }}",
        '{{ mustToDate "2006-01-02" .p }}',
        '{{ mustToDate "2006-01-02" (print "2020-01-01" .p) }}',
        "{{ urlParse (print `http://a b/` .p) }}",
        "{{ genSelfSignedCert `a` (fromJson .j).a nil 1 }}",
        "{{ semverCompare .p `1.0.0` }}",
        "{{ mustRegexMatch (print `(` .p) `a` }}",
        "{{ mustDateModify .p now }}",
        "{{ urlJoin (dict `host` (list .p)) }}",
        "{{ .p | upper | lower | fail }}",
        "{{ rsaDecrypt .p `SHA1` `x` `y` }}",
        "{{ decryptAES `key` .p }}",
        "{{ mustFromJson .p }}",
    ],
)
def test_values_are_masked(source: str) -> None:
    with pytest.raises(TemplateError) as failure:
        render(source, DATA)
    for value in ("hunter2", "271828", "2-hunter2"):
        assert value not in str(failure.value)
    assert str(failure.value).startswith("template: t:1:")


@pytest.mark.parametrize(
    ("source", "end"),
    [
        pytest.param(
            '{{ fail "set the user" }}', "error calling fail: set the user", id="what the template says itself is shown"
        ),
        pytest.param(
            '{{ fail (printf "%s is missing" "user") }}',
            "error calling fail: ***",
            id="what it puts together is not known to be harmless",
        ),
        pytest.param('{{ range "abc" }}{{ end }}', "range can't iterate over abc", id="a constant"),
        pytest.param('{{ mustDateModify "abc" now }}', 'time: invalid duration "abc"', id="a bad constant"),
        pytest.param("{{ .nope }}", 'map has no entry for key "nope"', id="names"),
    ],
)
def test_the_template_s_own_text_stays(source: str, end: str) -> None:
    with pytest.raises(TemplateError) as failure:
        render(source, DATA)
    assert str(failure.value).endswith(end)


def test_the_whole_text_is_there_for_those_who_ask() -> None:
    with pytest.raises(TemplateError) as failure:
        render("{{ range .p }}{{ end }}", DATA)
    assert failure.value.full.endswith("range can't iterate over hunter2-hunter2")
    assert str(failure.value).endswith("range can't iterate over ***")
