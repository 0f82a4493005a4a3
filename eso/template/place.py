"""Paths into an object that has no schema: `spec.rules[0].from`.

Neighbours: manifest.py puts rendered values at such paths. Objects are plain JSON; nothing here knows templates.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from eso.errors import EsoError

Json = dict[str, Any]
Step = str | int
MAX_INDEX = 10_000


def member(obj: Json, name: str) -> Json:
    """The map `obj[name]`, made if it is not there."""
    if obj.get(name) is None:
        obj[name] = {}
    if not isinstance(obj[name], dict):
        raise EsoError(f'failed to set path {name}: expected map at key "{name}" but found {go_type(obj[name])}')
    found: Json = obj[name]
    return found


def parse_path(path: str) -> tuple[Step, ...]:
    """`spec.rules[0].from` → names and indexes. Raises EsoError with the text that users see."""
    steps: list[Step] = []
    for segment in path.split("."):
        if not segment:
            raise bad(path, "empty segment")
        name, rest = (
            (segment, "") if "[" not in segment else (segment[: segment.index("[")], segment[segment.index("[") :])
        )
        if name:
            steps.append(name)
        elif not steps:
            raise bad(path, "path must start with a key")
        while rest:
            if not rest.startswith("["):
                raise bad(path, f"expected '[' near \"{rest}\"")
            if "]" not in rest:
                raise bad(path, "unterminated '['")
            text, rest = rest[1 : rest.index("]")], rest[rest.index("]") + 1 :]
            steps.append(index(path, text))
    return tuple(steps)


def index(path: str, text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise bad(path, f'bad index "{text}"')
    number = int(text)
    if number < 0:
        raise bad(path, f"negative index {number}")
    if number > MAX_INDEX:
        raise bad(path, f"index {number} exceeds maximum ({MAX_INDEX})")
    return number


def bad(path: str, why: str) -> EsoError:
    return EsoError(f'invalid path "{path}": {why}')


def place(obj: Json, path: str, value: Any, *, merge: bool) -> None:
    """Puts `value` at `path`, making maps and lists on the way. `merge`: a map is copied into the map that is there,
    one level deep."""
    steps = parse_path(path)
    node: Any = obj
    for step, following in pairwise(steps):
        reached(path, node, step)
        if node[step] is None:
            node[step] = [] if isinstance(following, int) else {}
        node = node[step]
    last = steps[-1]
    reached(path, node, last)
    if merge and len(steps) > 1 and isinstance(value, dict) and isinstance(node[last], dict):
        node[last] |= value
    else:
        node[last] = value


def reached(path: str, node: Any, step: Step) -> None:
    """Makes sure that `node[step]` exists (None when it is new)."""
    if isinstance(step, int):
        if not isinstance(node, list):
            raise EsoError(f"failed to set path {path}: expected array at index {step} but found {go_type(node)}")
        node.extend([None] * (step + 1 - len(node)))
    elif not isinstance(node, dict):
        raise EsoError(f'failed to set path {path}: expected map at key "{step}" but found {go_type(node)}')
    else:
        node.setdefault(step, None)


def go_type(value: Any) -> str:
    """What `%T` shows for a JSON value."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case str():
            return "string"
        case int():
            return "int64"
        case float():
            return "float64"
        case list():
            return "[]interface {}"
        case _:
            return "map[string]interface {}"
