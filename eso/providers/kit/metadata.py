"""`spec.data[].metadata` of a PushSecret: the envelope that says whose metadata it is, and the fields a provider knows.

Neighbours: a client's `push`. Field names match without case, as published examples rely on; unknown ones are refused.

A shape says what a provider takes: TEXT, FLAG, NUMBER, ANY; `[shape]` for a list; `{"*": shape}` for an object with
free names; `{"kmsKeyID": TEXT, ...}` for one with these names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from eso.providers.contract import InvalidConfig

API_VERSION: Final = "kubernetes.external-secrets.io/v1alpha1"
KIND: Final = "PushSecretMetadata"
FAILED: Final = f"failed to parse {API_VERSION} {KIND}: "
JSON_FAILED: Final = f"{FAILED}error unmarshaling JSON: while decoding JSON: json: "
TEXT, FLAG, NUMBER, ANY = "string", "bool", "int", "any"
Shape = Any  # one of the four names, a list of one Shape, or a mapping of names to Shapes
FREE: Final = "*"


def spec_of(metadata: Mapping[str, Any] | None, shape: Mapping[str, Shape]) -> dict[str, Any]:
    """The members of the envelope's `spec` that are set, named as in `shape`; {} without metadata. Raises InvalidConfig
    with the reference's texts."""
    if metadata is None:
        return {}
    envelope = _taken(metadata, {"apiVersion": TEXT, "kind": TEXT, "spec": shape}, KIND)
    version, kind = envelope.get("apiVersion", ""), envelope.get("kind", "")
    if version != API_VERSION:
        raise InvalidConfig(f'unexpected apiVersion "{version}", expected "{API_VERSION}"')
    if kind != KIND:
        raise InvalidConfig(f'unexpected kind "{kind}", expected "{KIND}"')
    found: dict[str, Any] = envelope.get("spec", {})
    return found


def anywhere(metadata: Any, name: str) -> Any:
    """The first member of exactly this name, at any depth; None when there is none: how two older fields are read."""
    if isinstance(metadata, Mapping):
        if name in metadata:
            return metadata[name]
        inner: Any = metadata.values()
    elif isinstance(metadata, list):
        inner = metadata
    else:
        return None
    return next((found for part in inner if (found := anywhere(part, name)) is not None), None)


def _taken(value: Any, shape: Shape, where: str) -> Any:
    """`value` in its shape; null is left out by the caller. Raises InvalidConfig."""
    match shape, value:
        case "any", _:
            return value
        case "string", str():
            return value
        case "bool", bool():
            return value
        case "int", int() if not isinstance(value, bool):
            return value
        case [inner], list():
            return [_taken(item, inner, where) for item in value]
        case Mapping(), Mapping() if FREE in shape:
            return {str(name): _taken(item, shape[FREE], where) for name, item in value.items()}
        case Mapping(), Mapping():
            return _members(value, shape, where)
    raise InvalidConfig(
        f"{JSON_FAILED}cannot unmarshal {_kind(value)} into Go struct field {where} of type {_go(shape)}"
    )


def _members(value: Mapping[str, Any], shape: Mapping[str, Shape], where: str) -> dict[str, Any]:
    names = {name.casefold(): name for name in shape}
    taken: dict[str, Any] = {}
    for given, item in value.items():
        name = given if given in shape else names.get(given.casefold())
        if name is None:
            raise InvalidConfig(f'{JSON_FAILED}unknown field "{given}"', fix=f"known fields: {', '.join(shape)}")
        if item is not None:
            # Go names the struct that holds a field, then the whole path to the field
            inside = where == KIND and isinstance(item, Mapping) and isinstance(shape[name], Mapping)
            taken[name] = _taken(item, shape[name], f"{where}Spec.{name}" if inside else f"{where}.{name}")
    return taken


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def _go(shape: Shape) -> str:
    match shape:
        case str():
            return shape
        case list():
            return f"[]{_go(shape[0])}"
        case {"*": inner}:
            return f"map[string]{_go(inner)}"
    return "struct"
