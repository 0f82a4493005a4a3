"""Whatever the text is, rendering gives bytes or a TemplateError."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from eso.template import Limits, TemplateError, World, render
from eso.template.bounds import Budget
from eso.template.cache import ALL, compile_template
from eso.template.errors import Phase
from eso.template.gofmt import sprintf
from eso.template.values import Int64, IntList, NilList, StringList, StringMap, Uint8, Value

LIMITS = Limits(steps=20_000, output_bytes=100_000, value_bytes=1_000_000, template_depth=200, seconds=5.0)
WORLD = World(lambda: 1_700_000_000_000_000_000, lambda: 0.0, lambda n: b"\x55" * n)
DATA = {"user": b"alice", "num": b"42", "json": b'{"a":[1,{"b":null}],"n":1e6}', "bin": b"\xff\x00"}
PHASES: tuple[Phase, ...] = ("parse", "execute", "bounds")

SLOW = {
    "genPrivateKey",
    "genCA",
    "genCAWithKey",
    "genSelfSignedCert",
    "genSelfSignedCertWithKey",
    "genSignedCert",
    "genSignedCertWithKey",
}
SLOW |= {
    "bcrypt",
    "htpasswd",
    "derivePassword",
    "pemToPkcs12",
    "pemToPkcs12Pass",
    "fullPemToPkcs12",
    "fullPemToPkcs12Pass",
}
NAMES = sorted(set(ALL) - SLOW)
LITERALS = [
    "1",
    "-1",
    "0",
    "2.5",
    "1e6",
    "3i",
    '"a"',
    '"é\\xff"',
    "`r`",
    "'x'",
    "true",
    "nil",
    "99999999999",
    '"2006-01-02"',
    '"[a-z]*"',
    '"%5.2v"',
    '""',
]
OPERANDS = [
    *LITERALS,
    ".",
    "$",
    ".user",
    ".num",
    ".json",
    ".bin",
    ".nope",
    "$x",
    "(list 1 nil)",
    "(dict `a` 1)",
    "(fromJson .json)",
    "now",
    "(semver `1.2.3`)",
]
SOUP = [
    "{{", "}}", "{{-", "-}}", "|", "(", ")", ":=", "=", ",", ".", "$x", "$x, $y", "if", "else", "end", "range", "with",
    "define", "block", "template", "break", "continue", "{{end}}", "{{else}}", "/*", "*/", '"', "`", "'", "\\",
    "\n", " ", "text", "é", "\u2028", "0x", "1_0", "\udcff", ".a.b", "..", "#",
]  # fmt: skip


def attempt(source: str | bytes) -> None:
    try:
        assert isinstance(render(source, DATA, limits=LIMITS, world=WORLD, keep=False), bytes)
    except TemplateError as error:
        assert error.phase in PHASES
        assert str(error).startswith("template: t:")


@given(st.binary(max_size=200))
def test_random_bytes_are_a_template_or_an_error(source: bytes) -> None:
    attempt(b"{{" + source)
    attempt(source)


@given(st.text(max_size=100))
def test_random_text_is_a_template_or_an_error(source: str) -> None:
    attempt("{{ " + source + " }}")


@given(st.lists(st.sampled_from([*SOUP, *OPERANDS, *NAMES]), max_size=25), st.sampled_from(["", " "]))
def test_token_soup_is_a_template_or_an_error(tokens: list[str], between: str) -> None:
    attempt(between.join(tokens))
    attempt("{{ " + between.join(tokens) + " }}")


def calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def call(name: str, arguments: list[str], field: str) -> str:
        return f"({name} {' '.join(arguments)}){field}"

    fields = st.sampled_from(["", "", "", ".a", ".Year", ".Major", ".x.y"])
    piped = st.builds("({} | {})".format, inner, st.sampled_from(NAMES))
    return st.builds(call, st.sampled_from(NAMES), st.lists(inner, max_size=4), fields) | piped


EXPRESSIONS = st.recursive(st.sampled_from(OPERANDS), calls, max_leaves=8)
STATEMENTS = st.recursive(
    EXPRESSIONS.map("{{{{ {} }}}}".format),
    lambda inner: (
        st.builds("{{{{ range $i, $x := {} }}}}{}{{{{ else }}}}{}{{{{ end }}}}".format, EXPRESSIONS, inner, inner)
        | st.builds("{{{{ with $x := {} }}}}{}{{{{ end }}}}".format, EXPRESSIONS, inner)
        | st.builds('{{{{ define "d" }}}}{}{{{{ end }}}}{{{{ template "d" {} }}}}'.format, inner, EXPRESSIONS)
        | st.lists(inner, max_size=3).map("".join)
    ),
    max_leaves=5,
)


@settings(max_examples=400)
@given(STATEMENTS)
def test_any_call_of_any_function_gives_bytes_or_an_error(source: str) -> None:
    attempt("{{ $x := 1 }}" + source)


@given(STATEMENTS)
def test_rendering_twice_gives_the_same(source: str) -> None:
    if "shuffle" in source:
        return  # chance decides, and our World repeats itself only within one rendering
    try:
        program = compile_template("t", "{{ $x := 1 }}" + source, "{{", "}}")
    except TemplateError:
        return
    results = []
    for _ in range(2):
        try:
            results.append(program.run(StringMap({b"user": b"a", b"json": b"[]"}), Budget(LIMITS, WORLD), strict=True))
        except Exception as error:  # compared, not hidden
            results.append(str(error).encode())
    assert results[0] == results[1]


VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats()
    | st.binary(max_size=8) | st.complex_numbers() | st.integers(0, 255).map(Uint8) | st.integers(-5, 5).map(Int64),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.binary(max_size=2), inner, max_size=3)
    | st.just(NilList()) | st.lists(st.binary(max_size=3), max_size=3).map(StringList)
    | st.lists(st.integers(), max_size=3).map(IntList),
    max_leaves=5,
)  # fmt: skip
FORMATS = st.lists(st.sampled_from(list("%%%%#0+- 123456789.*[]vTtbcdoOqxXUeEfFgGsw!é\xff")), max_size=12).map("".join)


@settings(max_examples=300)
@given(FORMATS, st.lists(VALUES, max_size=3))
def test_printf_formats_anything_as_text(form: str, values: list[Value]) -> None:
    assert isinstance(sprintf(Budget(Limits(), WORLD), form.encode(), tuple(values)), bytes)
