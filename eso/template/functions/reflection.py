"""Types and kinds of values, and deep equality.

Neighbours: values.py names the types, equality.py compares.
"""

from __future__ import annotations

from eso.template import values
from eso.template.bounds import Budget
from eso.template.functions.equality import deep_equal
from eso.template.values import Param, Table, Value

TABLE = Table()
ANY, STRING = Param.ANY, Param.STRING


@TABLE.function("typeOf", params=(ANY,))
def type_of(value: Value) -> bytes:
    return values.type_name(value).encode()


@TABLE.function("kindOf", params=(ANY,))
def kind_of(value: Value) -> bytes:
    return values.kind(value).encode()


@TABLE.function("typeIs", params=(STRING, ANY))
def type_is(name: bytes, value: Value) -> bool:
    return type_of(value) == name


@TABLE.function("typeIsLike", params=(STRING, ANY))
def type_is_like(name: bytes, value: Value) -> bool:
    return type_of(value) in (name, b"*" + name)


@TABLE.function("kindIs", params=(STRING, ANY))
def kind_is(name: bytes, value: Value) -> bool:
    return kind_of(value) == name


@TABLE.function("deepEqual", params=(ANY, ANY), budget=True)
def is_deep_equal(budget: Budget, left: Value, right: Value) -> bool:
    return deep_equal(budget, left, right)
