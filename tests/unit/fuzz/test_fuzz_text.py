"""Any JSON, YAML and GJSON path that a backend or an author may write is read, or refused by an error of ours, within
its price."""

from __future__ import annotations

import json

import yaml
from hypothesis import given
from hypothesis import strategies as st

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.template import Limits, TemplateError, World, render
from eso.template.bounds import Budget
from eso.template.functions.yamls import YamlError, load
from eso.values.jsonmap import get_property, to_map
from tests.unit.fuzz.shapes import broken, names, trees

LIMITS = Limits(steps=20_000, output_bytes=100_000, value_bytes=1_000_000, template_depth=200, seconds=5.0)
WORLD = World(lambda: 1_700_000_000_000_000_000, lambda: 0.0, lambda n: b"\x55" * n)

CANARY = "Zq7kWmXp42TvRn9Lbd"
JSON_SEEDS = [
    f'{{"{CANARY}":"{CANARY}","a":[{{"{CANARY}":1}},"{CANARY}"]}}'.encode(),
    b'{"a":{"b":[1,2,{"c":null}]},"d":"x\\u00e9\\ud83d\\ude00\\n","e":1.5e10,"f":-0}',
    b'[[[[[[]]]]],{"":{}},"",true,false,null]',
    b'{"a":1,"a":2,"\\u0061":3}',
    b"[" * 150 + b"]" * 150,
    b'{"k":' * 150 + b"1" + b"}" * 150,
    b'["\\ud800","\\udfff\\ud800",1e400,-1e-400,123456789012345678901234567890]',
]
YAML_SEEDS = [
    f"{CANARY}: &{CANARY} x\nb: *{CANARY}\nc: !{CANARY} y\nd: '{CANARY}'\n<<: {{{CANARY}: 1}}\n".encode(),
    f"%TAG ! {CANARY}\n--- {CANARY}\n? [{CANARY}]\n: !!binary {CANARY}\n".encode(),
    b"a: 1\nb: [x, {y: z}]\nc: |\n  text\n  more\nd: >-\n  folded\n",
    b"base: &base {a: 1}\nmore:\n  <<: *base\n  b: *base\n",
    b"- !!binary aGVsbG8=\n- !!str 5\n- 0x1F\n- 1_000\n- 2001-12-14t21:59:43.10-05:00\n- ~\n- yes\n",
    b"? complex\n: value\n'quoted ''single''': \"double \\x41 \\u263A\"\n",
    b"--- a\n...\n--- b\n",
    b"a: &x [*x]\n",
    b"&a a: *a\n" + b"x: &b [*a, *a]\ny: &c [*b, *b]\nz: [*c, *c]\n",
    "é: ü\n\ufeff".encode(),
    b"- " * 120 + b"x",
]
modifiers = st.sampled_from(
    [
        *("@this", "@reverse", "@ugly", "@pretty", "@keys", "@values", "@flatten", "@join", "@tostr", "@fromstr"),
        *('@pretty:{"indent":"x","sortKeys":true}', '@flatten:{"deep":true}', "@dig:a", "@valid", "@nothing", "@:"),
    ]
)
steps = st.one_of(
    names,
    st.sampled_from(["#", "*", "?", "a*", "?b", "\\*", "\\.", "0", "-1", "99999999999999999999", "#.a", ":1", "a:b"]),
    st.builds(
        "#({}{}{}){}".format,
        names,
        st.sampled_from(["", "==", "!=", "<", "<=", ">", ">=", "%", "!%", "=~", "~="]),
        names | st.sampled_from(["1", '"x"', "true", "~true", "~null", '"*a*"', "#(a)"]),
        st.sampled_from(["", "#", "#.a", "|0"]),
    ),
    modifiers,
    st.builds('!"{}"'.format, names),
)
paths = st.recursive(
    st.lists(st.tuples(steps, st.sampled_from([".", "|"])), max_size=6).map(
        lambda parts: "".join(step + between for step, between in parts).rstrip(".|")
    ),
    lambda inner: (
        st.builds("[{},{}]".format, inner, inner)
        | st.builds('{{{},"n":{}}}'.format, inner, inner)
        | st.builds("{}.{}".format, inner, inner)
    ),
    max_leaves=4,
)
documents = broken(JSON_SEEDS) | trees.map(lambda tree: json.dumps(tree).encode())


@given(documents, paths | st.text(max_size=20))
def test_fuzz_gjson(document: bytes, path: str) -> None:
    try:
        found = get_property(document, path)
    except EsoError as error:
        assert str(error)
    else:
        assert found is None or isinstance(found, bytes)


@given(documents)
def test_fuzz_json(document: bytes) -> None:
    try:
        tree = jsonenc.decode(document, keep_numbers=True)
    except jsonenc.JsonError as error:
        assert quoted(document, str(error)) == ""
    else:
        assert jsonenc.decode(jsonenc.encode(tree), keep_numbers=True) == tree
    try:
        assert all(isinstance(value, bytes) for value in to_map(document).values())
    except EsoError as error:
        assert str(error)
    attempt("{{ .v | fromJson | toJson }}", document)
    attempt("{{ .v | mustFromJson | toPrettyJson }}", document)


@given(trees)
def test_fuzz_json_that_is_right_is_read_as_the_library_reads_it(tree: object) -> None:
    text = json.dumps(tree)
    assert json.loads(jsonenc.encode(jsonenc.decode(text.encode(), keep_numbers=True))) == json.loads(text)


@given(broken(YAML_SEEDS) | trees.map(lambda tree: yaml.safe_dump(tree, allow_unicode=True).encode()))
def test_fuzz_yaml(document: bytes) -> None:
    budget = Budget(LIMITS, WORLD)
    try:
        load(budget, document)
    except YamlError as error:
        assert quoted(document, error.told) == ""  # what is shown of it
    except TemplateError as error:
        assert error.phase == "bounds"
    attempt("{{ .v | fromYaml | toYaml }}", document)
    attempt("{{ .v | fromYamlArray | toJson }}", document)


def attempt(source: str, value: bytes) -> None:
    try:
        assert isinstance(render(source, {"v": value}, limits=LIMITS, world=WORLD), bytes)
    except TemplateError as error:
        assert error.phase in ("parse", "execute", "bounds")
        assert quoted(value, str(error)) == ""


def quoted(value: bytes, message: str) -> str:
    """A part of the planted word that the value holds and the message repeats."""
    text = value.decode("utf-8", "replace")
    parts = (CANARY[at : at + 6] for at in range(len(CANARY) - 5))
    return next((part for part in parts if part in text and part in message), "")
