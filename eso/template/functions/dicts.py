"""Functions on dicts. `set`, `unset` and the merges change their first argument in place, as in the reference; nested
containers are shared.

Neighbours: equality.py copies. A parameter of type dict arrives as None for nil and then counts as an empty dict.
"""

from __future__ import annotations

from eso.template.bounds import Budget
from eso.template.functions import common
from eso.template.functions.common import ELEMENT
from eso.template.functions.equality import deep_copy
from eso.template.values import FunctionError, Param, StringList, Table, Value, type_name

TABLE = Table()
ANY, DICT, STRING = Param.ANY, Param.DICT, Param.STRING
Dict = dict[bytes, Value]


@TABLE.function("dict", params=(ANY,), variadic=True, budget=True)
def new_dict(budget: Budget, *pairs: Value) -> Dict:
    common.book(budget, ELEMENT * len(pairs))
    keys = [common.text(budget, key) for key in pairs[::2]]
    values = pairs[1::2] + ((b"",) if len(pairs) % 2 else ())
    return dict(zip(keys, values, strict=True))


@TABLE.function("get", params=(DICT, STRING), picks=True)
def get(source: Dict | None, key: bytes) -> Value:
    return (source or {}).get(key, b"")


@TABLE.function("set", params=(DICT, STRING, ANY), budget=True)
def set_key(budget: Budget, target: Dict | None, key: bytes, value: Value) -> Dict:
    if target is None:
        raise FunctionError("assignment to entry in nil map")
    budget.check_size(2 * ELEMENT)
    target[key] = value
    return target


@TABLE.function("unset", params=(DICT, STRING))
def unset(target: Dict | None, key: bytes) -> Dict:
    if target is None:
        return {}
    target.pop(key, None)
    return target


@TABLE.function("hasKey", params=(DICT, STRING))
def has_key(source: Dict | None, key: bytes) -> bool:
    return key in (source or {})


@TABLE.function("keys", params=(DICT,), variadic=True, budget=True)
def keys(budget: Budget, *sources: Dict | None) -> StringList:
    """Sorted within each dict, where the reference has no order."""
    budget.spend(sum(len(source or ()) for source in sources))
    return StringList(common.make_list(budget, [key for source in sources for key in sorted(source or {})]))


@TABLE.function("values", params=(DICT,), budget=True)
def values(budget: Budget, source: Dict | None) -> list[Value]:
    """In the order of their sorted keys."""
    budget.spend(len(source or ()))
    return common.make_list(budget, [value for _, value in sorted((source or {}).items(), key=lambda pair: pair[0])])


@TABLE.function("pluck", params=(STRING, DICT), variadic=True, budget=True)
def pluck(budget: Budget, key: bytes, *sources: Dict | None) -> list[Value]:
    return common.make_list(budget, [source[key] for source in sources if source and key in source])


@TABLE.function("pick", params=(DICT, STRING), variadic=True, budget=True)
def pick(budget: Budget, source: Dict | None, *wanted: bytes) -> Dict:
    common.book(budget, 2 * ELEMENT * len(wanted))
    return {key: source[key] for key in wanted if source and key in source}


@TABLE.function("omit", params=(DICT, STRING), variadic=True, budget=True)
def omit(budget: Budget, source: Dict | None, *unwanted: bytes) -> Dict:
    budget.spend(len(source or ()) // 8)
    common.book(budget, 2 * ELEMENT * len(source or ()))
    refused = frozenset(unwanted)
    return {key: value for key, value in (source or {}).items() if key not in refused}


@TABLE.function("merge", "mustMerge", params=(DICT, DICT), variadic=True, budget=True)
def merge(budget: Budget, target: Dict | None, *sources: Dict | None) -> Dict:
    """Fills what is absent or empty in `target`; nil never fills."""
    return _merged(budget, target, sources, overwrite=False)


@TABLE.function("mergeOverwrite", "mustMergeOverwrite", params=(DICT, DICT), variadic=True, budget=True)
def merge_overwrite(budget: Budget, target: Dict | None, *sources: Dict | None) -> Dict:
    """The sources win, with empty values and nil too."""
    return _merged(budget, target, sources, overwrite=True)


def _merged(budget: Budget, target: Dict | None, sources: tuple[Dict | None, ...], *, overwrite: bool) -> Dict:
    merged = {} if target is None else target
    for source in sources:
        pending = [(merged, source or {}, 0)]
        while pending:
            into, outof, depth = pending.pop()
            budget.deeper(depth)
            if into is outof:
                continue
            budget.spend(1 + len(outof))
            for key, value in list(outof.items()):
                mine = into.get(key)
                if (
                    type(into) is not dict
                    and type(into) is not type(outof)
                    and (isinstance(value, list) or overwrite or (not mine and value is not None))
                ):
                    raise FunctionError(
                        "reflect.Value.SetMapIndex: value of type interface {} is not assignable to type "
                        + type_name(into).partition("]")[2]
                    )
                # An empty dict that can be filled is filled, and so keeps nil values out; one that stays empty gives
                # way.
                if (
                    isinstance(mine, dict)
                    and isinstance(value, dict)
                    and (mine or (value if overwrite else any(inner is not None for inner in value.values())))
                ):
                    pending.append((mine, value, depth + 1))
                elif overwrite or (not mine and value is not None):
                    budget.check_size(2 * ELEMENT)
                    into[key] = value
    return merged


@TABLE.function("deepCopy", params=(ANY,), budget=True)
def deep_copied(budget: Budget, value: Value) -> Value:
    if value is None:
        raise FunctionError("reflect: call of reflect.Value.Type on zero Value")
    return deep_copy(budget, value)


@TABLE.function("mustDeepCopy", params=(ANY,), budget=True)
def must_deep_copy(budget: Budget, value: Value) -> Value:
    return deep_copy(budget, value)


@TABLE.function("dig", params=(ANY,), variadic=True, picks=True)
def dig(*path: Value) -> Value:
    if len(path) < 3:
        raise FunctionError("dig needs at least three arguments")
    *wanted, default, found = path
    for key in wanted:
        if not isinstance(key, bytes):
            raise FunctionError(f"interface conversion: interface {{}} is {type_name(key)}, not string")
    for key in wanted:
        if type(found) is not dict:
            raise FunctionError(
                f"interface conversion: interface {{}} is {type_name(found)}, not map[string]interface {{}}"
            )
        if key not in found:
            return default
        found = found[key]
    return found
