"""Templates that are written to hurt: each ends in one typed error that names the limit, or in a harmless result."""

from __future__ import annotations

import itertools
import tracemalloc
from dataclasses import replace

import pytest

from eso.api.externalsecret import Template
from eso.template import LIMITS, Limits, TemplateError, World, bounds, render
from eso.template.apply import CHEAP, Terms, costly
from eso.template.cache import Cache, weight

DATA = {"user": b"alice", "big": b"x" * 100_000}
SMALL = Limits(steps=20_000, output_bytes=10_000, value_bytes=2_000_000, template_depth=100, seconds=10.0)

NESTED_YAML = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\\n" for i in range(1, 9)
)
DOUBLING = "{{ $x := list 1 }}" + "{{ $x = list $x $x }}" * 40


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(
            '{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}', id="a template that calls itself"
        ),
        pytest.param(
            '{{ define "x" }}{{ template "x" . }}{{ template "x" . }}{{ end }}{{ template "x" . }}',
            id="a template that calls itself twice",
        ),
        pytest.param(
            '{{ define "a" }}{{ range until 10 }}{{ template "b" }}{{ end }}{{ end }}'
            + "".join(
                f'{{{{ define "{x}" }}}}{{{{ range until 10 }}}}{{{{ template "{y}" }}}}{{{{ end }}}}{{{{ end }}}}'
                for x, y in itertools.pairwise("bcdefgh")
            )
            + '{{ define "h" }}x{{ end }}{{ template "a" }}',
            id="templates that multiply",
        ),
        pytest.param('{{ repeat 1000000000 "x" }}', id="a giant repeat"),
        pytest.param('{{ repeat 1000000000 "" }}{{ range 100000000 }}{{ end }}', id="a giant range"),
        pytest.param('{{ printf "%999999999d" 1 }}{{ printf "%9999999d" 1 }}', id="a giant width"),
        pytest.param('{{ printf "%.9999999f" 1.0 }}', id="a giant precision"),
        pytest.param('{{ printf "%*d" 1000000 1 }}', id="a width from an argument"),
        pytest.param("{{ until 1000000000 }}", id="a giant until"),
        pytest.param("{{ untilStep 0 1000000000 1 }}", id="a giant untilStep"),
        pytest.param("{{ seq 1000000000 }}", id="a giant seq"),
        pytest.param('{{ indent 1000000000 "x" }}', id="a giant indent"),
        pytest.param("{{ randAlphaNum 1000000000 }}", id="a giant random string"),
        pytest.param("{{ range until 100000 }}{{ $.big }}{{ end }}", id="output without end"),
        pytest.param(
            '{{ $x := "ab" }}{{ range 64 }}{{ $x = cat $x $x }}{{ end }}{{ len $x }}', id="a string that doubles"
        ),
        pytest.param(
            '{{ $x := "ab" }}{{ range 64 }}{{ $x = print $x $x }}{{ end }}{{ len $x }}',
            id="a printed string that doubles",
        ),
        pytest.param(
            '{{ $x := "ab" }}{{ range 64 }}{{ $x = replace "a" (print "a" $x) $x }}{{ end }}{{ len $x }}',
            id="a replacement that squares",
        ),
        pytest.param('{{ replace "" .big .big }}', id="an insertion before every character"),
        pytest.param(DOUBLING + "{{ $x }}", id="a list that holds itself twice, printed"),
        pytest.param(DOUBLING + "{{ toJson $x }}", id="a list that holds itself twice, as JSON"),
        pytest.param(DOUBLING + "{{ toYaml $x }}", id="a list that holds itself twice, as YAML"),
        pytest.param(DOUBLING + "{{ deepCopy $x }}", id="a list that holds itself twice, copied"),
        pytest.param(
            DOUBLING + "{{ deepEqual $x (list $x) }}" + "{{ len (uniq (list $x (deepCopy $x))) }}",
            id="a list that holds itself twice, compared",
        ),
        pytest.param("{{ $d := dict }}{{ $_ := set $d `d` $d }}{{ $d }}", id="a dict that holds itself, printed"),
        pytest.param(
            "{{ $d := dict }}{{ $_ := set $d `d` $d }}{{ deepCopy $d }}", id="a dict that holds itself, copied"
        ),
        pytest.param(
            "{{ $d := dict }}{{ $_ := set $d `d` $d }}{{ mustToJson $d }}", id="a dict that holds itself, as JSON"
        ),
        pytest.param(f'{{{{ fromYaml "{NESTED_YAML}" }}}}', id="YAML aliases that multiply"),
        pytest.param(
            '{{ range until 1000 }}{{ $x := regexFindAll "(.*)" $.big -1 }}{{ end }}',
            id="one expensive call after the other",
        ),
        pytest.param('{{ range until 1000 }}{{ bcrypt "x" }}{{ end }}', id="many slow hashes"),
        pytest.param('{{ range until 1000 }}{{ genPrivateKey "rsa" }}{{ end }}', id="many keys"),
        pytest.param(
            '{{ range until 1000 }}{{ derivePassword 1 "long" "p" "u" "s" }}{{ end }}', id="many derived passwords"
        ),
    ],
)
def test_a_poison_template_ends_with_the_limit_it_hit(source: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(TemplateError) as failure:
            render(source, DATA, limits=SMALL)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert failure.value.phase == "bounds", str(failure.value)[-300:]
    assert "limit of" in str(failure.value) or "exceeded maximum template depth" in str(failure.value)
    assert peak < 200_000_000


@pytest.mark.parametrize(
    ("source", "text"),
    [
        pytest.param("{{ range 1000000 }}{{ end }}", "template exceeds the limit of 20000 steps", id="steps"),
        pytest.param("{{ .big }}", "template exceeds the limit of 10000 bytes of output", id="output"),
        pytest.param(
            '{{ $x := repeat 3000000 "x" }}', "template exceeds the limit of 2000000 bytes of values", id="values"
        ),
        pytest.param(
            '{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}',
            "exceeded maximum template depth (100)",
            id="depth of templates",
        ),
        pytest.param(
            "{{ $d := dict }}{{ $_ := set $d `d` $d }}{{ $d }}",
            "template exceeds the limit of 1000 levels of nesting",
            id="depth of values",
        ),
    ],
)
def test_the_message_says_where_and_which_limit(source: str, text: str) -> None:
    with pytest.raises(TemplateError) as failure:
        render(source, DATA, limits=SMALL)
    assert str(failure.value).startswith("template: t:1:")
    assert str(failure.value).endswith(text)


@pytest.mark.parametrize(
    "source",
    [
        '{{ .big | default "x" }}',
        "{{ .big | trim }}",
        "{{ .big | toString }}",
        "{{ print .big }}",
        '{{ printf "%s" .big }}',
        '{{ ternary .big "x" true }}',
        '{{ coalesce "" .big }}',
        '{{ index . "big" }}',
        "{{ $l := list .big }}{{ first $l }}{{ index $l 0 }}{{ last $l }}",
        '{{ $d := dict "a" .big }}{{ get $d "a" }}{{ dig "a" "" $d }}{{ $d.a }}',
        "{{ $l := until 1000 }}{{ range 10 }}{{ $x := default list $l }}{{ end }}",
        '{{ $d := dict }}{{ range 100 }}{{ $_ := set $d (print .) "x" }}{{ end }}{{ $d := merge $d dict }}{{ .big }}',
    ],
)
def test_a_value_that_is_handed_on_is_made_once(source: str) -> None:
    limits = Limits(value_bytes=150_000)
    assert render(source * 1, DATA, limits=limits) is not None
    assert render("{{ range 10 }}{{ with $ }}" + source + "{{ end }}{{ end }}", DATA, limits=limits) is not None


@pytest.mark.parametrize(
    "source",
    ["{{ .big | upper }}", '{{ print .big "x" }}', '{{ .big | replace "x" "yy" }}', "{{ until 20000 | len }}"],
)
def test_a_value_that_is_made_counts_each_time(source: str) -> None:
    limits = Limits(value_bytes=1_000_000)
    render(source, DATA, limits=limits)
    with pytest.raises(TemplateError, match="bytes of values"):
        render("{{ range 20 }}{{ with $ }}" + source + "{{ end }}{{ end }}", DATA, limits=limits)


def test_a_secret_of_one_mebibyte_leaves_room_for_templates() -> None:
    """Forty passes over a megabyte, and ten megabytes of output."""
    data = {"big": b"x" * (1 << 20)}
    source = "{{ range 20 }}{{ $x := $.big | upper | lower }}{{ end }}" + "{{ .big }}" * 10
    assert len(render(source, data)) == 10 << 20
    with pytest.raises(TemplateError, match="limit of 10485760 bytes of output"):
        render(source + "x", data)


def test_time_is_looked_at_while_it_runs() -> None:
    clock = itertools.count(0.0, 4.0)
    world = World(lambda: 0, lambda: next(clock), bytes)
    with pytest.raises(TemplateError, match="limit of 10 seconds"):
        render("{{ range 100000 }}{{ end }}", {}, world=world)


@pytest.mark.parametrize("depth", [10, 900])
def test_nesting_that_people_may_write_works(depth: int) -> None:
    assert render("{{ " + "(" * depth + "1" + ")" * depth + " }}", {}) == b"1"
    assert render("{{ if true }}" * depth + "x" + "{{ end }}" * depth, {}) == b"x"
    assert render("{{ if false }}" + "{{ else if false }}" * (depth // 2) + "{{ else }}x{{ end }}", {}) == b"x"
    recursive = (
        '{{ define "d" }}{{ if . }}{{ template "d" (rest .) }}{{ else }}x{{ end }}{{ end }}{{ template "d" until %d }}'
    )
    assert render(recursive % depth, {}, limits=LIMITS) == b"x"


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("{{ " + "(" * 50_000 + "1" + ")" * 50_000 + " }}", id="parentheses"),
        pytest.param("{{ if true }}" * 50_000, id="ifs"),
        pytest.param("{{ if false }}" + "{{ else if false }}" * 50_000 + "{{ end }}", id="else ifs"),
        pytest.param("{{ range list }}" * 5_000 + "{{ end }}" * 5_000, id="ranges"),
    ],
)
def test_deeper_nesting_is_a_parse_error(source: str) -> None:
    with pytest.raises(TemplateError, match="max expression depth exceeded"):
        render(source, {})


def test_deep_data_is_an_error_or_a_value_but_never_a_crash() -> None:
    for source in (
        '{{ fromJson (printf "%s1%s" (repeat 100000 "[") (repeat 100000 "]")) | kindOf }}',
        '{{ fromYaml (repeat 100000 "[") | kindOf }}',
        "{{ $x := list }}{{ range 5000 }}{{ $x = list $x }}{{ end }}{{ toJson $x | len }}",
        "{{ $x := list }}{{ range 5000 }}{{ $x = list $x }}{{ end }}{{ deepEqual $x $x }}",
        "{{ $x := list }}{{ range 5000 }}{{ $x = list $x }}{{ end }}{{ toYaml $x | len }}",
        "{{ $x := list }}{{ range 5000 }}{{ $x = list $x }}{{ end }}{{ $x | toString | len }}",
        "{{ $x := dict }}{{ range 5000 }}{{ $x = dict `a` $x }}{{ end }}{{ merge $x (deepCopy $x) | len }}",
    ):
        try:
            render(source, {})
        except TemplateError as error:
            assert error.phase in ("bounds", "execute")


@pytest.mark.parametrize(
    "source",
    [
        "{{ .__class__ }}",
        "{{ .user.__class__ }}",
        '{{ (index . "user").decode }}',
        "{{ now.__class__ }}",
        "{{ now._location }}",
        "{{ (list 1).append }}",
        "{{ (dict).keys }}",
        "{{ (semver `1.2.3`).__init__ }}",
        "{{ (genCA `a` 1)._key }}",
        "{{ now.members }}",
        "{{ now.Weekday.real }}",
        "{{ $.get }}",
        "{{ import `os` }}",
        "{{ env `HOME` }}",
        "{{ getHostByName `localhost` }}",
    ],
)
def test_nothing_of_the_host_language_is_reachable(source: str) -> None:
    with pytest.raises(TemplateError):
        render(source, DATA)


def test_an_unexpected_failure_of_a_function_keeps_its_details_to_itself() -> None:
    with pytest.raises(TemplateError) as failure:
        render("{{ substr 9 2 .user }}", DATA)
    assert "alice" not in str(failure.value)


def test_the_cache_stays_small() -> None:
    cache = Cache(count=3)
    for n in range(10):
        cache.get("t", f"{n}{{{{ .a }}}}", "{{", "}}")
    assert len(cache.programs) == 3
    cache.get("t", "x" * 999, "{{", "}}")
    assert len(cache.programs) == 3
    assert cache.used == sum(map(weight, cache.programs))
    again = cache.get("t", "9{{ .a }}", "{{", "}}")
    assert again is cache.get("t", "9{{ .a }}", "{{", "}}")
    assert again is not cache.get("other", "9{{ .a }}", "{{", "}}")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        pytest.param("plain", 0, id="text alone is no code"),
        pytest.param("a {{ .b }} c {{.d}}", 14, id="actions with their delimiters"),
        pytest.param("{{ never closed", 15, id="an action that never ends"),
        pytest.param("{{{{}}", 6, id="an action in an action"),
    ],
)
def test_what_compiling_depends_on(text: str, size: int) -> None:
    assert bounds.code(text) == size
    assert bounds.code(text.replace("{{", "<<").replace("}}", ">>"), "<<", ">>") == size


LONG = ["{{ .a }}" * 300, "{{" + "(" * 3000, "{{$a:=1}}" * 300, "x" * 60_000 + "{{print" + " .a" * 900 + "}}"]


@pytest.mark.parametrize("text", LONG, ids=["fields", "parentheses", "variables", "arguments"])
def test_a_text_that_takes_long_to_compile_is_compiled_elsewhere(text: str) -> None:
    with pytest.raises(TemplateError, match="the limit of 1024 bytes of actions") as failed:
        render(text, {"a": b"1"}, limits=replace(CHEAP, seconds=60))
    assert failed.value.phase == "bounds"
    assert costly(Template(data={"k": text}), {})
    other = text.replace("{{", "<<").replace("}}", ">>")
    assert costly(Template(data={"k": other}), {}, Terms("<<", ">>"))
    assert not costly(Template(data={"k": "x" * 60_000}), {})


def test_a_text_that_was_compiled_before_costs_nothing_again() -> None:
    text = "{{ .a }}" * 400
    assert render(text, {"a": b"1"}, name="again") == b"1" * 400
    assert render(text, {"a": b"1"}, name="again", limits=replace(CHEAP, steps=10_000, pass_steps=10_000, seconds=60))
