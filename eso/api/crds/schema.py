"""The vocabulary of the CRD schemas.

Neighbours: the other modules of this package write schemas with it, definition.py makes CustomResourceDefinitions of
them. Each function returns a new dict, so that no schema can change another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Schema = dict[str, Any]

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
NAMESPACE_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
KEY_PATTERN = r"^[-._a-zA-Z0-9]+$"
PRESERVE = "x-kubernetes-preserve-unknown-fields"
RULES = "x-kubernetes-validations"


def text(description: str = "", **more: Any) -> Schema:
    return described(description, {"type": "string"} | more)


def choice(description: str, *values: str, **more: Any) -> Schema:
    return text(description, enum=list(values), **more)


def boolean(description: str = "", **more: Any) -> Schema:
    return described(description, {"type": "boolean"} | more)


def integer(description: str = "", *, bits: int = 64, **more: Any) -> Schema:
    return described(description, {"type": "integer", "format": f"int{bits}"} | more)


def data(description: str = "") -> Schema:
    """Bytes, base64 in the object."""
    return text(description, format="byte")


def time(description: str = "", **more: Any) -> Schema:
    return text(description, format="date-time", **more)


def array(description: str, items: Mapping[str, Any], **more: Any) -> Schema:
    return described(description, {"type": "array", "items": items} | more)


def strings(description: str = "", **more: Any) -> Schema:
    return array(description, {"type": "string"}, **more)


def string_map(description: str = "", **more: Any) -> Schema:
    return described(description, {"type": "object", "additionalProperties": {"type": "string"}} | more)


def obj(
    description: str = "", properties: Mapping[str, Any] | None = None, *, required: Iterable[str] = (), **more: Any
) -> Schema:
    body: Schema = {"type": "object"}
    if properties:
        body["properties"] = dict(properties)
    if needed := list(required):
        body["required"] = needed
    return described(description, body | more)


def one_of(description: str, properties: Mapping[str, Any], **more: Any) -> Schema:
    """Exactly one of the members."""
    return obj(description, properties, minProperties=1, maxProperties=1, **more)


def rule(expression: str, message: str) -> Schema:
    """A CEL rule, for `**{RULES: [rule(…)]}`."""
    return {"rule": expression, "message": message}


def ruled(schema: Schema, *rules: tuple[str, str]) -> Schema:
    return schema | {RULES: [rule(*r) for r in rules]}


def name(description: str = "") -> Schema:
    return text(description, minLength=1, maxLength=253, pattern=NAME_PATTERN)


def namespace(description: str = "", **more: Any) -> Schema:
    return text(description, minLength=1, maxLength=63, pattern=NAMESPACE_PATTERN, **more)


def key(description: str = "") -> Schema:
    return text(description, minLength=1, maxLength=253, pattern=KEY_PATTERN)


def label_selector(description: str) -> Schema:
    requirement = obj(
        "",
        {
            "key": text("The label that is looked at."),
            "operator": text("In, NotIn, Exists or DoesNotExist."),
            "values": strings("For In and NotIn.", **{"x-kubernetes-list-type": "atomic"}),
        },
        required=("key", "operator"),
    )
    parts = {
        "matchExpressions": array(
            "Requirements that must all hold.", requirement, **{"x-kubernetes-list-type": "atomic"}
        ),
        "matchLabels": string_map("Labels that must all be there with these values."),
    }
    return obj(description, parts, **{"x-kubernetes-map-type": "atomic"})


def secret_key(description: str = "A key of a Secret.") -> Schema:
    """SecretKeySelector. `namespace` counts in a ClusterSecretStore only."""
    return obj(description, {"key": key(), "name": name(), "namespace": namespace()})


def local_secret_key(description: str = "A key of a Secret in the same namespace.") -> Schema:
    return obj(description, {"key": key(), "name": name()})


def controller_class() -> Schema:
    return text("The controller class that this object belongs to; every controller's when empty.")


def anything(description: str) -> Schema:
    """Any JSON value."""
    return described(description, {PRESERVE: True})


def service_account(description: str = "A ServiceAccount whose token is requested.") -> Schema:
    return obj(description, {"audiences": strings(), "name": name(), "namespace": namespace()}, required=("name",))


def ca_provider(description: str = "Where the certificate authorities come from.") -> Schema:
    parts = {
        "key": key(),
        "name": name(),
        "namespace": namespace(),
        "type": {"type": "string", "enum": ["Secret", "ConfigMap"]},
    }
    return obj(description, parts, required=("name", "type"))


def ca_bundle() -> Schema:
    return data("Certificate authorities in PEM; replaces those of the system.")


def described(description: str, schema: Schema) -> Schema:
    return {"description": description} | schema if description else schema


def without_descriptions(schema: Mapping[str, Any]) -> Schema:
    """Removes the keyword only: `properties` may have a member that is called description."""
    out: Schema = {}
    for word, value in schema.items():
        match word:
            case "description":
                continue
            case "properties":
                out[word] = {k: without_descriptions(v) for k, v in value.items()}
            case "items" | "additionalProperties" if isinstance(value, Mapping):
                out[word] = without_descriptions(value)
            case _:
                out[word] = value
    return out
