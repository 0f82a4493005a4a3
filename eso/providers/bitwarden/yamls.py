"""A value as a YAML 1.2 mapping, its members as the reference prints them.

Neighbours: codec.py. Reading works on the parser's events with a stack of its own; anchors, tags of one's own and
documents that are nested deep are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
from yaml.cyaml import CSafeLoader
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from eso.errors import EsoError
from eso.gocompat.text import format_float

DEEPEST: Final = 64
INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)|0x[0-9a-fA-F_]+|0o?[0-7_]+|0b[01_]+", re.ASCII)
FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
SPECIAL: Final = re.compile(r"([-+]?)\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", re.ASCII)
NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
TRUTHS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
LONGEST: Final = 300  # characters of a number
Tree = str | bool | int | float | list[Any] | dict[str, Any] | None


class NotYaml(EsoError):
    """The value is no YAML mapping; the text holds nothing of it."""


def mapping_of(document: bytes) -> dict[str, Tree]:
    """The members of the first document. Raises NotYaml."""
    try:
        found = read(iter(yaml.parse(document, Loader=CSafeLoader)))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError):
        raise NotYaml("the value is no YAML") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise NotYaml("the value is no YAML mapping")
    return found


def read(events: Iterator[Event]) -> Tree:
    """The tree of the first document."""
    root: list[Any] = []
    open_: list[Any] = [root]
    keys: list[str | None] = [None]

    def put(value: Any) -> None:
        holder = open_[-1]
        if isinstance(holder, list):
            holder.append(value)
            return
        key, keys[-1] = keys[-1], None
        if key is not None:
            holder[key] = value
            return
        if not isinstance(value, Scalar):
            raise NotYaml("the value has a key that is no text")
        if value.text in holder:
            raise NotYaml("the value has a key twice")
        keys[-1] = value.text

    for event in events:
        match event:
            case DocumentEndEvent():
                break
            case AliasEvent():
                raise NotYaml("the value has an alias")
            case ScalarEvent():
                put(Scalar(event.value, plain=event.implicit[0] and event.tag is None))
            case MappingStartEvent() | SequenceStartEvent():
                if len(open_) > DEEPEST:
                    raise NotYaml(f"the value is nested deeper than {DEEPEST}")
                made: Any = {} if isinstance(event, MappingStartEvent) else []
                if isinstance(open_[-1], dict) and keys[-1] is None:
                    raise NotYaml("the value has a key that is no text")
                put(made)
                open_.append(made)
                keys.append(None)
            case MappingEndEvent() | SequenceEndEvent():
                open_.pop()
                keys.pop()
    return resolved(root[0]) if root else None


class Scalar:
    """A text of the document. `plain`: it may mean something else than a text."""

    __slots__ = ("plain", "text")

    def __init__(self, text: str, *, plain: bool) -> None:
        self.text, self.plain = text, plain


def resolved(node: Any) -> Tree:
    match node:
        case Scalar():
            return meaning(node.text) if node.plain else node.text
        case dict():
            return {key: resolved(value) for key, value in node.items()}
    return [resolved(value) for value in node]


def meaning(text: str) -> Tree:
    """A plain scalar by the rules of YAML 1.2, with the older octal numbers of Go's library."""
    if text in NULLS:
        return None
    if text in TRUTHS:
        return TRUTHS[text]
    if len(text) > LONGEST:
        return text
    if INTEGER.fullmatch(text):
        digits = text.replace("_", "")
        sign = -1 if digits.startswith("-") else 1
        digits = digits.lstrip("+-")
        base = {"0x": 16, "0o": 8, "0b": 2}.get(digits[:2], 8 if len(digits) > 1 and digits[0] == "0" else 10)
        number = sign * int(digits[2:] if digits[:2] in ("0x", "0o", "0b") else digits, base)
        return number if -(1 << 63) <= number < 1 << 64 else float(number)
    if FLOAT.fullmatch(text):
        return float(text)
    if (found := SPECIAL.fullmatch(text)) is not None:
        return float("nan") if found.group(1) is None else float(f"{found.group(1)}inf")
    return text


# how the reference prints a member


def printed(value: Tree) -> str:
    """A text as it is, a mapping as YAML, anything else as Go prints it."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return written(value).strip()
    return shown(value)


def shown(value: Tree) -> str:
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case float():
            return format_float(value)
        case list():
            return f"[{' '.join(map(shown, value))}]"
        case dict():
            return f"map[{' '.join(f'{key}:{shown(held)}' for key, held in sorted(value.items()))}]"
    return str(value)


def written(value: dict[str, Tree]) -> str:
    return str(
        yaml.dump(value, Dumper=yaml.SafeDumper, default_flow_style=False, allow_unicode=True, indent=4, width=1 << 20)
    )
