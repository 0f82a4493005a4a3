"""The page of the generators has one manifest for each kind that is served, and the code takes it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from eso.api.crds.generators import GENERATORS as SCHEMAS
from eso.api.crds.kinds import KINDS
from eso.generators.registry import GENERATORS, load

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "generators" / "README.md").read_text()
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
MANIFESTS = {block["kind"]: block for block in BLOCKS if "kind" in block}


def faults(value: Any, schema: Any, place: str) -> list[str]:
    """Members that the schema does not know or misses."""
    if schema.get("type") == "object" and "properties" in schema and isinstance(value, dict):
        known, needed = schema["properties"], schema.get("required", ())
        found = [f"{place}.{key} is unknown" for key in value if key not in known]
        found += [f"{place}.{key} is missing" for key in needed if key not in value and "default" not in known[key]]
        return found + [
            one for key in value if key in known for one in faults(value[key], known[key], f"{place}.{key}")
        ]
    if schema.get("enum") and value not in schema["enum"]:
        return [f"{place} is none of {schema['enum']}"]
    return []


def test_installed_are_the_kinds_that_have_code():
    assert set(GENERATORS) == {row.kind for row in SCHEMAS}
    for kind, row in GENERATORS.items():
        assert load(row).kind == kind


@pytest.mark.parametrize("kind", [*sorted(GENERATORS), "ClusterGenerator", "ExternalSecret"])
def test_each_kind_has_a_manifest_that_its_schema_takes(kind: str):
    (row,) = [row for row in KINDS if row.resource.kind == kind]
    assert kind == "ExternalSecret" or f"\n## {kind}\n" in PAGE
    manifest = MANIFESTS[kind]
    assert manifest["apiVersion"] == row.resource.api_version
    assert faults(manifest["spec"], row.spec(), "spec") == []
