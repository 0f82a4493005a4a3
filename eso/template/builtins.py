"""The functions of the language itself: comparison, index, len, print and the escapers.

Neighbours: evaluate.py gives `and`, `or` and `call` their special treatment, functions/ has the library. `slice` is the
library's.
"""

from __future__ import annotations

import re
from urllib.parse import quote_from_bytes

from eso.gocompat.text import is_print
from eso.template import gofmt
from eso.template.bounds import Budget
from eso.template.gofmt import ALIKE, NAMED
from eso.template.values import (
    FunctionError,
    GoInt,
    Opaque,
    Param,
    StringMap,
    StringMapMap,
    Table,
    Uint8,
    Value,
    is_nil,
    kind,
    type_name,
)

BUILTINS = Table()
ANY = (Param.ANY,)
TWO = (Param.ANY, Param.ANY)


@BUILTINS.function("and", "or", params=TWO, variadic=True)
def first_deciding(*values: Value) -> Value:
    """Never called: the evaluator stops at the deciding argument. Here for their names and argument counts."""
    raise FunctionError("and, or are evaluated lazily")


@BUILTINS.function("call", params=TWO, variadic=True)
def call(function: Value, *values: Value) -> Value:
    """There are no function values; the evaluator words the other case, because it knows what was written."""
    raise FunctionError("call of nil")


@BUILTINS.function("not", params=ANY)
def negate(value: Value) -> bool:
    return not value


# --- comparison


def basic_kind(value: Value) -> str:
    """bool, int, uint, float, complex, string, or "" for what only `eq` may see."""
    if isinstance(value, bytes):
        return "string"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "uint" if isinstance(value, GoInt) and not value.signed else "int"
    if isinstance(value, float):
        return "float"
    return "complex" if isinstance(value, complex) else ""


def incompatible(left: Value, right: Value) -> FunctionError:
    return FunctionError(f"incompatible types for comparison: {type_name(left)} and {type_name(right)}")


def equal(left: Value, right: Value) -> bool:
    """Raises FunctionError where Go finds the pair not comparable."""
    left_kind, right_kind = basic_kind(left), basic_kind(right)
    if left_kind != right_kind:
        if {left_kind, right_kind} == {"int", "uint"}:
            return int(left) == int(right)
        if left is not None and right is not None:
            raise incompatible(left, right)
        return False
    if left_kind:
        return bool(left == right)
    if left is not None and right is not None and kind(left) != kind(right):
        raise FunctionError(f"non-comparable types {type_name(left)}, {type_name(right)}")
    if is_nil(left) or is_nil(right):
        return is_nil(left) == is_nil(right)
    if isinstance(left, Opaque) and isinstance(right, Opaque):
        return type_name(left) == type_name(right) and left.same(right)
    raise FunctionError(f"non-comparable type {type_name(right)}")


def less(left: Value, right: Value) -> bool:
    left_kind, right_kind = basic_kind(left), basic_kind(right)
    if not left_kind or not right_kind:
        raise FunctionError("invalid type for comparison")
    if left_kind != right_kind:
        if {left_kind, right_kind} == {"int", "uint"}:
            return int(left) < int(right)
        raise incompatible(left, right)
    if left_kind in ("bool", "complex"):
        raise FunctionError("invalid type for comparison")
    return bool(left < right)


def pay(budget: Budget, value: Value, *others: Value) -> None:
    """What comparing `value` with each of the others takes: long texts are read as far as they are alike, and times
    have a text of their own."""
    if isinstance(value, bytes):
        budget.spend(len(value) // ALIKE * len(others))
    elif isinstance(value, Opaque):
        budget.spend(NAMED * len(others))


@BUILTINS.function("eq", params=TWO, variadic=True, budget=True)
def eq(budget: Budget, value: Value, *others: Value) -> bool:
    if not others:
        raise FunctionError("missing argument for comparison")
    pay(budget, value, *others)
    return any(equal(value, other) for other in others)


@BUILTINS.function("ne", params=TWO, budget=True)
def ne(budget: Budget, left: Value, right: Value) -> bool:
    pay(budget, left, right)
    return not equal(left, right)


@BUILTINS.function("lt", params=TWO, budget=True)
def lt(budget: Budget, left: Value, right: Value) -> bool:
    pay(budget, left, right)
    return less(left, right)


@BUILTINS.function("le", params=TWO, budget=True)
def le(budget: Budget, left: Value, right: Value) -> bool:
    pay(budget, left, right)
    return less(left, right) or equal(left, right)


@BUILTINS.function("gt", params=TWO, budget=True)
def gt(budget: Budget, left: Value, right: Value) -> bool:
    pay(budget, left, right)
    return not (less(left, right) or equal(left, right))


@BUILTINS.function("ge", params=TWO, budget=True)
def ge(budget: Budget, left: Value, right: Value) -> bool:
    pay(budget, left, right)
    return not less(left, right)


# --- access


@BUILTINS.function("index", params=TWO, variadic=True, picks=True)
def index(item: Value, *keys: Value) -> Value:
    if item is None:
        raise FunctionError("index of untyped nil")
    for key in keys:
        item = element(item, key)
    return item


def element(item: Value, key: Value) -> Value:
    if item is None:
        raise FunctionError("index of nil pointer")
    if isinstance(item, dict):
        if key is None:
            raise FunctionError("value is nil; should be of type string")
        if not isinstance(key, bytes):
            raise FunctionError(f"value has type {type_name(key)}; should be string")
        if key in item:
            return item[key]
        return b"" if isinstance(item, StringMap) else StringMap() if isinstance(item, StringMapMap) else None
    if not isinstance(item, list | bytes):
        raise FunctionError(f"can't index item of type {type_name(item)}")
    if key is None:
        raise FunctionError("cannot index slice/array with nil")
    if not isinstance(key, int) or isinstance(key, bool):
        raise FunctionError(f"cannot index slice/array with type {type_name(key)}")
    if not 0 <= key <= len(item):
        raise FunctionError(f"index out of range: {int(key)}", told="index out of range")
    if key == len(item):
        raise FunctionError(f"reflect: {'string' if isinstance(item, bytes) else 'slice'} index out of range")
    return Uint8(item[key]) if isinstance(item, bytes) else item[key]


@BUILTINS.function("len", params=ANY)
def length(value: Value) -> int:
    if value is None:
        raise FunctionError("len of nil pointer")
    if not isinstance(value, bytes | list | dict):
        raise FunctionError(f"len of type {type_name(value)}")
    return len(value)


# --- printing


@BUILTINS.function("print", params=ANY, variadic=True, budget=True)
def print_(budget: Budget, *values: Value) -> bytes:
    return gofmt.sprint(budget, values)


@BUILTINS.function("println", params=ANY, variadic=True, budget=True)
def println(budget: Budget, *values: Value) -> bytes:
    return gofmt.sprintln(budget, values)


@BUILTINS.function("printf", params=(Param.STRING, Param.ANY), variadic=True, budget=True)
def printf(budget: Budget, form: bytes, *values: Value) -> bytes:
    return gofmt.sprintf(budget, form, values)


def shown(budget: Budget, values: tuple[Value, ...], pace: int) -> bytes:
    """The text that the escapers work on, paid for by a step per `pace` bytes."""
    text = gofmt.sprint(budget, tuple(b"<no value>" if value is None else value for value in values))
    budget.spend(len(text) // pace)
    budget.afford(6 * len(text))
    return text


_HTML = {b'"': b"&#34;", b"'": b"&#39;", b"&": b"&amp;", b"<": b"&lt;", b">": b"&gt;", b"\0": "\ufffd".encode()}
_HTML_SPECIAL = re.compile(rb"[\"'&<>\0]")
_JS = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}
_JS_SPECIAL = re.compile(r"[\\'\"<>&=\x00-\x1f]|[^\x00-\x7f]")


@BUILTINS.function("html", params=ANY, variadic=True, budget=True)
def html(budget: Budget, *values: Value) -> bytes:
    return _HTML_SPECIAL.sub(lambda match: _HTML[match[0]], shown(budget, values, 6))


def _js_character(match: re.Match[str]) -> str:
    char = match[0]
    if char in _JS:
        return _JS[char]
    if "\udc80" <= char <= "\udcff" or (char > "\x7f" and is_print(char)):
        return char
    return f"\\u{ord(char):04X}"


@BUILTINS.function("js", params=ANY, variadic=True, budget=True)
def js(budget: Budget, *values: Value) -> bytes:
    text = shown(budget, values, 1).decode("utf-8", "surrogateescape")
    return _JS_SPECIAL.sub(_js_character, text).encode("utf-8", "surrogateescape")


@BUILTINS.function("urlquery", params=ANY, variadic=True, budget=True)
def urlquery(budget: Budget, *values: Value) -> bytes:
    return quote_from_bytes(shown(budget, values, 16), safe=" ").replace(" ", "+").encode()
