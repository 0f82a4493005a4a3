"""The generated CRDs: as committed, structural, complete, in step with the records that read the objects."""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from eso.api.changesource import ChangeSource
from eso.api.clusterexternalsecret import ClusterExternalSecret
from eso.api.crds.__main__ import files
from eso.api.crds.definition import definition, definitions
from eso.api.crds.kinds import KINDS
from eso.api.crds.providers import PROVIDERS, provider_schemas
from eso.api.crds.schema import PRESERVE, RULES, obj, text, without_descriptions
from eso.api.externalsecret import ExternalSecret
from eso.api.secretstore import SecretStore

COMMITTED = Path(__file__).parents[3] / "manifests" / "crds"
ANNOTATIONS_BYTES = 262_144
FastLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
CRDS = definitions()
WRITTEN = files()
RECORDS: dict[str, type[msgspec.Struct]] = {
    "changesources": ChangeSource,
    "externalsecrets": ExternalSecret,
    "clusterexternalsecrets": ClusterExternalSecret,
    "secretstores": SecretStore,
    "clustersecretstores": SecretStore,
}
VERSIONS = [
    pytest.param(plural, index, id=f"{plural} {version['name']}")
    for plural, crd in CRDS.items()
    for index, version in enumerate(crd["spec"]["versions"])
]


def schema_of(plural: str, index: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = CRDS[plural]["spec"]["versions"][index]["schema"]["openAPIV3Schema"]
    return found


def nodes(schema: Mapping[str, Any], path: str = "$") -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), Mapping):
            yield from nodes(schema[word], f"{path}.{word}")


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_the_committed_files_are_what_the_generator_writes(name: str) -> None:
    """`make manifests` mends this."""
    assert (COMMITTED / name).read_text(encoding="utf-8") == WRITTEN[name]


def test_there_is_no_file_too_many() -> None:
    assert {path.name for path in COMMITTED.glob("*.yaml")} == set(WRITTEN)


def test_each_kind_has_a_file_and_a_line_in_the_kustomization() -> None:
    listed = yaml.safe_load((COMMITTED.parent / "kustomization.yaml").read_text())["resources"]
    assert {f"crds/{name}" for name in WRITTEN} == {line for line in listed if line.startswith("crds/")}
    assert set(WRITTEN) == {f"{kind.resource.plural}.yaml" for kind in KINDS}


@pytest.mark.parametrize("plural", sorted(CRDS))
def test_a_file_says_what_the_definition_says(plural: str) -> None:
    assert yaml.load(WRITTEN[f"{plural}.yaml"], Loader=FastLoader) == json.loads(json.dumps(CRDS[plural]))


@pytest.mark.parametrize("plural", sorted(CRDS))
def test_a_definition_fits_into_the_annotation_of_a_client_side_apply(plural: str) -> None:
    kind = next(kind for kind in KINDS if kind.resource.plural == plural)
    assert len(json.dumps(definition(kind))) < ANNOTATIONS_BYTES - 10_000  # other annotations need room too


@pytest.mark.parametrize(
    ("plural", "scope", "short", "columns", "selectable"),
    [
        pytest.param(
            "externalsecrets",
            "Namespaced",
            "es",
            ["StoreType", "Store", "Refresh Interval", "Status", "Ready", "Last Sync"],
            [".spec.secretStoreRef.name", ".spec.secretStoreRef.kind", ".spec.target.name", ".spec.refreshInterval"],
            id="C-002 C-003 C-004 ExternalSecret",
        ),
        pytest.param(
            "secretstores",
            "Namespaced",
            "ss",
            ["AGE", "Status", "Capabilities", "Ready"],
            [],
            id="C-002 C-003 SecretStore",
        ),
        pytest.param(
            "clustersecretstores",
            "Cluster",
            "css",
            ["AGE", "Status", "Capabilities", "Ready"],
            [],
            id="C-002 C-003 ClusterSecretStore",
        ),
        pytest.param(
            "clusterexternalsecrets",
            "Cluster",
            "ces",
            ["Store", "Refresh Interval", "Ready"],
            [],
            id="C-002 C-003 ClusterExternalSecret",
        ),
    ],
)
def test_names_scope_and_columns(
    plural: str, scope: str, short: str, columns: list[str], selectable: list[str]
) -> None:
    crd = CRDS[plural]
    spec, names = crd["spec"], crd["spec"]["names"]
    assert crd["metadata"] == {
        "labels": {"external-secrets.io/component": "controller"},
        "name": f"{plural}.external-secrets.io",
    }
    assert (spec["scope"], names["shortNames"], names["categories"], spec["conversion"]) == (
        scope,
        [short],
        ["external-secrets"],
        {"strategy": "None"},
    )
    assert (names["singular"], names["listKind"]) == (names["kind"].lower(), f"{names['kind']}List")
    current, former = spec["versions"]
    assert (current["name"], current["served"], current["storage"], current.get("deprecated", False)) == (
        "v1",
        True,
        True,
        False,
    )
    assert (former["name"], former["served"], former["storage"], former["deprecated"]) == ("v1beta1", True, False, True)
    for version in (current, former):
        assert [column["name"] for column in version["additionalPrinterColumns"]] == columns
        assert version["subresources"] == {"status": {}}
    assert [field["jsonPath"] for field in current.get("selectableFields", [])] == selectable
    assert "selectableFields" not in former


@pytest.mark.parametrize("plural", sorted({*RECORDS} - {"changesources"}))
def test_both_versions_have_one_schema(plural: str) -> None:
    assert without_descriptions(schema_of(plural, 0)) == schema_of(plural, 1)


def test_stores_of_both_kinds_have_one_schema() -> None:
    one, other = (schema_of(plural)["properties"] for plural in ("secretstores", "clustersecretstores"))
    assert (one["spec"], one["status"]) == (other["spec"], other["status"])


def test_the_embedded_spec_is_that_of_an_external_secret() -> None:
    embedded = schema_of("clusterexternalsecrets")["properties"]["spec"]["properties"]["externalSecretSpec"]
    assert without_descriptions(embedded) == without_descriptions(schema_of("externalsecrets")["properties"]["spec"])


@pytest.mark.parametrize(("plural", "index"), VERSIONS)
def test_the_schema_is_structural(plural: str, index: int) -> None:
    """The rules of the API server that can be checked without one."""
    words = {
        "type",
        "format",
        "description",
        "properties",
        "required",
        "items",
        "additionalProperties",
        "enum",
        "default",
        "nullable",
        "pattern",
    }
    words |= {
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "minProperties",
        "maxProperties",
        "anyOf",
    }
    words |= {PRESERVE, RULES, "x-kubernetes-int-or-string", "x-kubernetes-map-type", "x-kubernetes-list-type"}
    for path, node in nodes(schema_of(plural, index)):
        assert set(node) <= words, path
        if "x-kubernetes-int-or-string" in node:
            assert node["anyOf"] == [{"type": "integer"}, {"type": "string"}], path
            assert "type" not in node, path
            continue
        assert "anyOf" not in node, path
        if PRESERVE in node and "type" not in node:
            assert set(node) <= {PRESERVE, "description"}, path  # any JSON value
            continue
        assert node["type"] in ("object", "array", "string", "boolean", "integer"), path
        assert (node["type"] == "array") == ("items" in node), path
        assert not ("properties" in node and "additionalProperties" in node), path
        assert node.get("properties") != {}, path
        assert set(node.get("required", ())) <= set(node.get("properties", {})), path
        assert PRESERVE not in node or node["type"] == "object", path
        if "pattern" in node:
            re.compile(node["pattern"])
        if "default" in node:
            assert fits(node["default"], node), path


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """A default must be valid by itself."""
    match schema["type"]:
        case "string":
            return (
                isinstance(value, str)
                and value in schema.get("enum", [value])
                and len(value) >= schema.get("minLength", 0)
            )
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and value >= schema.get("minimum", value)
        case "object":
            return all(fits(member, schema["properties"][name]) for name, member in value.items())
    return False


SELECTOR_MEMBERS = {"key", "name", "namespace", "type", "audiences"}


def undescribed(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """Members without a description. Those of a selector and of a condition speak for themselves."""
    members = schema.get("properties", {})
    if "name" in members and set(members) <= SELECTOR_MEMBERS:
        return
    for name, member in members.items():
        if not member.get("description"):
            yield f"{path}.{name}"
        yield from undescribed(member, f"{path}.{name}")
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), Mapping):
            yield from undescribed(schema[word], path)


@pytest.mark.parametrize("plural", sorted(CRDS))
def test_everything_outside_the_provider_blocks_is_described_or_speaks_for_itself(plural: str) -> None:
    plain = (".spec.provider.", ".metadata", ".status.conditions.")
    assert [path for path in undescribed(schema_of(plural), "") if not path.startswith(plain)] == []


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_a_provider_is_described(provider: str) -> None:
    assert list(undescribed(PROVIDERS[provider](), "")) == []


def test_all_provider_keys_of_the_reference_are_there() -> None:
    assert len(PROVIDERS) == 43
    found = schema_of("secretstores")["properties"]["spec"]["properties"]["provider"]
    assert set(found["properties"]) == set(PROVIDERS)
    assert (found["minProperties"], found["maxProperties"]) == (1, 1)


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_a_provider_drops_what_it_does_not_know(provider: str) -> None:
    for path, node in nodes(provider_schemas()[provider]):
        assert PRESERVE not in node or node.get("type") != "object", path


RULES_OF_THE_REFERENCE = {
    "aws.customSessionTags": {
        "customSessionTags cannot contain automatically injected reserved keys: "
        "esoNamespace, esoStoreName, esoStoreKind"
    },
    "crd": {"one of auth or authRef is required", "at most one of the fields in [auth authRef] may be set"},
    "doppler.auth": {"Exactly one of 'secretRef' or 'oidcConfig' must be specified"},
    "nebiusmysterybox.auth": {"either serviceAccountCredsSecretRef or tokenSecretRef must be set"},
    "onepasswordSDK": {"at most one of the fields in [vault environment] may be set"},
    "openBao": {"at most one of the fields in [caBundle caProvider] may be set"},
    "openBao.auth": {"exactly one of the fields in [appRole tokenSecretRef userPass] must be set"},
    "openBao.auth.appRole": {"exactly one of the fields in [roleId roleRef] must be set"},
    "pulumi": {"Exactly one of 'auth' or deprecated 'accessToken' must be specified"},
    "pulumi.auth": {"Exactly one of 'accessToken' or 'oidcConfig' must be specified"},
    "secretserver": {"either token, or both username and password, must be set"},
    "secretserver.username": {"exactly one of value or secretRef must be set"},
    "secretserver.password": {"exactly one of value or secretRef must be set"},
    "secretserver.token": {"exactly one of value or secretRef must be set"},
}


def test_the_rules_between_members_are_those_of_the_reference() -> None:
    found = {
        path: {rule["message"] for rule in node[RULES]}
        for path, node in nodes(schema_of("secretstores"))
        if RULES in node
    }
    assert found == {f"$.spec.provider.{path}": messages for path, messages in RULES_OF_THE_REFERENCE.items()}


@pytest.mark.parametrize("plural", ["externalsecrets", "clusterexternalsecrets"])
def test_external_secrets_need_no_rules(plural: str) -> None:
    assert [path for path, node in nodes(schema_of(plural)) if RULES in node or PRESERVE in node] == []


def structs_in(annotation: Any) -> Iterator[type[msgspec.Struct]]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, tuple):
        for argument in typing.get_args(annotation):
            yield from structs_in(argument)
    elif isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation


def differences(record: type[msgspec.Struct], schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """Members that only one side knows, and defaults that differ."""
    known = {field.encode_name: field for field in msgspec.structs.fields(record)}
    members = schema.get("properties", {})
    for name in sorted(set(known) ^ set(members)):
        yield f"{path}.{name} is only in the {'record' if name in known else 'schema'}"
    for name in sorted(set(known) & set(members)):
        field, member = known[name], members[name]
        if "default" in member and member["type"] != "object" and member["default"] != field.default:
            # its absence is told apart from the default's text
            nullable = field.default is None and name == "refreshInterval"
            if not nullable:
                yield f"{path}.{name}: default {member['default']!r} in the schema, {field.default!r} in the record"
        for struct in structs_in(field.type):
            yield from differences(struct, member.get("items", member), f"{path}.{name}")


@pytest.mark.parametrize("plural", sorted(RECORDS))
@pytest.mark.parametrize("part", ["spec", "status"])
def test_records_and_schemas_have_the_same_members_and_defaults(plural: str, part: str) -> None:
    field = next(f for f in msgspec.structs.fields(RECORDS[plural]) if f.name == part)
    (record,) = structs_in(field.type)
    found = set(differences(record, schema_of(plural)["properties"][part], part))
    # A ClusterExternalSecret's condition has three members less than the record that all kinds share.
    fewer = {
        f"status.conditions.{name} is only in the record"
        for name in ("lastTransitionTime", "observedGeneration", "reason")
    }
    assert found == (fewer if (plural, part) == ("clusterexternalsecrets", "status") else set())


def test_a_member_called_description_is_not_a_description() -> None:
    assert without_descriptions(obj("gone", {"description": text("gone too")})) == {
        "type": "object",
        "properties": {"description": {"type": "string"}},
    }
