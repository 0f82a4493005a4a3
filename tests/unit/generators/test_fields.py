"""Each field of each kind is named in the code that makes its values; what has no effect is listed, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from eso.generators.registry import GENERATORS, PACKAGE

ROOT = Path(__file__).resolve().parents[3]
PROVIDERS = "eso/providers"
AWS, GCP, VAULT = f"{PROVIDERS}/aws/login.py", f"{PROVIDERS}/gcpsm", f"{PROVIDERS}/vault"
SELECTORS = ("eso/stores/credentials.py", "eso/generators/kit", f"{PROVIDERS}/kit")
LOGINS = {
    "ECRAuthorizationToken": (AWS,),
    "STSSessionToken": (AWS,),
    "GCRAccessToken": (GCP,),
    "VaultDynamicSecret": (VAULT, AWS, GCP),
    "Webhook": (f"{PROVIDERS}/webhook",),
}
NO_EFFECT = {("MFA", "algorithm"): "as in the reference"}
OF_ALL = {"controller"}  # read by resolve.py for all kinds
EVERYWHERE = "namespace"  # a generator acts in the namespace of the object that uses it


def fields(schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    inside = schema.get("properties") or (schema.get("items") or {}).get("properties")
    for name, part in (inside or {}).items():
        yield from fields(part, (*path, name))
    if not inside and path:
        yield path


def schema_of(kind: str) -> Any:
    document = yaml.safe_load((ROOT / f"manifests/crds/{kind.lower()}s.yaml").read_text())
    return document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]


def source(kind: str) -> str:
    module = GENERATORS[kind].module.removeprefix(f"{PACKAGE}.")
    texts = []
    for place in (f"eso/generators/kinds/{module}.py", *LOGINS.get(kind, ()), *SELECTORS):
        path = ROOT / place
        texts += [one.read_text() for one in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    return "\n".join(texts)


@pytest.mark.parametrize("kind", sorted(GENERATORS))
def test_every_field_is_read(kind: str):
    code = source(kind)
    unread = {
        ".".join(path)
        for path in fields(schema_of(kind))
        if path[-1] != EVERYWHERE and path[0] not in OF_ALL and not any(f"{q}{path[-1]}{q}" in code for q in "\"'")
    }
    assert unread == {path for of, path in NO_EFFECT if of == kind}
