"""`dataFrom[].rewrite`: the ordered operations that rename keys, or merge JSON values into one map.

Neighbours: assemble.py calls it with the operations of the spec; gocompat.regexp and eso.template do the renaming.
Values are opened by merge only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from eso import template
from eso.api.externalsecret import Rewrite, RewriteMerge, RewriteRegexp, RewriteTransform
from eso.errors import EsoError
from eso.gocompat import jsonenc, regexp
from eso.gocompat.text import quote, shown
from eso.template import LIMITS, Limits
from eso.template.bounds import Budget
from eso.template.world import WORLD
from eso.values import jsonmap

TARGET: Final = 4096  # bytes of a target
LONGEST: Final = 1 << 20  # bytes that one substitution may give; a key of a Secret has 253


class RewriteError(EsoError):
    """An operation cannot be applied; the message tells its place in the list."""


def rewrite(data: Mapping[str, bytes], operations: Sequence[Rewrite], limits: Limits = LIMITS) -> dict[str, bytes]:
    """The map after all operations in their order; `limits` bound each transform template, and all operations together
    in steps and seconds.

    Where two keys become one, the greater old key (bytewise) wins. Raises RewriteError.
    """
    out, limits = dict(data), limits.together(WORLD)
    with Budget(limits, WORLD) as budget:
        for index, operation in enumerate(operations):
            try:
                budget.spend(len(out))
                out = apply(out, operation, limits, budget)
            except EsoError as error:
                raise RewriteError(
                    f"error applying rewrite to keys: failed rewrite operation[{index}]: {error}", fix=error.fix
                ) from error
    return out


def apply(data: dict[str, bytes], operation: Rewrite, limits: Limits, budget: Budget) -> dict[str, bytes]:
    """One operation. An item without any leaves the map alone."""
    if operation.regexp is not None:
        return _substitute(data, operation.regexp, budget)
    if operation.merge is not None:
        budget.check_size(sum(map(len, data.values())))  # each merge may hold all values once more
        budget.spend(sum(map(jsonenc.parts, data.values())))
        return _merge(data, operation.merge)
    if operation.transform is not None:
        return _transform(data, operation.transform, limits, budget)
    return data


def _substitute(data: dict[str, bytes], operation: RewriteRegexp, budget: Budget) -> dict[str, bytes]:
    try:
        budget.spend(regexp.compiling(operation.source.encode()[: regexp.MAX_PATTERN]))
        expression = regexp.compile(operation.source)
    except regexp.RegexpError as error:
        raise RewriteError(
            f"regexp failed with failed to compile: {error}", fix=error.fix or "write an RE2 expression"
        ) from error
    target = operation.target.encode()

    def name(key: bytes) -> bytes:
        if len(target) > TARGET or len(key) * len(target) > LONGEST:  # each `$1` of the target may bring the whole key
            raise RewriteError("the key or the target is too long")
        return expression.replace_all(key, target, budget)

    return _renamed(data, name, budget)


def _transform(data: dict[str, bytes], operation: RewriteTransform, limits: Limits, budget: Budget) -> dict[str, bytes]:
    def name(key: bytes) -> bytes:
        try:
            return template.render(
                operation.template, {"value": key}, name="transform", missing="default", limits=limits
            )
        except template.TemplateError as error:
            step = "parse template" if error.phase == "parse" else f"execute template for key {quote(key)}"
            raise RewriteError(f"transform failed with failed to {step}: {error}") from error

    return _renamed(data, name, budget)


def _renamed(data: dict[str, bytes], name: Callable[[bytes], bytes], budget: Budget) -> dict[str, bytes]:
    """In the order of the old keys, so that the outcome of a collision does not depend on the backend's order."""
    out = {}
    for key, value in sorted((_encoded(key), value) for key, value in data.items()):
        renamed = name(key)
        budget.check_size(len(renamed))
        out[renamed.decode("utf-8", "surrogateescape")] = value
    return out


def _merge(data: dict[str, bytes], operation: RewriteMerge) -> dict[str, bytes]:
    merged: dict[bytes, jsonenc.Value] = {}
    conflicts: set[bytes] = set()
    for key in [*sorted(data.keys() - set(operation.priority), key=_encoded), *operation.priority]:
        if key not in data:
            if operation.priority_policy == "IgnoreNotFound":
                continue
            raise RewriteError(
                f"merge failed with key {quote(key)} not found in input map", fix="set priorityPolicy: IgnoreNotFound"
            )
        members = _object(data[key], key)
        conflicts |= merged.keys() & members.keys()
        merged |= members
    if conflicts and operation.conflict_policy != "Ignore":
        names = ", ".join(shown(name.decode("utf-8", "replace")) for name in sorted(conflicts))
        raise RewriteError(
            f"merge failed with conflicts: {names}", fix="set conflictPolicy: Ignore, and priority for the order"
        )
    if operation.strategy != "JSON":
        return {key.decode(): jsonmap.typed_value(value) for key, value in merged.items()}
    if not operation.into:
        raise RewriteError("merge failed with missing 'into' field", fix="name the key that receives the JSON object")
    return data | {operation.into: jsonenc.encode(merged, escape_html=False)}


def _object(value: bytes, key: str) -> dict[bytes, jsonenc.Value]:
    try:
        return jsonmap.object_in(value)
    except jsonmap.NotAMap as error:
        raise RewriteError(
            f"merge failed with failed to unmarshal JSON: {error}",
            fix=f"let the value of key {shown(key)} be a JSON object",
        ) from error


def _encoded(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")
