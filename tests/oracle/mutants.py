"""Wrong engines: each bends one thing of ours, the way a plausible bug would, and must not survive a bounded run of
random templates.

Neighbours: test_mutants.py catches them.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from eso.gocompat import text as gotext
from eso.template import builtins as language
from eso.template import cache, evaluate, gofmt, lexer
from eso.template.cache import ALL
from eso.template.functions import jsons, layouts, mathematics, yamls
from eso.template.values import Int64, is_integer

Bend = Callable[[pytest.MonkeyPatch], None]
MUTANTS: dict[str, tuple[Bend, str]] = {}
"""Sentence → how to bend the engine, and a word of the templates that are asked first."""


def mutant(sentence: str, about: str = "") -> Callable[[Bend], Bend]:
    def add(bend: Bend) -> Bend:
        MUTANTS[sentence] = bend, about
        return bend

    return add


def wrap(patch: pytest.MonkeyPatch, name: str, change: Callable[..., Any]) -> None:
    """Function `name` gives `change(result, *arguments)`; names that share code are bent one by one."""
    function = ALL[name]
    call, budget = function.call, function.budget

    def bent(*arguments: Any) -> Any:
        return change(call(*arguments), *(arguments[1:] if budget else arguments))

    patch.setitem(ALL, name, replace(function, call=bent))  # type: ignore[arg-type]


def before(patch: pytest.MonkeyPatch, name: str, change: Callable[..., tuple[Any, ...]]) -> None:
    """Function `name` is called with `change(*arguments)`."""
    function = ALL[name]
    call, budget = function.call, function.budget

    def bent(*arguments: Any) -> Any:
        return call(arguments[0], *change(*arguments[1:])) if budget else call(*change(*arguments))

    patch.setitem(ALL, name, replace(function, call=bent))  # type: ignore[arg-type]


# --- the language


@mutant("a missing key is nil instead of an error")
def _(patch: pytest.MonkeyPatch) -> None:
    run = evaluate.run
    patch.setattr(
        cache, "run", lambda bodies, name, dot, budget, *, strict: run(bodies, name, dot, budget, strict=False)
    )


@mutant("0.0 is true in and, or", "or ")
def _(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(evaluate, "bool", lambda value: True if type(value) is float else builtins.bool(value), raising=False)


@mutant("range walks over maps from the last key to the first", "range")
def _(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(evaluate, "sorted", lambda keys: builtins.sorted(keys, reverse=True), raising=False)


@mutant("continue ends the loop", "continue")
def _(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(evaluate, "CONTINUE", evaluate.BREAK)


@mutant("a variable is the outermost of its name, so that an inner declaration is not seen")
def _(patch: pytest.MonkeyPatch) -> None:
    def slot(self: Any, name: str) -> int | None:
        return (
            self.scope[0][1]
            if name == "$"
            else next((slot for known, slot in self.scope[: max(len(self.scope) - 1, 1)] if known == name), None)
        )

    patch.setattr(evaluate._Compiler, "slot", slot)


@mutant("a trim marker takes blanks only, not line ends")
def _(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lexer, "_SPACES", " \t")


@mutant("an int may be compared with a float", "eq ")
def _(patch: pytest.MonkeyPatch) -> None:
    kind = language.basic_kind
    patch.setattr(language, "basic_kind", lambda value: "float" if kind(value) == "int" else kind(value))


@mutant("index accepts the length itself", "index")
def _(patch: pytest.MonkeyPatch) -> None:
    element = language.element

    def bent(item: Any, key: Any) -> Any:
        return element(item, key - 1) if isinstance(item, list) and item and key == len(item) else element(item, key)

    patch.setattr(language, "element", bent)


@mutant("a function is given its piped value first", "trimSuffix")
def _(patch: pytest.MonkeyPatch) -> None:
    before(patch, "trimSuffix", lambda piece, text: (text, piece))


# --- printing


@mutant("floats switch to the exponent at 1e21, as in other languages")
def _(patch: pytest.MonkeyPatch) -> None:
    plain = gotext.format_float

    def bent(value: float, verb: str = "g", precision: int = -1, bits: int = 64) -> str:
        return plain(
            value, "f" if verb == "g" and precision < 0 and 1e6 <= abs(value) < 1e21 else verb, precision, bits
        )

    patch.setattr(gotext, "format_float", bent)


@mutant("maps print in the order of insertion")
def _(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gofmt, "sorted", list, raising=False)


@mutant("html escapes a quote by name", "html")
def _(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(language._HTML, b"'", b"&apos;")


@mutant("js leaves the equals sign", "js ")
def _(patch: pytest.MonkeyPatch) -> None:
    wrap(patch, "js", lambda out, *values: out.replace(b"\\u003D", b"="))


@mutant("print puts a blank between all neighbours", "print ")
def _(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gofmt, "sprint", lambda budget, values: gofmt.sprintln(budget, values)[:-1])


@mutant("a width of printf counts bytes", "printf")
def _(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gofmt, "characters", len)


@mutant("quoted text spells control characters with \\u", "quote")
def _(patch: pytest.MonkeyPatch) -> None:
    escaped = gotext._escaped
    patch.setattr(
        gotext,
        "_escaped",
        lambda char, delimiter, ascii_only: escaped(char, delimiter, ascii_only).replace("\\x", "\\u00"),
    )


@mutant("nil prints as <no value> inside a list")
def _(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gofmt, "NIL", b"<no value>")


# --- functions


@mutant("integers stop at the largest instead of wrapping", "mul")
def _(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(mathematics, "wrap64", lambda number: min(max(number, -(1 << 63)), (1 << 63) - 1))


@mutant("round rounds halves to even", "round")
def _(patch: pytest.MonkeyPatch) -> None:
    wrap(
        patch,
        "round",
        lambda out, value, places, *on: (
            float(round(mathematics.to_float(value) * 10**places)) / 10**places if not on else out
        ),
    )


@mutant("the sign of a remainder follows the divisor", "mod")
def _(patch: pytest.MonkeyPatch) -> None:
    wrap(patch, "mod", lambda out, a, b: Int64(mathematics.to_int(a) % mathematics.to_int(b)))


@mutant("a division rounds down instead of towards zero", "div")
def _(patch: pytest.MonkeyPatch) -> None:
    wrap(patch, "div", lambda out, a, b: Int64(mathematics.wrap64(mathematics.to_int(a) // mathematics.to_int(b))))


@mutant("slice leaves out its last element", "slice")
def _(patch: pytest.MonkeyPatch) -> None:
    wrap(patch, "slice", lambda out, values, *bounds: type(out)(out[:-1]) if out and len(bounds) == 2 else out)


@mutant("trunc cuts characters", "trunc")
def _(patch: pytest.MonkeyPatch) -> None:
    wrap(
        patch,
        "trunc",
        lambda out, size, text: (
            text.decode("utf-8", "surrogateescape")[:size].encode("utf-8", "surrogateescape") if size >= 0 else out
        ),
    )


@mutant("trim takes ASCII blanks only", "trim")
def _(patch: pytest.MonkeyPatch) -> None:
    wrap(patch, "trim", lambda out, text: text.strip())


@mutant("title grows the first letter only", "title")
def _(patch: pytest.MonkeyPatch) -> None:
    wrap(patch, "title", lambda out, text: out[:1] + text[1:])


@mutant("toJson leaves angle brackets alone", "toJson")
def _(patch: pytest.MonkeyPatch) -> None:
    encode = jsons.encode
    patch.setattr(
        jsons,
        "encode",
        lambda budget, value, *, html=True, indent=b"": encode(budget, value, html=False, indent=indent),
    )


@mutant("JSON integers stay integers", "fromJson")
def _(patch: pytest.MonkeyPatch) -> None:
    wrap(
        patch,
        "fromJson",
        lambda out, text: int(out) if isinstance(out, float) and out.is_integer() and abs(out) < 1e18 else out,
    )


@mutant("YAML keys are sorted by bytes", "toYaml")
def _(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(yamls, "_by_natural_order", lambda key: key)


@mutant("yes is text in YAML", "Yaml")
def _(patch: pytest.MonkeyPatch) -> None:
    resolve = yamls.resolve
    patch.setattr(
        yamls, "resolve", lambda text: ("str", text) if text in ("yes", "no", "on", "off", "y", "n") else resolve(text)
    )


@mutant("b64dec ignores what is no base 64", "b64dec")
def _(patch: pytest.MonkeyPatch) -> None:
    wrap(patch, "b64dec", lambda out, text: b"" if out.startswith(b"illegal base64") else out)


@mutant("an unbraced group ends before the first letter", "regexReplaceAll")
def _(patch: pytest.MonkeyPatch) -> None:
    before(patch, "regexReplaceAll", lambda pattern, text, template: (pattern, text, template.replace(b"$1", b"${1}")))


@mutant("hours of the clock of twelve start at zero", "toDate")
def _(patch: pytest.MonkeyPatch) -> None:
    shown = layouts._shown
    patch.setattr(
        layouts,
        "_shown",
        lambda element, text, when: (
            "00" if text == "03" and shown(element, text, when) == "12" else shown(element, text, when)
        ),
    )
    patch.setattr(
        layouts,
        "days_to",
        lambda year, month, day, true=layouts.days_to: true(year, month, day) + (year == 2024 and month > 2),
    )


@mutant("numbers of different types are equal", "deepEqual")
def _(patch: pytest.MonkeyPatch) -> None:
    wrap(
        patch,
        "deepEqual",
        lambda out, a, b: (
            out or (is_integer(a) and isinstance(b, float) and a == b) or (isinstance(a, int | float) and a == b)
        ),
    )


@mutant("merge overwrites", "merge")
def _(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(ALL, "merge", ALL["mergeOverwrite"])  # type: ignore[arg-type]


@mutant("uniq turns the list around", "uniq")
def _(patch: pytest.MonkeyPatch) -> None:
    wrap(patch, "uniq", lambda out, values: out[::-1])


@mutant("default takes 0 for a value", "default")
def _(patch: pytest.MonkeyPatch) -> None:
    wrap(
        patch,
        "default",
        lambda out, default, *values: (
            values[0] if values and isinstance(values[0], int) and not isinstance(values[0], bool) else out
        ),
    )
