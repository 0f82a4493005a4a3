"""Deep equality with types, and independent copies: the two walks over a whole value.

Neighbours: lists.py, dicts.py and reflection.py call them. Both keep their own stack, so that depth ends in a limit and
not in the host's recursion.
"""

from __future__ import annotations

from eso.template.bounds import Budget
from eso.template.functions.common import ELEMENT
from eso.template.gofmt import ALIKE, NAMED
from eso.template.values import Opaque, Value, is_nil


def deep_equal(budget: Budget, left: Value, right: Value) -> bool:
    """Go's reflect.DeepEqual: 1, 1.0 and int64 1 differ, a nil list is not an empty one."""
    pending = [(left, right, 0)]
    while pending:
        a, b, depth = pending.pop()
        budget.spend()
        if type(a) is not type(b) or is_nil(a) is not is_nil(b):
            return False
        if isinstance(a, dict):
            budget.deeper(depth)
            budget.spend(len(a) // 16)
            if a.keys() != b.keys():
                return False
            pending.extend((value, b[key], depth + 1) for key, value in a.items())
        elif isinstance(a, list):
            budget.deeper(depth)
            if len(a) != len(b):
                return False
            budget.spend(len(a) // 16)
            pending.extend((x, y, depth + 1) for x, y in zip(a, b, strict=True))
        elif isinstance(a, Opaque):
            budget.spend(3 * NAMED)
            if not _same_fields(a, b):
                return False
        else:
            if type(a) is bytes and len(a) == len(b):
                budget.spend(len(a) // ALIKE)
            if a != b:
                return False
    return True


def _same_fields(a: Opaque, b: Opaque) -> bool:
    return (
        a.same(b) or (a.text() is not None and a.text() == b.text()) or (a.fields() != () and a.fields() == b.fields())
    )


def deep_copy(budget: Budget, value: Value) -> Value:
    """A copy that shares no list or dict with `value`."""
    copied = _shallow(budget, value)
    pending = [(copied, 0)]
    while pending:
        part, depth = pending.pop()
        budget.deeper(depth)
        for key, inner in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
            if isinstance(inner, list | dict):
                part[key] = _shallow(budget, inner)
                pending.append((part[key], depth + 1))
    return copied


def _shallow(budget: Budget, value: Value) -> Value:
    if isinstance(value, list | dict):
        budget.spend(1 + len(value))
        budget.check_size(ELEMENT * len(value))
        return type(value)(value)
    return value
