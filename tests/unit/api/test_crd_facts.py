"""The schemas, names and columns of all kinds against the facts of the reference's CRDs, and what we add to them.

`crd_facts.json`: every field of every kind with what the API server checks of it, descriptions left out. `embeds` says
where one kind holds the spec of another.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from eso.api.crds.definition import definition
from eso.api.crds.generators import GENERATORS
from eso.api.crds.kinds import KINDS
from eso.api.crds.providers import PROVIDERS
from eso.api.crds.schema import RULES
from eso.api.wellknown import EXTENSIONS_GROUP
from eso.stores import registry

FACTS = json.loads((Path(__file__).parent / "crd_facts.json").read_text())
BY_NAME = {f"{kind.resource.kind}.{kind.resource.group}": kind for kind in KINDS}
# what the API server takes into account
CHECKED = {"type", "enum", "default", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems"}
CHECKED |= {"minProperties", "maxProperties", "format", "x-kubernetes-int-or-string"}
CHECKED |= {"x-kubernetes-preserve-unknown-fields", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"}
CHECKED |= {"x-kubernetes-map-type"}

ADDED_FIELDS = {
    "ExternalSecret.external-secrets.io": {
        ".spec.target.immediate",
        ".status.conditions[].observedGeneration",
        ".status.observedGeneration",
    },
    "ClusterExternalSecret.external-secrets.io": {".spec.externalSecretSpec.target.immediate"},
    "SecretStore.external-secrets.io": {".status.conditions[].observedGeneration"},
    "ClusterSecretStore.external-secrets.io": {".status.conditions[].observedGeneration"},
}
ADDED_ENGINE = "template.engineVersion"  # jinja2 beside v2


def flat(schema: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    fact = {word: schema[word] for word in CHECKED & set(schema)}
    if schema.get("required"):
        fact["required"] = sorted(schema["required"])
    if RULES in schema:
        fact["rules"] = sorted(rule["message"] for rule in schema[RULES])
    yield at or ".", fact
    for name, member in schema.get("properties", {}).items():
        yield from flat(member, f"{at}.{name}")
    if isinstance(schema.get("items"), Mapping):
        yield from flat(schema["items"], f"{at}[]")
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from flat(schema["additionalProperties"], f"{at}{{}}")


def below(fields: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {
        path.removeprefix(prefix): fact
        for path, fact in fields.items()
        if path == prefix or path.startswith((f"{prefix}.", f"{prefix}[", f"{prefix}{{"))
    }


def fields_of(name: str) -> dict[str, Any]:
    kind = FACTS["kinds"][name]
    fields = {path: FACTS["facts"][number] for path, number in kind["fields"].items()}
    for prefix, (other, at) in kind["embeds"].items():
        fields |= {prefix + path: fact for path, fact in below(fields_of(other), at).items()}
    return fields


def test_every_kind_of_the_reference_is_there_and_of_others_only_those_of_our_own_group() -> None:
    own = {name for name, kind in BY_NAME.items() if kind.resource.group == EXTENSIONS_GROUP}
    assert own == {f"ChangeSource.{EXTENSIONS_GROUP}"}
    assert set(BY_NAME) - own == set(FACTS["kinds"])


@pytest.mark.parametrize("name", sorted(FACTS["kinds"]))
def test_the_schema_checks_what_the_reference_checks(name: str) -> None:
    made = definition(BY_NAME[name])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    ours, wanted = dict(flat(made)), fields_of(name)
    for path, fact in ours.items():
        if path.endswith(ADDED_ENGINE):
            assert fact["enum"] == ["v2", "jinja2"]
            fact["enum"] = ["v2"]
    assert {path: fact for path, fact in ours.items() if wanted.get(path) != fact and path in wanted} == {}
    assert set(wanted) - set(ours) == set()
    assert set(ours) - set(wanted) == ADDED_FIELDS.get(name, set())


@pytest.mark.parametrize("name", sorted(FACTS["kinds"]))
def test_names_scope_columns_and_status_are_those_of_the_reference(name: str) -> None:
    wanted, spec = FACTS["kinds"][name], definition(BY_NAME[name])["spec"]
    names, stored = spec["names"], spec["versions"][0]
    assert spec["scope"] == wanted["scope"]
    assert {key: names.get(key) for key in wanted["names"]} == wanted["names"]
    assert (stored["name"], stored["storage"], "subresources" in stored) == (wanted["version"], True, wanted["status"])
    columns = [[c["name"], c["jsonPath"], c["type"], 0] for c in stored.get("additionalPrinterColumns", [])]
    assert columns == wanted["columns"]
    assert sorted(field["jsonPath"] for field in stored.get("selectableFields", [])) == wanted["selectable"]


def test_a_generator_may_be_referred_to_by_the_kinds_that_there_are() -> None:
    kinds = fields_of("PushSecret.external-secrets.io")[".spec.selector.generatorRef.kind"]["enum"]
    assert [kind for kind in kinds if kind != "ClusterGenerator"] == [generator.kind for generator in GENERATORS]


def test_every_provider_with_a_schema_has_code() -> None:
    assert set(registry.PROVIDERS) == set(PROVIDERS)
