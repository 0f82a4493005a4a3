"""Defaults, emptiness and refusal.

Neighbours: values.py defines truth; `and`, `or`, `not` and the comparisons belong to the language and live with the
evaluator.
"""

from __future__ import annotations

from eso.template.values import FunctionError, Param, Table, Value

TABLE = Table()
ANY, BOOL, STRING = Param.ANY, Param.BOOL, Param.STRING


@TABLE.function("default", params=(ANY, ANY), variadic=True)
def default(fallback: Value, *values: Value) -> Value:
    return values[0] if values and values[0] else fallback


@TABLE.function("empty", params=(ANY,))
def empty(value: Value) -> bool:
    return not value


@TABLE.function("coalesce", params=(ANY,), variadic=True)
def coalesce(*values: Value) -> Value:
    return next((value for value in values if value), None)


@TABLE.function("all", params=(ANY,), variadic=True)
def all_filled(*values: Value) -> bool:
    return all(values)


@TABLE.function("any", params=(ANY,), variadic=True)
def any_filled(*values: Value) -> bool:
    return any(values)


@TABLE.function("ternary", params=(ANY, ANY, BOOL))
def ternary(yes: Value, no: Value, condition: bool) -> Value:
    return yes if condition else no


@TABLE.function("fail", params=(STRING,))
def fail(message: bytes) -> Value:
    raise FunctionError(message)
