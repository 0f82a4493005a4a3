"""Templates whose output differs each time: known from the text, before anything is rendered."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from eso import template as v2
from eso.api.externalsecret import Template
from eso.template import World, jinja
from eso.template.apply import Terms, rolls_dice
from eso.template.bounds import BoundsExceeded, Budget, Limits
from eso.template.cache import ALL
from eso.template.functions.dates import UTC_ZONE, unix
from eso.template.values import FunctionError, Int64, Param


def rolls(text: str) -> bool:
    return v2.rolls_dice(text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ now }}",
        '{{ now | date "150405" }}',
        '{{ date "150405" .when }}',
        '{{ .when | date "150405" }}',
        '{{ date "150405" 1.5 }}',
        '{{ dateInZone "15" (print .x) "UTC" }}',
        "{{ htmlDate .when }}",
        '{{ htmlDateInZone "x" "UTC" }}',
        '{{ ago (toDate "2006" "2020") }}',
        '{{ toDate "2006" "2020" | durationRound }}',
        '{{ now | dateModify "-1h" | unixEpoch }}',
        "{{ now.Year }}",
        "{{ (now).Year }}",
        "{{ .p | bcrypt }}",
        '{{ htpasswd "u" .p }}',
        "{{ uuidv4 }}",
        "{{ randAlphaNum 8 }}",
        "{{ randInt 0 9 }}",
        "{{ randBytes 8 }}",
        "{{ shuffle .p }}",
        '{{ encryptAES "k" .p }}',
        '{{ genPrivateKey "ed25519" }}',
        '{{ (genSelfSignedCert "a.example" nil nil 1).Cert }}',
        '{{ $ca := genCA "a" 1 }}{{ $ca.Cert }}',
        "{{ pemToPkcs12 .crt .key }}",
        "{{ if .never }}{{ uuidv4 }}{{ end }}",
        "{{ with .x }}a{{ else }}{{ uuidv4 }}{{ end }}",
        "{{ range .x }}{{ print (upper (uuidv4)) }}{{ end }}",
        '{{ define "a" }}{{ uuidv4 }}{{ end }}{{ template "a" }}',
        '{{ define "a" }}{{ template "b" }}{{ end }}{{ define "b" }}{{ now }}{{ end }}{{ template "a" . }}',
        '{{ block "a" . }}{{ now }}{{ end }}',
        '{{ define "a" }}{{ . }}{{ end }}{{ template "a" now }}',
    ],
)
def test_a_template_rolls_dice(text: str) -> None:
    assert rolls(text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ .now }} now uuidv4",
        '{{ "now" }}',
        "{{/* now */}}{{ .p }}",
        '{{ toDate "2006" "2020" | date "2006" }}',
        '{{ date "2006" (mustToDate "2006" .year) }}',
        '{{ .seconds | int64 | date "2006" }}',
        '{{ date "2006" 86400 }}',
        '{{ dateInZone "2006" (toDate "2006" .year | dateModify "1h") "UTC" }}',
        '{{ toDate "2006" "2020" | unixEpoch }}',
        '{{ define "a" }}{{ uuidv4 }}{{ end }}never called',
        '{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}now',
        '{{ derivePassword 1 "long" "a" "b" "c" }}',
        '{{ decryptAES "k" .p }}',
        "{{ now",
    ],
)
def test_a_template_rolls_no_dice(text: str) -> None:
    assert not rolls(text)


ARGUMENTS: dict[Param, tuple[Any, ...]] = {
    Param.STRING: (b"1", b"2006", b""),
    Param.BOOL: (True,),
    Param.INT: (1, 3),
    Param.INT64: (Int64(1),),
    Param.UINT32: (1,),
    Param.FLOAT64: (1.5,),
    Param.DICT: ({b"a": b"b"}, None),
    Param.LIST: ([b"a", b"b"], None),
    Param.ANY: (b"1", 1, None, [b"a", 1], {b"a": 1}, unix(5)),
    Param.TIME: (unix(5),),
    Param.LOCATION: (UTC_ZONE,),
    Param.HASH_ALGORITHM: (b"bcrypt",),
}


@pytest.mark.parametrize("name", sorted(ALL))
def test_no_function_draws_or_looks_at_the_clock_without_a_mark(name: str) -> None:
    """Key generation has an entropy of its own; those functions stand in the first list above."""
    function = ALL[name]
    touched: list[str] = []

    def wall() -> int:
        touched.append("clock")
        return 10**18

    def entropy(count: int) -> bytes:
        touched.append("entropy")
        return bytes(range(256))[:count].ljust(count, b"x")

    params = [*function.params, *([function.params[-1]] if function.variadic else [])]
    for arguments in itertools.islice(itertools.product(*(ARGUMENTS.get(param, ()) for param in params)), 200):
        if function.moment >= 0 and not isinstance(arguments[function.moment], type(unix(5))):
            continue
        budget = Budget(Limits(steps=30_000, seconds=60), World(wall, lambda: 0.0, entropy))
        try:
            function.call(*([budget] if function.budget else []), *arguments)
        except (FunctionError, BoundsExceeded, TypeError, AttributeError, ValueError):
            continue
    assert function.dice or not touched


@pytest.mark.parametrize(
    ("text", "dice"),
    [
        ("{{ xs | random }}", True),
        ("{% filter random %}x{% endfilter %}", True),
        ("{{ xs | map('random') | list }}", True),
        ("{{ xs | map('ran' ~ 'dom') | list }}", True),
        ("{{ xs | map ( name ) | list }}", True),
        (r"{{ xs | map('\x72andom') | list }}", True),
        ("{{ xs | map('upper') | map(attribute='x') | join }}", False),
        ("{{ password | b64enc }}", False),
    ],
)
def test_jinja2_rolls_dice_with_its_random_filter_alone(text: str, dice: bool) -> None:
    assert jinja.rolls_dice(text, name="k", left="", right="", keep=True) is dice


def template(**spec: Any) -> Template:
    return msgspec.convert(spec, Template)


SOURCES = {("ConfigMap", "cm"): {"a": "{{ uuidv4 }}", "b": "x"}, ("Secret", "s"): {"a": "[[ uuidv4 ]]"}}


def source(kind: str, name: str, key: str, scope: str = "Values") -> dict[str, Any]:
    return {kind: {"name": name, "items": [{"key": key, "templateAs": scope}]}}


@pytest.mark.parametrize(
    ("block", "dice"),
    [
        pytest.param(None, False, id="no template"),
        pytest.param(template(data={"k": "{{ .p }}"}), False, id="data alone"),
        pytest.param(template(data={"k": "{{ now }}"}), True, id="a value"),
        pytest.param(template(metadata={"labels": {"k": "{{ now.Year }}"}}), True, id="a label"),
        pytest.param(template(metadata={"annotations": {"k": "{{ now }}"}}), True, id="an annotation"),
        pytest.param(template(templateFrom=[{"literal": "k: {{ uuidv4 }}"}]), True, id="a literal"),
        pytest.param(template(templateFrom=[source("configMap", "cm", "a")]), True, id="an item of a ConfigMap"),
        pytest.param(
            template(templateFrom=[source("configMap", "cm", "a", "KeysAndValues")]), True, id="a whole ConfigMap text"
        ),
        pytest.param(template(templateFrom=[source("configMap", "cm", "b")]), False, id="an item that is not used"),
        pytest.param(template(templateFrom=[source("secret", "s", "a")]), False, id="other delimiters"),
        pytest.param(template(templateFrom=[source("secret", "gone", "a")]), False, id="a missing object"),
        pytest.param(template(engineVersion="jinja2", data={"k": "{{ now }}"}), False, id="a name of the other engine"),
        pytest.param(template(engineVersion="jinja2", data={"k": "{{ x|random }}"}), True, id="jinja2"),
        pytest.param(template(engineVersion="v9", data={"k": "{{ now }}"}), False, id="an unknown engine"),
    ],
)
def test_a_template_block_rolls_dice_when_one_of_its_texts_does(block: Template | None, dice: bool) -> None:
    assert rolls_dice(block, SOURCES) is dice


def test_the_delimiters_of_the_process_count() -> None:
    block = template(templateFrom=[source("secret", "s", "a")])
    assert rolls_dice(block, SOURCES, Terms(left="[[", right="]]"))
