"""Functions on lists; none changes a list in place.

Neighbours: equality.py compares elements, common.py checks that a value is a list.
"""

from __future__ import annotations

from eso.template.bounds import Budget
from eso.template.functions import mathematics
from eso.template.functions.common import ELEMENT, book, elements, make_list
from eso.template.functions.equality import deep_equal
from eso.template.values import FunctionError, ListList, NilList, Param, Table, Value

TABLE = Table()
ANY, INT = Param.ANY, Param.INT


@TABLE.function("list", "tuple", params=(ANY,), variadic=True, budget=True)
def new_list(budget: Budget, *values: Value) -> list[Value]:
    return make_list(budget, values)


@TABLE.function("first", "mustFirst", params=(ANY,), picks=True)
def first(values: Value) -> Value:
    found = elements(values, "Cannot find first on type {}")
    return found[0] if found else None


@TABLE.function("last", "mustLast", params=(ANY,), picks=True)
def last(values: Value) -> Value:
    found = elements(values, "Cannot find last on type {}")
    return found[-1] if found else None


@TABLE.function("rest", "mustRest", params=(ANY,), budget=True)
def rest(budget: Budget, values: Value) -> list[Value]:
    found = elements(values, "Cannot find rest on type {}")
    return make_list(budget, found[1:]) if found else NilList()


@TABLE.function("initial", "mustInitial", params=(ANY,), budget=True)
def initial(budget: Budget, values: Value) -> list[Value]:
    found = elements(values, "Cannot find initial on type {}")
    return make_list(budget, found[:-1]) if found else NilList()


@TABLE.function("append", "push", "mustAppend", "mustPush", params=(ANY, ANY), budget=True)
def append(budget: Budget, values: Value, value: Value) -> list[Value]:
    return make_list(budget, [*elements(values, "Cannot push on type {}"), value])


@TABLE.function("prepend", "mustPrepend", params=(ANY, ANY), budget=True)
def prepend(budget: Budget, values: Value, value: Value) -> list[Value]:
    return make_list(budget, [value, *elements(values, "Cannot prepend on type {}")])


@TABLE.function("concat", params=(ANY,), variadic=True, budget=True)
def concat(budget: Budget, *lists: Value) -> list[Value]:
    budget.spend(sum(len(values) for values in lists if isinstance(values, list)))
    return (
        make_list(budget, [value for values in lists for value in elements(values, "Cannot concat type {} as list")])
        or NilList()
    )


@TABLE.function("reverse", "mustReverse", params=(ANY,), budget=True)
def reverse(budget: Budget, values: Value) -> list[Value]:
    return make_list(budget, elements(values, "Cannot find reverse on type {}")[::-1])


@TABLE.function("uniq", "mustUniq", params=(ANY,), budget=True)
def uniq(budget: Budget, values: Value) -> list[Value]:
    kept: list[Value] = []
    for value in elements(values, "Cannot find uniq on type {}"):
        if not _in(budget, value, kept):
            kept.append(value)
    return make_list(budget, kept)


@TABLE.function("without", "mustWithout", params=(ANY, ANY), variadic=True, budget=True)
def without(budget: Budget, values: Value, *unwanted: Value) -> list[Value]:
    return make_list(
        budget,
        [value for value in elements(values, "Cannot find without on type {}") if not _in(budget, value, unwanted)],
    )


@TABLE.function("has", "mustHas", params=(ANY, ANY), budget=True)
def has(budget: Budget, value: Value, values: Value) -> bool:
    return values is not None and _in(budget, value, elements(values, "Cannot find has on type {}"))


def _in(budget: Budget, value: Value, values: list[Value] | tuple[Value, ...]) -> bool:
    return any(deep_equal(budget, value, other) for other in values)


@TABLE.function("slice", "mustSlice", params=(ANY, ANY), variadic=True, budget=True)
def slice_list(budget: Budget, values: Value, *bounds: Value) -> Value:
    found = elements(values, "list should be type of slice or array but {}")
    if not found:
        return None
    start = mathematics.to_int(bounds[0]) if bounds else 0
    end = mathematics.to_int(bounds[1]) if len(bounds) > 1 else len(found)
    if not 0 <= start <= end <= len(found):
        raise FunctionError("reflect.Value.Slice: slice index out of bounds")
    book(budget, ELEMENT * (end - start))
    return type(found)(found[start:end])


@TABLE.function("chunk", "mustChunk", params=(INT, ANY), budget=True)
def chunk(budget: Budget, size: int, values: Value) -> ListList:
    found = elements(values, "Cannot chunk type {}")
    if size <= 0:
        # What Go's arithmetic makes of a negative size: nothing of a few elements, one list of a single one, an error
        # of the rest.
        lists = (len(found) - 1) // size + 1 if size else -1
        if lists == 0 or (lists == 1 and len(found) % -size):
            return ListList([found[:1]] * lists)
        raise FunctionError("runtime error: makeslice: len out of range")
    budget.spend(len(found) // size + len(found) // 8)
    budget.check_size(8 * ELEMENT * (len(found) // size + 1))  # what an empty list takes
    return ListList(make_list(budget, found[at : at + size]) for at in range(0, len(found), size))


@TABLE.function("compact", "mustCompact", params=(ANY,), budget=True)
def compact(budget: Budget, values: Value) -> list[Value]:
    return make_list(budget, [value for value in elements(values, "Cannot compact on type {}") if value])
