"""A value that a failing template was given shows in no message."""

from __future__ import annotations

from base64 import b64encode

import msgspec
import pytest

from eso.api.externalsecret import Template
from eso.template import Limits, TemplateError, jinja, render
from eso.template.apply import ApplyFailed, apply
from eso.template.cache import ALL
from eso.template.values import Param

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
            "error calling fail: user is missing",
            id="what it puts together of its own words",
        ),
        pytest.param('{{ range "abc" }}{{ end }}', "range can't iterate over abc", id="a constant"),
        pytest.param('{{ mustDateModify "abc" now }}', 'time: invalid duration "abc"', id="a bad constant"),
        pytest.param('{{ mustRegexMatch "(" .p }}', "missing closing ): `(`", id="an expression of its own"),
        pytest.param('{{ semverCompare "!!" .p }}', "improper constraint: !!", id="a constraint of its own"),
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


@pytest.mark.parametrize(
    ("source", "end"),
    [
        pytest.param('{{ fail (printf "user %s has no password" .p) }}', "user *** has no password", id="printf"),
        pytest.param('{{ printf "user %q of %d" .p 7 | fail }}', 'user "***" of 7', id="a pipe"),
        pytest.param('{{ fail (print "a " .p " b") }}', "a *** b", id="print"),
        pytest.param('{{ fail (cat "a" .p "b") }}', "a *** b", id="cat"),
        pytest.param('{{ $m := printf "%s is bad" .p }}{{ fail $m }}', "*** is bad", id="a variable"),
        pytest.param(
            '{{ range $k := list "user" "port" }}{{ fail (printf "%s is missing" $k) }}{{ end }}',
            "user is missing",
            id="an element of a list of its own",
        ),
        pytest.param(
            '{{ range list "user" }}{{ fail (printf "%s is missing" .) }}{{ end }}', "user is missing", id="dot"
        ),
        pytest.param(
            '{{ fail (ternary "no user" "no port" (empty .nothing)) }}', "no user", id="a choice of its own words"
        ),
        pytest.param(
            '{{ $m := "x" }}{{ $m = .p }}{{ fail $m }}', "fail: ***", id="a variable that was assigned a value"
        ),
        pytest.param(
            '{{ $m := printf "a %s" "b" }}{{ $m = .p }}{{ fail $m }}', "fail: ***", id="a variable of both kinds"
        ),
        pytest.param('{{ fail (printf .form "a") }}', "fail: ***", id="a format from data"),
        pytest.param('{{ fail (printf "%[2]s %[1]s" "a" .p) }}', "fail: ***", id="arguments by number"),
        pytest.param('{{ fail (printf "100%% of %5.2s" .p) }}', "100% of ***", id="width and precision"),
        pytest.param("{{ fail (substr 0 2 .p) }}", "fail: ***", id="two bytes"),
        pytest.param('{{ fail (substr 0 1 .p) }} {{ "h" }}', "fail: ***", id="one byte that is a literal too"),
        pytest.param('{{ fail (substr 0 2 .p) }} hu {{ "hu" }}', "fail: ***", id="two bytes that are a literal too"),
        pytest.param("{{ fail (upper .p) }}", "fail: ***", id="a transformation"),
        pytest.param('{{ fail (printf "%s" (dict "a" .p).a) }}', "fail: ***", id="a member"),
        pytest.param("{{ fail (index (list .p) 0) }}", "fail: ***", id="an element"),
        pytest.param(
            '{{ define "e" }}{{ fail (printf "no %s" .) }}{{ end }}{{ template "e" "port" }}',
            "no port",
            id="a literal in another template",
        ),
        pytest.param(
            '{{ define "e" }}{{ fail (printf "no %s" .) }}{{ end }}{{ template "e" .p }}',
            "no ***",
            id="a value in another template",
        ),
        pytest.param("{{ index (list 1) (len .p) }}", "index out of range", id="a number from data"),
        pytest.param('{{ index "ab" 7 }}', "index out of range: 7", id="a number of its own"),
    ],
)
def test_fail_keeps_its_authors_words_and_masks_what_came_from_data(source: str, end: str) -> None:
    with pytest.raises(TemplateError) as failure:
        render(source, DATA | {"nothing": b"", "form": b"%s!"})
    assert str(failure.value).endswith(end)


def test_a_message_has_an_end() -> None:
    with pytest.raises(TemplateError) as failure:
        render('{{ fail "' + "x" * 100_000 + '" }}', DATA)
    assert len(str(failure.value)) <= 1025


CANARY = "Zq9Planted"
"""No message may have four characters of it in a row, however they were turned."""
FORMS = {
    "plain": CANARY,
    "an alias": f"*{CANARY}",
    "a tag": f"!{CANARY} x",
    "an anchor in itself": f"a: &{CANARY} [*{CANARY}]",
    "a directive": f"%{CANARY} 1.2\n---\n",
    "JSON that breaks": f'{{"{CANARY}": {CANARY}}}',
    "a key type": f'{{"kty": "{CANARY}"}}',
    "a PEM label": f"-----BEGIN {CANARY} PRIVATE KEY-----\nAAAA\n-----END {CANARY} PRIVATE KEY-----\n",
    "a URL": f"http://{CANARY}:{CANARY}@[{CANARY}/%zz",
    "a time": f"2020-01-01{CANARY}",
    "a duration": f"1h{CANARY}",
    "a version": f"1.2.3-{CANARY}!",
    "an expression": f"({CANARY}",
    "a class": f"[[:{CANARY}:]]",
    "a group": f"(?P<{CANARY}",
    "an escape": f"\\{CANARY}",
    "base 64": b64encode(CANARY.encode()).decode(),
    "a number": "271828182845",
}
PARTS = {
    text[at : at + 4]
    for text in (
        CANARY,
        CANARY.upper(),
        CANARY.lower(),
        CANARY[::-1],
        b64encode(CANARY.encode()).decode(),
        "271828182845",
    )
    for at in range(len(text) - 3)
}


def calls(name: str) -> list[str]:
    params = ALL[name].params
    shapes = []
    for place in range(max(len(params), 1)):
        for value in (
            ".v",
            "(.v | upper)",
            "(list .v)",
            "(dict .v .v)",
            "(.v | float64)",
            "(fromJson .v)",
            "(.v | trunc 7)",
        ):
            arguments = [
                value if index == place else SIMPLE.get(param, '"x"') for index, param in enumerate(params or ("",))
            ]
            shapes.append("{{ " + " ".join([name, *arguments]) + " }}")
    return shapes


SIMPLE = {Param.INT: "3", Param.BOOL: "true", Param.DICT: "dict", Param.LIST: "list", Param.TIME: "now"}


@pytest.mark.parametrize("name", sorted(name for name in ALL if not name.startswith("gen") or name.endswith("WithKey")))
def test_no_message_of_a_function_has_a_part_of_a_value(name: str) -> None:
    for source in calls(name):
        for label, value in FORMS.items():
            try:
                render(source, {"v": value.encode()}, limits=Limits(steps=20_000))
            except TemplateError as error:
                told = str(error)
                assert not any(part in told for part in PARTS), (label, told)


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("source", ["password: {{ .v }}", "{{ .v }}", "{{ .v }}: x", '"{{ .v }}', "- {{ .v }}"])
@pytest.mark.parametrize("strategy", ["None", "Base64"])
def test_no_message_of_a_rendered_yaml_text_has_a_part_of_a_value(text: str, source: str, strategy: str) -> None:
    block = msgspec.convert({"templateFrom": [{"literal": source, "valuesDecodingStrategy": strategy}]}, Template)
    try:
        apply(block, {"v": text.encode()}, {}, {}, labels={}, annotations={})
    except ApplyFailed as error:
        assert not any(part in f"{error} {error.fix}" for part in PARTS), str(error)


@pytest.mark.parametrize(
    "source",
    [
        "{{ d[v] }}",
        "{{ (data | attr(v)) }}",
        "{{ data.nope[v[:4]] }}",
        "{{ '{0.__class__}'.format(v) }}",
        "{{ v.format(1) }}",
        "{{ v | map(attribute=v) | list }}",
        "{{ [1] | map(v) | list }}",
        "{{ v | fromJson }}",
        "{{ v | fromYaml }}",
        "{{ v | int(base=99) }}",
        "{{ {}[v] }}{# Zq9Planted #}",
    ],
)
def test_no_message_of_jinja2_has_a_part_of_a_value(source: str) -> None:
    for value in FORMS.values():
        try:
            jinja.render(source, {"v": value.encode()}, name="k", left="", right="", keep=True, limits=Limits())
        except TemplateError as error:
            assert not any(part in str(error) for part in PARTS), str(error)
