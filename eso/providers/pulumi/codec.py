"""Values of environments as bytes, and the definition that a push writes.

Neighbours: client.py makes the calls. A value travels as `{"value": …, "trace": …}`, and so does each one in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from eso.gocompat import jsonenc
from eso.providers.contract import InvalidConfig, Malformed
from eso.providers.kit.search import DEEPEST
from eso.values.jsonmap import NotAMap, object_in, typed_value

Plain = jsonenc.Value
Tree = dict[bytes, Plain]
FUNCTION: Final = "fn::"
UNKNOWN: Final = "the environment does not know this value yet"


@dataclass(frozen=True, slots=True)
class Secret:
    """One value of an environment; never prints."""

    value: Plain = field(repr=False)
    size: int

    def __len__(self) -> int:
        return self.size


def object_of(body: bytes, *, keep_numbers: bool = False) -> Tree:
    try:
        return object_in(body, keep_numbers=keep_numbers)
    except NotAMap:
        raise Malformed(
            "the server's reply is no JSON object",
            fix="is the address really that of Pulumi ESC, and not of something before it?",
        ) from None


def session_in(body: bytes) -> str:
    """The id under which an opened environment is read. Raises InvalidConfig for one that cannot be opened."""
    found = object_of(body)
    id, diagnostics = found.get(b"id"), found.get(b"diagnostics")
    if isinstance(id, bytes) and id not in (b"", b".", b".."):
        return id.decode("utf-8", "replace")
    if diagnostics:
        raise InvalidConfig(
            "the environment cannot be opened: it has errors", fix="run `esc env open` and correct them"
        )
    raise Malformed("the server's reply has no text in id")


def secret_of(body: bytes) -> Secret:
    return Secret(content(object_of(body)), len(body))


def content(entry: Plain) -> Plain:
    """What a value says. Raises Malformed for what is none, and for one that is not known yet."""
    if not isinstance(entry, dict) or b"trace" not in entry:
        raise Malformed("the server's reply has a value without value and trace")
    if entry.get(b"unknown") is True:
        raise Malformed(UNKNOWN, fix="does it come from another stack, or a provider that failed?")
    if b"value" not in entry:
        raise Malformed("the server's reply has a value without value and trace")
    return entry[b"value"]


def value(secret: Secret) -> bytes:
    """Text as it is; what is in an object or a list keeps its trace, as in the reference."""
    return typed_value(secret.value)


def mapping(secret: Secret) -> dict[str, bytes]:
    """The members of an object; a value of another kind has none, as in the reference."""
    if not isinstance(secret.value, dict):
        return {}
    return {name.decode("utf-8", "replace"): typed_value(content(entry)) for name, entry in secret.value.items()}


def environment_of(body: bytes) -> Tree:
    """All values of an environment, without their traces, numbers as they are written."""
    properties = object_of(body, keep_numbers=True).get(b"properties")
    if properties is None:
        return {}
    if not isinstance(properties, dict):
        raise Malformed("the server's reply has no object in properties")
    return {name: plain(entry) for name, entry in properties.items()}


def plain(entry: Plain) -> Plain:
    found = content(entry)
    match found:
        case dict():
            return {name: plain(inner) for name, inner in found.items()}
        case list():
            return [plain(inner) for inner in found]
    return found


def path_of(key: str) -> tuple[bytes, ...]:
    """The names on the way to a pushed value. Raises InvalidConfig."""
    names = key.split(".")
    if len(names) > DEEPEST:
        raise InvalidConfig(f"remoteKey has more than {DEEPEST} names", fix="correct remoteKey")
    if not all(names):
        raise InvalidConfig("remoteKey has an empty name", fix="write a.b.c")
    if any(name.startswith(FUNCTION) for name in names):
        raise InvalidConfig(f"remoteKey names a function ({FUNCTION}…)", fix="write the name of a value")
    return tuple(name.encode("utf-8", "replace") for name in names)


def at(tree: Plain, path: tuple[bytes, ...]) -> bool:
    """Whether there is a value."""
    for name in path:
        if not isinstance(tree, dict) or name not in tree:
            return False
        tree = tree[name]
    return True


def merged(old: Tree, path: tuple[bytes, ...], value: bytes) -> Tree:
    """`old` with the text `value` at `path`; what is no object on the way gives way."""
    head, *rest = path
    below = old.get(head)
    inner = below if isinstance(below, dict) else {}
    return {**old, head: merged(inner, tuple(rest), value) if rest else value}


def redefined(old: Tree, path: tuple[bytes, ...], value: bytes) -> bytes | None:
    """The definition with the text `value` at `path`; None where it is there already."""
    new = merged(old, path, value)
    return None if new == old else definition(new)


def definition(values: Mapping[bytes, Plain]) -> bytes:
    """The YAML of an environment with these values: JSON is YAML, too."""
    return jsonenc.encode({b"values": literal(dict(values))}, escape_html=False)


def literal(value: Plain) -> Plain:
    """As a definition writes it down: a dollar sign begins a reference, two of them are one sign. Raises InvalidConfig
    for a name that begins a function: written back, data of a source would be called."""
    match value:
        case dict():
            if any(name.startswith(FUNCTION.encode()) for name in value):
                raise InvalidConfig(
                    f"the environment holds a value with the name of a function ({FUNCTION}…), which cannot be written",
                    fix="push to an environment of its own, and import it",
                )
            return {name: literal(inner) for name, inner in value.items()}
        case list():
            return [literal(inner) for inner in value]
        case bytes():
            return value.replace(b"$", b"$$")
    return value
