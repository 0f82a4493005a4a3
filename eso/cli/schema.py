"""What the API server would refuse or drop of a manifest, read from the schema of its kind.

Neighbours: inputs.py asks for each manifest, api.crds has the schemas. The texts name members and rules of the manifest
and show what was written there, as the API server does; no fetched value is in sight here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from eso.api.crds.definition import definition as definition_of
from eso.api.crds.kinds import KINDS
from eso.gocompat import regexp

Schema = Mapping[str, Any]

KEEPS_UNKNOWN: Final = "x-kubernetes-preserve-unknown-fields"
METADATA: Final = {
    **dict.fromkeys(("name", "generateName", "namespace", "uid", "resourceVersion", "selfLink"), "string"),
    **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), "string"),
    **dict.fromkeys(("labels", "annotations"), "map"),
    **dict.fromkeys(("finalizers", "ownerReferences", "managedFields"), "array"),
    **dict.fromkeys(("generation", "deletionGracePeriodSeconds"), "integer"),
}
"""Members of ObjectMeta and their types."""
NAME_BYTES: Final = 253
NAME: Final = regexp.compile(r"\A[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\z")
SHOWN: Final = 100  # characters of a value that a text quotes


def complaints(document: Mapping[str, Any]) -> list[str]:
    """One text for each member that the API server would not take as it is written; empty for kinds that are not ours.

    `dropped`: the API server leaves the member out (`kubectl apply` refuses it before that). `refused`: it answers 422.
    """
    kind, version = document.get("kind"), document.get("apiVersion")
    known = next((known for known in KINDS if known.resource.kind == kind), None)
    if known is None:
        return list(plain_complaints(document)) if kind in ("ConfigMap", "Secret") else []
    definition = definition_of(known)["spec"]
    group, _, name = str(version or "").rpartition("/")
    served = {v["name"]: v for v in definition["versions"] if v["served"]}
    if group != definition["group"] or name not in served:
        wanted = f"{definition['group']}/{definition['versions'][0]['name']}"
        return [f"apiVersion: {quoted(version)} is not served: write {wanted}"]
    found = [f"apiVersion: {version} is deprecated"] if served[name].get("deprecated") else []
    found += metadata_complaints(document.get("metadata"), namespaced=definition["scope"] == "Namespaced")
    schema = served[name]["schema"]["openAPIV3Schema"]
    own = {key: value for key, value in document.items() if key not in ("metadata", "status")}
    return found + list(members(own, schema, ""))


def plain_complaints(document: Mapping[str, Any]) -> Iterator[str]:
    """ConfigMaps and Secrets: their values are text."""
    for part in ("data", "stringData", "binaryData"):
        content = document.get(part)
        for key, value in content.items() if isinstance(content, Mapping) else ():
            if not isinstance(value, str):
                yield f"{part}.{key}: refused: must be a string, not {type_of(value)}"


def metadata_complaints(metadata: Any, *, namespaced: bool) -> Iterator[str]:
    if not isinstance(metadata, Mapping):
        yield f"metadata: refused: must be an object, not {type_of(metadata)}"
        return
    for key, value in metadata.items():
        wanted = METADATA.get(key)
        if wanted is None:
            yield f"metadata.{key}: unknown field, dropped"
        elif wanted == "map" and isinstance(value, Mapping):
            for name, inner in value.items():
                if not isinstance(inner, str):
                    yield f"metadata.{key}.{name}: refused: must be a string, not {type_of(inner)}"
        elif value is not None and type_of(value) != ("object" if wanted == "map" else wanted):
            yield f"metadata.{key}: refused: must be {article(wanted)}, not {type_of(value)}"
    name = metadata.get("name")
    if name is None and not metadata.get("generateName"):
        yield "metadata.name: refused: required"
    if isinstance(name, str) and not (len(name) <= NAME_BYTES and NAME.matches(name.encode())):
        yield f"metadata.name: refused: {quoted(name)} is not a lower-case DNS name"
    if not namespaced and metadata.get("namespace"):
        yield "metadata.namespace: refused: the kind is cluster-wide"


def members(value: Any, schema: Schema, path: str) -> Iterator[str]:
    """The complaints about one value and all below it. A null counts as absent, as it does after pruning."""
    wanted = schema.get("type")
    if value is None and not schema.get("nullable"):
        return
    found = type_of(value)
    if wanted and found != wanted and not (wanted == "number" and found == "integer"):
        yield f"{path}: refused: must be {article(wanted)}, not {found}"
        return
    yield from (f"{path}: refused: {text}" for text in faults(value, schema))
    if isinstance(value, Mapping):
        yield from object_members(value, schema, path)
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from members(item, schema["items"], f"{path}[{index}]")


def object_members(value: Mapping[str, Any], schema: Schema, path: str) -> Iterator[str]:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    for key in schema.get("required", ()):
        if value.get(key) is None:
            yield f"{below(path, key)}: refused: required"
    for key, inner in value.items():
        if key in properties:
            yield from members(inner, properties[key], below(path, key))
        elif isinstance(others, Mapping):
            yield from members(inner, others, below(path, key))
        elif not others and not schema.get(KEEPS_UNKNOWN) and ("properties" in schema or "type" in schema):
            yield f"{below(path, key)}: unknown field, dropped"


def faults(value: Any, schema: Schema) -> Iterator[str]:
    """What the schema's own words say about the value itself."""
    if "enum" in schema and value not in schema["enum"]:
        yield f"{quoted(value)} is none of {', '.join(map(str, schema['enum']))}"
    if isinstance(value, str):
        yield from lengths(len(value), schema, "Length", "characters")
        pattern = schema.get("pattern")
        if pattern and not regexp.compile(pattern).matches(value.encode("utf-8", "replace")):
            yield f"{quoted(value)} does not match {pattern}"
    elif isinstance(value, list):
        yield from lengths(len(value), schema, "Items", "items")
    elif isinstance(value, Mapping):
        yield from lengths(len(value), schema, "Properties", "members")
    elif isinstance(value, int | float):
        if value < schema.get("minimum", value):
            yield f"must be at least {schema['minimum']}"
        if value > schema.get("maximum", value):
            yield f"must be at most {schema['maximum']}"


def lengths(size: int, schema: Schema, word: str, unit: str) -> Iterator[str]:
    if size < schema.get(f"min{word}", size):
        yield f"must have at least {schema[f'min{word}']} {unit}"
    if size > schema.get(f"max{word}", size):
        yield f"must have at most {schema[f'max{word}']} {unit}"


def type_of(value: Any) -> str:
    """The word that schemas use."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def quoted(value: Any) -> str:
    text = str(value)
    return f'"{text[:SHOWN]}…"' if len(text) > SHOWN else f'"{text}"'
